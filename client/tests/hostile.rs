//! Strangers and greedy members harm nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use e2l_client::{IncomingLimits, LedgerClient};
use std::time::Duration;
use support::{Behaviour, Network, TestPeer, bytes, client, options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

fn start(network: &Network, limits: IncomingLimits) -> TestPeer {
    TestPeer::start_with(network, "provider", "127.0.0.1:0", Behaviour::default(), limits)
}

async fn ends(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    // Closed or reset: both are an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("the server hangs up");
}

#[tokio::test]
async fn garbage_is_hung_up_on_while_others_are_served() {
    let network = Network::new(&["provider"]);
    let peer = TestPeer::start(&network, "provider");
    let client = client(&network, &[&peer]);
    let (sender, mut receiver) = client.submit_stream(8).await.unwrap().split();
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0x16, 0x03, 0x01, 0xff, 0xff, 0x01, 0x00],
        &[0; 4096],
    ];
    for (tag, bytes_sent) in (0..).zip(garbage.iter().cycle().take(40)) {
        let mut stranger = TcpStream::connect(peer.socket).await.unwrap();
        stranger.write_all(bytes_sent).await.unwrap();
        stranger.shutdown().await.unwrap();
        ends(stranger).await;
        sender.send(tag, bytes("fine")).await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap().0, tag);
    }
}

#[tokio::test]
async fn garbage_inside_tls_ends_that_connection_alone() {
    let network = Network::new(&["provider"]);
    let peer = TestPeer::start(&network, "provider");
    let client = client(&network, &[&peer]);
    client.status().await.unwrap();
    let connector = TlsConnector::from(network.client("provider", "client", "mallory"));
    let tcp = TcpStream::connect(peer.socket).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut mallory = connector.connect(name, tcp).await.unwrap();
    mallory.write_all(&[0xff; 1 << 16]).await.unwrap();
    ends(mallory).await;
    client.status().await.unwrap();
}

#[tokio::test]
async fn half_open_connections_neither_block_nor_stay() {
    let network = Network::new(&["provider"]);
    let limits = IncomingLimits {
        handshakes: 16,
        handshake_timeout: Duration::from_millis(1500),
        ..IncomingLimits::default()
    };
    let peer = start(&network, limits);
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(peer.socket).await.unwrap());
    }
    // All places are taken by the silent: the oldest gives way.
    assert_eq!(
        client(&network, &[&peer]).status().await.unwrap().actor,
        "provider"
    );
    for stream in silent {
        ends(stream).await;
    }
}

#[tokio::test]
async fn a_member_with_too_many_connections_shuts_out_itself_alone() {
    let network = Network::new(&["provider"]);
    let limits = IncomingLimits {
        connections_per_member: 2,
        ..IncomingLimits::default()
    };
    let peer = start(&network, limits);
    let greedy = |_| {
        let tls = network.client("provider", "client", "greedy");
        let options = e2l_client::ClientOptions {
            patience: Duration::ZERO,
            ..options()
        };
        LedgerClient::new(vec![peer.address()], &tls, options).unwrap()
    };
    let clients: Vec<_> = (0..3).map(greedy).collect();
    clients[0].status().await.unwrap();
    clients[1].status().await.unwrap();
    clients[2].status().await.unwrap_err();
    client(&network, &[&peer]).status().await.unwrap();
    // A place becomes free with its connection.
    drop(clients);
    let admitted = async {
        while greedy(0).status().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), admitted)
        .await
        .expect("there is room again");
}
