//! Where the engine is, and how it is spoken to.

use super::super::SourceError;
use super::tls;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use socket2::Socket;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, StreamOwned};

/// Longest wait for the engine to answer a request, seconds.
const ANSWER_SECONDS: u64 = 30;
/// Where it is, unless `DOCKER_HOST` says.
const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";
/// Podman's, in the directory for sockets of user or machine.
const PODMAN_SOCKET: &str = "podman/podman.sock";
/// Port of an engine with TLS whose address names none.
const TLS_PORT: u16 = 2376;
/// And without: what HTTP has.
const PLAIN_PORT: u16 = 80;

/// Where an engine is, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `unix://`, `tcp://`, `http://` or `https://`.
    pub url: String,
    /// Directory of `ca.pem`, `cert.pem` and `key.pem`; `None`: no TLS.
    pub tls: Option<PathBuf>,
}

impl Address {
    /// Of the socket at a path.
    pub fn socket(path: &Path) -> Self {
        Self {
            url: format!("unix://{}", path.display()),
            tls: None,
        }
    }

    /// What Docker's own client would use: `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH` (`~/.docker`), or the
    /// machine's socket.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let url = set("DOCKER_HOST").unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
        let directory = || {
            let home = || set("HOME").map(|home| Path::new(&home).join(".docker"));
            set("DOCKER_CERT_PATH").map(PathBuf::from).or_else(home)
        };
        let is_remote = url.starts_with("tcp://") && set("DOCKER_TLS_VERIFY").is_some();
        let tls = is_remote || url.starts_with("https://");
        Self {
            url,
            tls: tls.then(|| directory().unwrap_or_default()),
        }
    }
}

impl Address {
    /// What Podman's own client would use: `CONTAINER_HOST`, or the socket of the user's service if there is one, else that of
    /// the machine's.
    pub fn of_podman(variable: impl Fn(&str) -> Option<String>, exists: impl Fn(&Path) -> bool) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(url) = set("CONTAINER_HOST") {
            return Self { url, tls: None };
        }
        let users = set("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join(PODMAN_SOCKET));
        match users.filter(|path| exists(path)) {
            Some(path) => Self::socket(&path),
            None => Self::socket(&Path::new("/run").join(PODMAN_SOCKET)),
        }
    }
}

/// An engine that can be spoken to.
#[derive(Clone)]
pub struct Endpoint {
    url: Arc<str>,
    tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    /// Reads the files of TLS, once.
    ///
    /// # Errors
    /// The address makes no sense, or a file cannot be used.
    pub fn open(address: &Address) -> Result<Self, SourceError> {
        let fail = |why: String| SourceError::Engine {
            address: address.url.clone(),
            why,
        };
        let known = ["unix://", "tcp://", "http://", "https://"];
        if !known.iter().any(|scheme| address.url.starts_with(scheme)) {
            return Err(fail(
                "only unix://, tcp://, http:// and https:// are known".to_owned(),
            ));
        }
        let tls = address.tls.as_deref().map(tls::load).transpose();
        Ok(Self {
            url: address.url.as_str().into(),
            tls: tls.map_err(fail)?,
        })
    }

    /// Whether the engine is on this machine.
    pub fn is_local(&self) -> bool {
        self.url.starts_with("unix://")
    }

    /// A client; connects at each request. A missing socket is an error here, and may be there later.
    pub fn client(&self) -> Result<Docker, Error> {
        let (url, version) = (&*self.url, API_DEFAULT_VERSION);
        if self.is_local() {
            return Docker::connect_with_unix(url, ANSWER_SECONDS, version);
        }
        let Some(tls) = self.tls.clone() else {
            return Docker::connect_with_http(url, ANSWER_SECONDS, version);
        };
        let (_, authority) = url.split_once("://").unwrap_or_default();
        let authority: Arc<str> = with_port(authority.trim_end_matches('/'), TLS_PORT).into();
        let place = format!("http://{authority}");
        let transport = move |request: BollardRequest| tls::request(tls.clone(), authority.clone(), request);
        Docker::connect_with_custom_transport(transport, Some(place), ANSWER_SECONDS, version)
    }
}

/// What bytes are sent and read through by a thread that blocks.
pub trait Blocking: Read + Write + Send {}

impl<T: Read + Write + Send> Blocking for T {}

/// A connection for a thread that blocks.
pub struct Wire {
    /// What is written and read.
    pub stream: Box<dyn Blocking>,
    /// What it goes through.
    pub socket: Socket,
    /// The name to greet with.
    pub host: String,
}

impl Wire {
    fn plain(socket: Socket, host: String) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        Ok(Self {
            stream: Box::new(socket.try_clone()?),
            socket,
            host,
        })
    }

    /// One whose engine is whoever holds the other end.
    #[cfg(test)]
    pub fn pair() -> (Self, std::os::unix::net::UnixStream) {
        let (own, engine) = std::os::unix::net::UnixStream::pair().unwrap();
        (Self::plain(own.into(), "engine".to_owned()).unwrap(), engine)
    }
}

