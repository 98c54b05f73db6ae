//! One channel to one peer.

use crate::distrust::callee_distrusted;
use crate::error::ClientError;
use crate::remedy::tcp_reason;
use crate::tls_reason::{tls_kind, tls_reason};
use crate::transport::{Trouble, WatchedStream};
use e2l_identity::Trust;
use e2l_ledger::{Certificate, Member};
use futures::FutureExt;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint, Uri};

/// Longest wait for TCP, and again for TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A frozen peer is noticed after both together.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes under way on one stream.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
/// Bytes under way on one connection.
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;

/// A peer to connect to, and how.
#[derive(Clone)]
pub struct Target {
    address: String,
    server_name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    expected: Option<Member>,
    trust: Option<Arc<dyn Trust>>,
    trouble: Trouble,
}

impl Target {
    /// A peer at `address` (`host:port`; IPv6 in brackets). `tls` decides which certificates are trusted.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn new(address: &str, tls: Arc<ClientConfig>) -> Result<Self, ClientError> {
        let fail = |why: &str| ClientError::Address {
            address: address.to_owned(),
            why: why.to_owned(),
        };
        let (host, port) = address
            .rsplit_once(':')
            .ok_or_else(|| fail("the port is missing"))?;
        let _: u16 = port
            .parse()
            .map_err(|_| fail("the port is not a number up to 65535"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let server_name = ServerName::try_from(host.to_owned())
            .map_err(|_| fail("the host is neither a name nor an IP"))?;
        Ok(Self {
            address: address.to_owned(),
            server_name,
            tls,
            expected: None,
            trust: None,
            trouble: Trouble::default(),
        })
    }

    /// Accepts only this member behind the address: otherwise one actor's peer could answer in place of
    /// another's, with a certificate that is as valid.
    pub fn expecting(mut self, member: Member) -> Self {
        self.expected = Some(member);
        self
    }

    /// Closes connections soon after the peer's certificate has lost its trust, as when it is revoked.
    pub fn following(mut self, trust: Arc<dyn Trust>) -> Self {
        self.trust = Some(trust);
        self
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same peer, over TLS of another configuration.
    pub(crate) fn over(&self, tls: Arc<ClientConfig>) -> Self {
        Self {
            tls,
            trust: None,
            trouble: Trouble::default(),
            ..self.clone()
        }
    }

    /// Whether the peer's certificate was refused when it was last connected to.
    pub fn is_untrusted(&self) -> bool {
        self.trouble.is_untrusted()
    }

    /// What the connection noticed last.
    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    async fn open(self) -> io::Result<TokioIo<WatchedStream>> {
        match self.handshake().await {
            Ok(stream) => {
                self.trouble.clear();
                Ok(TokioIo::new(stream))
            }
            Err(why) => {
                self.trouble.set(why.clone());
                Err(io::Error::other(why))
            }
        }
    }

    async fn handshake(&self) -> Result<WatchedStream, String> {
        let tcp = timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
            .map_err(|error| tcp_reason(&error))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let tls = timeout(CONNECT_TIMEOUT, connector.connect(self.server_name.clone(), tcp))
            .await
            .map_err(|_| {
                format!(
                    "it accepts connections and is silent for {} s: see whether the peer hangs, or another program \
                     listens there",
                    CONNECT_TIMEOUT.as_secs()
                )
            })?
            .map_err(|error| {
                if tls_kind(&error) == "certificate" {
                    self.trouble.set_untrusted();
                }
                tls_reason(&error)
            })?;
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown
            .map(|der| Certificate::parse(der).map_err(|error| error.to_string()))
            .transpose()?;
        self.check_member(certificate.as_ref())?;
        let distrust = match (certificate, &self.trust) {
            (Some(certificate), Some(trust)) => callee_distrusted(certificate, trust.clone()).boxed(),
            _ => std::future::pending().boxed(),
        };
        Ok(WatchedStream::new(tls, self.trouble.clone(), distrust))
    }

    fn check_member(&self, certificate: Option<&Certificate>) -> Result<(), String> {
        let Some(expected) = &self.expected else {
            return Ok(());
        };
        let certificate = certificate.ok_or("it shows no certificate: is it a peer?")?;
        if certificate.member() == expected {
            return Ok(());
        }
        Err(format!(
            "{} answers there, {expected} was expected: correct the address, or find out who took it",
            certificate.member()
        ))
    }

    fn endpoint(&self) -> Result<Endpoint, ClientError> {
        let fail = |why: String| ClientError::Address {
            address: self.address.clone(),
            why,
        };
        let uri = format!("http://{}", self.address);
        let uri: Uri = uri.parse().map_err(|error| fail(format!("{error}")))?;
        Ok(Endpoint::from(uri)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // A batch in few frames: each frame costs a TLS record and a wake-up.
            .max_frame_size(256 << 10))
    }
}

/// Connects at once. The channel connects again by itself when the connection is lost.
///
/// # Errors
/// [`ClientError::Address`]; [`ClientError::Unreachable`] with the reason, TLS refusals included. With TLS 1.3
/// a peer's refusal of the *caller's* certificate shows at the first call.
pub async fn connect(target: &Target) -> Result<Channel, ClientError> {
    let connecting = target.clone();
    let connector = tower::service_fn(move |_: Uri| connecting.clone().open());
    let connected = target.endpoint()?.connect_with_connector(connector).await;
    connected.map_err(|error| ClientError::Unreachable {
        address: target.address.clone(),
        why: target.trouble.get().unwrap_or_else(|| error.to_string()),
    })
}

/// A channel that connects at its first call. Must be made inside a Tokio runtime.
///
/// # Errors
/// [`ClientError::Address`].
pub fn connect_lazy(target: &Target) -> Result<Channel, ClientError> {
    let connecting = target.clone();
    let connector = tower::service_fn(move |_: Uri| connecting.clone().open());
    Ok(target.endpoint()?.connect_with_connector_lazy(connector))
}
