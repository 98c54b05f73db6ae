//! Running out of file descriptors. A binary of its own: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::time::Duration;
use support::{Network, TestPeer, client};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::timeout;

#[tokio::test]
async fn accepting_recovers_when_descriptors_are_free_again() {
    let network = Network::new(&["provider"]);
    let peer = TestPeer::start(&network, "provider");
    let client = client(&network, &[&peer]);
    let sockets: Vec<TcpSocket> = (0..64).map(|_| TcpSocket::new_v4().unwrap()).collect();
    // Room for a few accepted connections, not for 64.
    let used = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, used + 4, hard).unwrap();
    let mut silent = Vec::new();
    for socket in sockets {
        silent.push(socket.connect(peer.socket).await.unwrap());
    }
    // Long before the handshake's own timeout of 10 s: accepting failed, and the oldest gave way.
    let first = &mut silent[0];
    let ended = timeout(Duration::from_secs(5), first.read(&mut [0; 16])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    drop(silent);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    assert_eq!(client.status().await.unwrap().actor, "provider");
}