/// A connection, as the runtime made it.
enum Dialed {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What bytes are sent and read through.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Endpoint {
    /// A connection without a client, and the name to greet with, for what the client cannot ask.
    ///
    /// # Errors
    /// The engine is not there.
    pub async fn connect(&self) -> io::Result<(Box<dyn Connection>, String)> {
        let (dialed, host) = self.dial().await?;
        let connection: Box<dyn Connection> = match dialed {
            Dialed::Unix(stream) => Box::new(stream),
            Dialed::Tcp(stream) => Box::new(stream),
            Dialed::Tls(stream) => Box::new(stream),
        };
        Ok((connection, host))
    }

    /// The same for a thread that blocks.
    ///
    /// # Errors
    /// The engine is not there.
    pub async fn wire(&self) -> io::Result<Wire> {
        let (dialed, host) = self.dial().await?;
        match dialed {
            Dialed::Unix(stream) => Wire::plain(stream.into_std()?.into(), host),
            Dialed::Tcp(stream) => Wire::plain(stream.into_std()?.into(), host),
            Dialed::Tls(stream) => {
                let (stream, session) = stream.into_inner();
                let wire = Wire::plain(stream.into_std()?.into(), host)?;
                Ok(Wire {
                    stream: Box::new(StreamOwned::new(session, wire.stream)),
                    ..wire
                })
            }
        }
    }

    /// Connects, and names the host to greet.
    async fn dial(&self) -> io::Result<(Dialed, String)> {
        let (scheme, place) = self.url.split_once("://").unwrap_or_default();
        if scheme == "unix" {
            let stream = UnixStream::connect(place).await?;
            return Ok((Dialed::Unix(stream), "engine".to_owned()));
        }
        let place = place.trim_end_matches('/');
        match self.tls.clone() {
            Some(tls) => {
                let authority = with_port(place, TLS_PORT);
                let stream = tls::connect(tls, &authority).await?;
                Ok((Dialed::Tls(Box::new(stream)), authority))
            }
            None => {
                let authority = with_port(place, PLAIN_PORT);
                Ok((Dialed::Tcp(TcpStream::connect(&authority).await?), authority))
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn with_port(authority: &str, otherwise: u16) -> String {
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    match port.is_some_and(|port| port.parse::<u16>().is_ok()) {
        true => authority.to_owned(),
        false => format!("{authority}:{otherwise}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> (String, Option<String>) {
        let address = Address::from_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let tls = address.tls.map(|directory| directory.display().to_string());
        (address.url, tls)
    }

    #[test]
    fn the_environment_means_what_dockers_own_client_makes_of_it() {
        assert_eq!(from(&[("HOME", "/home/me")]), (DEFAULT_SOCKET.to_owned(), None));
        let plain = [("DOCKER_HOST", "tcp://10.0.0.1:2375"), ("DOCKER_TLS_VERIFY", "")];
        assert_eq!(from(&plain), ("tcp://10.0.0.1:2375".to_owned(), None));
        let tls = [
            ("DOCKER_HOST", "tcp://10.0.0.1:2376"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("HOME", "/home/me"),
        ];
        assert_eq!(from(&tls).1.unwrap(), "/home/me/.docker");
        let tls = [tls.as_slice(), &[("DOCKER_CERT_PATH", "/certs")]].concat();
        assert_eq!(from(&tls).1.unwrap(), "/certs");
        let socket = [("DOCKER_HOST", "unix:///run/x.sock"), ("DOCKER_TLS_VERIFY", "1")];
        assert_eq!(from(&socket).1, None, "a socket has no TLS");
    }

    #[test]
    fn podman_is_the_users_where_the_user_has_one() {
        let of = |variables: &[(&str, &str)], there: &[&str]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Address::of_podman(variable, |path| {
                there.iter().any(|there| Path::new(there) == path)
            })
            .url
        };
        let (users, machines) = ("/run/user/1/podman/podman.sock", "unix:///run/podman/podman.sock");
        let runtime = ("XDG_RUNTIME_DIR", "/run/user/1");
        assert_eq!(of(&[], &[]), machines);
        assert_eq!(of(&[runtime], &[]), machines);
        assert_eq!(of(&[runtime], &[users]), format!("unix://{users}"));
        let named = ("CONTAINER_HOST", "tcp://10.0.0.1:8080");
        assert_eq!(of(&[runtime, named], &[users]), named.1);
    }

    #[test]
    fn an_address_that_makes_no_sense_is_refused() {
        let address = Address {
            url: "ssh://host".to_owned(),
            tls: None,
        };
        let error = Endpoint::open(&address).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("only unix://"), "{error}");
        assert_eq!(with_port("engine.example", TLS_PORT), "engine.example:2376");
        assert_eq!(with_port("10.0.0.1:1", TLS_PORT), "10.0.0.1:1");
    }
}
