//! Who calls, and who may not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use e2l_client::{ClientError, ClientOptions, LedgerClient, PeerAddress, Target, connect, wire};
use std::sync::Arc;
use std::time::Duration;
use support::{Network, TestPeer, bytes, client, options};
use tokio_rustls::rustls::ClientConfig;
use wire::refusal::Reason;

fn one() -> (Network, TestPeer) {
    let network = Network::new(&["provider", "user"]);
    let peer = TestPeer::start(&network, "provider");
    (network, peer)
}

async fn refused(peer: PeerAddress, tls: &Arc<ClientConfig>) -> String {
    let options = ClientOptions {
        patience: Duration::ZERO,
        ..options()
    };
    let error = LedgerClient::new(vec![peer], tls, options)
        .unwrap()
        .status()
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn the_service_sees_the_certificate_of_each_caller() {
    let (network, peer) = one();
    for (actor, role, name) in [("provider", "collector", "host1"), ("user", "admin", "ada")] {
        let tls = network.client(actor, role, name);
        let client = LedgerClient::new(vec![peer.address()], &tls, options()).unwrap();
        let reply = client.query("eventdb", "who", bytes("")).await.unwrap();
        assert_eq!(reply.output, bytes(&format!("{actor}/{role}/{name}")));
    }
}

#[tokio::test]
async fn a_refusal_travels_whole_in_a_status() {
    let (network, peer) = one();
    let error = client(&network, &[&peer]).sender_head(None).await.unwrap_err();
    let expected = ClientError::Refused {
        reason: Reason::SequenceGap,
        message: "provider/collector/host1".to_owned(),
        retry_after: None,
        expected_sequence: 42,
    };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn callers_of_another_network_and_without_certificate_learn_why() {
    let (network, peer) = one();
    let other = Network::new(&["provider"]);
    let text = refused(peer.address(), &network.foreign_client(&other)).await;
    assert!(text.contains("use an identity of this network"), "{text}");
    let text = refused(peer.address(), &network.anonymous()).await;
    assert!(text.contains("it demands a certificate"), "{text}");
    // The other way round: the caller does not trust the peer.
    let text = refused(peer.address(), &other.client("provider", "client", "cli")).await;
    assert!(
        text.contains("no authority of this network issued its certificate"),
        "{text}"
    );
}

#[tokio::test]
async fn one_actors_peer_cannot_stand_in_for_anothers() {
    let (network, peer) = one();
    let mut address = peer.address();
    address.actor = "user".to_owned();
    let text = refused(address, &network.client("user", "client", "cli")).await;
    assert!(
        text.contains("provider/peer/peer answers there, user/peer/peer was expected"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_no_peer_is_told_apart() {
    let (network, _peer) = one();
    let tls = network.client("user", "client", "cli");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let web = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tcp
    });
    let error = connect(&Target::new(&address, Arc::clone(&tls)).unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    drop(web.await);
    for wrong in ["nonsense", "host:port", "host:70000", "a b:1"] {
        let error = Target::new(wrong, Arc::clone(&tls)).err().unwrap();
        assert!(
            error
                .to_string()
                .contains(&format!("`{wrong}` is not an address")),
            "{error}"
        );
    }
}
