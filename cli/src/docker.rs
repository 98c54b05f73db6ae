//! Whether a container engine answers on this machine.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An engine that does not answer within this time is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where an engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// As `DOCKER_HOST` says, or at the usual place: what the collector finds by itself.
    Default,
    /// At this socket.
    Socket(PathBuf),
}

/// Looks for an engine: `DOCKER_HOST`, else the system's socket, else the user's (rootless) one.
///
/// # Errors
/// Why none answers, with the next step.
pub fn find_engine() -> Result<Engine, String> {
    if let Ok(host) = std::env::var("DOCKER_HOST")
        && !host.is_empty()
    {
        return ping_host(&host)
            .map(|()| Engine::Default)
            .map_err(|why| format!("DOCKER_HOST={host}: {why}"));
    }
    let system = Path::new("/var/run/docker.sock");
    let first = match ping_socket(system) {
        Ok(()) => return Ok(Engine::Default),
        Err(why) => format!("{}: {why}", system.display()),
    };
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join("docker.sock"));
    match own.filter(|path| ping_socket(path).is_ok()) {
        Some(path) => Ok(Engine::Socket(path)),
        None => Err(first),
    }
}

fn ping_host(host: &str) -> Result<(), String> {
    if let Some(path) = host.strip_prefix("unix://") {
        return ping_socket(Path::new(path));
    }
    let Some(address) = host
        .strip_prefix("tcp://")
        .or_else(|| host.strip_prefix("http://"))
    else {
        return Err("only unix:// and tcp:// are known: name a socket with --source docker:PATH".to_owned());
    };
    let connect = || {
        let mut addresses = address.to_socket_addrs()?;
        let address = addresses.next().ok_or(std::io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    ping(connect().map_err(|error: std::io::Error| error.to_string())?)
}

/// Whether an engine answers at a socket.
///
/// # Errors
/// Why not, with the next step.
pub fn ping_socket(path: &Path) -> Result<(), String> {
    let connect = || {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    ping(connect().map_err(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "no such socket: is a Docker Engine installed and running?".to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            "permission denied: run as root, or join the group `docker` and log in again".to_owned()
        }
        std::io::ErrorKind::ConnectionRefused => "nobody listens: start the engine".to_owned(),
        _ => error.to_string(),
    })?)
}

fn ping(mut stream: impl Read + Write) -> Result<(), String> {
    let mut answer = [0; 12];
    stream
        .write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
        .and_then(|()| stream.read_exact(&mut answer))
        .map_err(|error| format!("it does not answer: {error}"))?;
    if answer.starts_with(b"HTTP/1.") && answer.ends_with(b" 200") {
        return Ok(());
    }
    Err(format!(
        "it answers {:?}, not as a Docker Engine does",
        String::from_utf8_lossy(&answer)
    ))
}
