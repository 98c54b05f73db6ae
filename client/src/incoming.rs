//! Accepting connections from a network that may be hostile.

use crate::admission::Admission;
use crate::backoff::Backoff;
use crate::caller::Caller;
use crate::connection::TlsConnection;
use crate::distrust::caller_distrusted;
use crate::handshakes::Handshakes;
use crate::tls_reason::{tls_kind, tls_reason};
use e2l_identity::LogLimit;
use e2l_ledger::{Certificate, NetworkConfig};
use futures::{FutureExt, Stream};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Bounds on what strangers and members may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingLimits {
    /// Handshakes under way; when there are more, the oldest is dropped.
    pub handshakes: usize,
    /// Longest time for a handshake.
    pub handshake_timeout: Duration,
    /// Established connections.
    pub connections: usize,
    /// Established connections of one member.
    pub connections_per_member: usize,
}

impl Default for IncomingLimits {
    fn default() -> Self {
        Self {
            handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            connections: 1024,
            connections_per_member: 128,
        }
    }
}

/// Accepted TLS connections, for `tonic::transport::server::Router::serve_with_incoming_shutdown`. Never ends
/// and never fails by itself: garbage, half-open connections and a lack of file descriptors cost the one who
/// causes them, and are logged, one line per second and reason. Dropping it closes the port.
#[derive(Debug)]
pub struct TlsIncoming {
    accepted: mpsc::Receiver<TlsConnection>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    admission: Admission,
}

/// Counts established connections.
#[derive(Debug, Clone)]
pub struct OpenConnections(Admission);

impl OpenConnections {
    /// How many there are now.
    pub fn count(&self) -> usize {
        self.0.count()
    }
}

impl TlsIncoming {
    /// Binds `address` and accepts on it. Inside a Tokio runtime only.
    ///
    /// # Errors
    /// The address cannot be bound; names it.
    pub async fn bind(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        limits: IncomingLimits,
    ) -> io::Result<Self> {
        let named = |error: io::Error| {
            let why =
                format!("cannot listen on {address}: {error}; stop what listens there, or choose another");
            io::Error::new(error.kind(), why)
        };
        let listener = TcpListener::bind(address).await.map_err(named)?;
        Self::new(listener, tls, limits)
    }

    /// Accepts on a listener that is bound already.
    ///
    /// # Errors
    /// The listener does not know its address.
    pub fn new(listener: TcpListener, tls: Arc<ServerConfig>, limits: IncomingLimits) -> io::Result<Self> {
        Self::trusting(listener, tls, limits, None)
    }

    /// The same, and connections are closed at once when a change of the configuration takes the trust from their
    /// callers' certificates.
    ///
    /// # Errors
    /// As [`TlsIncoming::new`].
    pub fn following(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        limits: IncomingLimits,
        config: watch::Receiver<Arc<NetworkConfig>>,
    ) -> io::Result<Self> {
        Self::trusting(listener, tls, limits, Some(config))
    }

    fn trusting(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        limits: IncomingLimits,
        config: Option<watch::Receiver<Arc<NetworkConfig>>>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, accepted) = mpsc::channel(64);
        let admission = Admission::new(limits.clone());
        let door = Arc::new(Door {
            acceptor: TlsAcceptor::from(tls),
            admission: admission.clone(),
            handshake_timeout: limits.handshake_timeout,
            accepted: sender,
            config,
            log: LogLimit::default(),
        });
        let accepting = tokio::spawn(accept(listener, door, limits.handshakes));
        Ok(Self {
            accepted,
            address,
            accepting,
            admission,
        })
    }

    /// Counts its connections, also when it is gone.
    pub fn connections(&self) -> OpenConnections {
        OpenConnections(self.admission.clone())
    }

    /// Where it listens; the port is the real one when it was bound to port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TlsIncoming {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Stream for TlsIncoming {
    type Item = io::Result<TlsConnection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.accepted.poll_recv(cx).map(|accepted| accepted.map(Ok))
    }
}

/// What every handshake needs.
struct Door {
    acceptor: TlsAcceptor,
    admission: Admission,
    handshake_timeout: Duration,
    accepted: mpsc::Sender<TlsConnection>,
    config: Option<watch::Receiver<Arc<NetworkConfig>>>,
    log: LogLimit,
}

/// Why a connection is refused.
struct Refused {
    /// One word out of a fixed set.
    reason: &'static str,
    why: String,
}

impl Refused {
    fn new(reason: &'static str, why: impl ToString) -> Self {
        Self {
            reason,
            why: why.to_string(),
        }
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>, handshakes: usize) {
    let mut handshakes = Handshakes::new(handshakes);
    let mut pauses = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        match listener.accept().await {
            Ok((tcp, address)) => {
                pauses.reset();
                if handshakes.start(Arc::clone(&door).enter(tcp, address))
                    && let Some(suppressed) = door.log.admit("handshakes")
                {
                    tracing::warn!(suppressed, "too many handshakes at once: the oldest was dropped");
                }
            }
            Err(error) if is_the_callers(&error) => {}
            // Out of descriptors or memory: accepting at once again would only burn the processor.
            Err(error) => {
                let pause = pauses.fail();
                tracing::error!(%error, ?pause, "cannot accept connections: raise the limit of open files");
                handshakes.drop_oldest();
                sleep(pause).await;
            }
        }
    }
}

/// The connection was gone before it was taken; the next may be fine.
fn is_the_callers(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | BrokenPipe | Interrupted | TimedOut
    )
}

impl Door {
    async fn enter(self: Arc<Self>, tcp: TcpStream, address: SocketAddr) {
        let shaken = timeout(self.handshake_timeout, self.handshake(tcp, address)).await;
        let connection = shaken.unwrap_or_else(|_| {
            let limit = self.handshake_timeout.as_secs_f32();
            Err(Refused::new("timeout", format!("no handshake within {limit} s")))
        });
        match connection {
            // The server is gone: nobody is left to serve it.
            Ok(connection) => drop(self.accepted.send(connection).await),
            Err(Refused { reason, why }) => {
                if let Some(suppressed) = self.log.admit(reason) {
                    tracing::warn!(%address, reason, why, suppressed, "connection refused");
                }
            }
        }
    }

    async fn handshake(&self, tcp: TcpStream, address: SocketAddr) -> Result<TlsConnection, Refused> {
        tcp.set_nodelay(true)
            .map_err(|error| Refused::new("connection", error))?;
        let tls = self
            .acceptor
            .accept(tcp)
            .await
            .map_err(|error| Refused::new(tls_kind(&error), tls_reason(&error)))?;
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown
            .map(|der| Certificate::parse(der))
            .transpose()
            .map_err(|error| Refused::new("certificate", error))?;
        let member = certificate
            .as_ref()
            .map(|certificate| certificate.member().clone());
        let admitted = self
            .admission
            .admit(member)
            .map_err(|why| Refused::new("connections", why))?;
        let distrust = match (&certificate, &self.config) {
            (Some(certificate), Some(config)) => {
                caller_distrusted(certificate.clone(), config.clone()).boxed()
            }
            _ => std::future::pending().boxed(),
        };
        let caller = Caller { certificate, address };
        Ok(TlsConnection::new(tls, caller, admitted, distrust))
    }
}
