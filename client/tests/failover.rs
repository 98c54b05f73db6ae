//! Calls and streams outlive the peer that served them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use e2l_client::{ClientError, ClientOptions, IncomingLimits, LedgerClient, wire};
use futures::StreamExt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Behaviour, Network, TestPeer, bytes, client, options};
use wire::refusal::Reason;

fn two() -> (Network, TestPeer, TestPeer) {
    let network = Network::new(&["provider", "user"]);
    let first = TestPeer::start(&network, "provider");
    let second = TestPeer::start(&network, "user");
    (network, first, second)
}

#[tokio::test]
async fn calls_go_to_the_next_peer_and_back_to_the_preferred_one() {
    let (network, mut first, second) = two();
    let client = client(&network, &[&first, &second]);
    assert_eq!(client.status().await.unwrap().actor, "provider");
    first.kill();
    assert_eq!(client.status().await.unwrap().actor, "user");
    assert_eq!(client.submit(bytes("a")).await.unwrap().endorsed_by, ["user"]);

    let address = first.socket.to_string();
    let _again = TestPeer::start_with(
        &network,
        "provider",
        &address,
        Behaviour::default(),
        IncomingLimits::default(),
    );
    let back = async {
        while client.status().await.unwrap().actor != "provider" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back)
        .await
        .expect("the preferred peer is asked again");
}

#[tokio::test]
async fn a_peer_that_cannot_serve_is_passed_over_and_a_refusal_is_not() {
    let (network, first, second) = two();
    let client = client(&network, &[&first, &second]);
    client.query("eventdb", "unavailable", bytes("")).await.unwrap();
    assert_eq!(second.behaviour.calls.load(Ordering::SeqCst), 1);

    let forbidden = client
        .only("provider")
        .unwrap()
        .query("eventdb", "forbidden", bytes(""))
        .await;
    let Err(ClientError::Refused { reason, message, .. }) = forbidden else {
        panic!("{forbidden:?}")
    };
    assert_eq!(
        (reason, message.as_str()),
        (Reason::Forbidden, "collectors do not ask")
    );
    let unknown = client.query("eventdb", "nonsense", bytes("")).await.unwrap_err();
    assert!(matches!(unknown, ClientError::NotFound { .. }), "{unknown}");
    assert_eq!(
        second.behaviour.calls.load(Ordering::SeqCst) + first.behaviour.calls.load(Ordering::SeqCst),
        4
    );
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let (network, first, _second) = two();
    let tls = network.client("provider", "client", "cli");
    let options = ClientOptions {
        read_timeout: Duration::from_millis(200),
        patience: Duration::ZERO,
        ..options()
    };
    let client = LedgerClient::new(vec![first.address()], &tls, options).unwrap();
    let error = client.query("eventdb", "silence", bytes("")).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Timeout { call: "query", .. }),
        "{error}"
    );
    assert!(error.to_string().contains("send the same again"), "{error}");
}

#[tokio::test]
async fn nobody_there_says_what_to_do() {
    let (network, mut first, mut second) = two();
    first.kill();
    second.kill();
    let tls = network.client("provider", "client", "cli");
    let options = ClientOptions {
        patience: Duration::ZERO,
        ..options()
    };
    let peers = vec![first.address(), second.address()];
    let client = LedgerClient::new(peers, &tls, options).unwrap();
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, ClientError::NoPeer { tried: 2, .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&first.socket.to_string()) && text.contains(&second.socket.to_string()),
        "{text}"
    );
    assert!(text.contains("nothing listens there: start the peer"), "{text}");
}

#[tokio::test]
async fn busy_peers_are_asked_again_and_conflicts_are_told() {
    let (network, first, _second) = two();
    let client = client(&network, &[&first]);
    first.behaviour.busy.store(2, Ordering::SeqCst);
    let done = client.submit(bytes("a")).await.unwrap();
    assert_eq!(done.outputs, [bytes("a")]);
    assert_eq!(first.behaviour.calls.load(Ordering::SeqCst), 3);
    let conflict = client.submit(bytes("conflict")).await.unwrap_err();
    assert!(
        matches!(
            conflict,
            ClientError::Refused {
                reason: Reason::Conflict,
                ..
            }
        ),
        "{conflict}"
    );
    assert!(conflict.to_string().contains("batch 7 is known"), "{conflict}");
    assert_eq!(first.behaviour.calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_stream_of_events_goes_on_elsewhere_without_doubles_or_holes() {
    for limit in [0, 14] {
        let network = Network::new(&["provider", "user"]);
        let start = |actor, full_heights, partial| {
            let behaviour = Behaviour {
                full_heights,
                partial,
                ..Behaviour::default()
            };
            TestPeer::start_with(
                &network,
                actor,
                "127.0.0.1:0",
                behaviour,
                IncomingLimits::default(),
            )
        };
        // The first has two of the three events of height 4, and dies.
        let mut first = start("provider", 3, 2);
        let second = start("user", 6, 0);
        let client = client(&network, &[&first, &second]);
        let request = wire::EventsRequest {
            limit,
            ..Default::default()
        };
        let mut stream = client.events(request).await.unwrap();
        let mut seen = Vec::new();
        while let Some(reply) = stream.next().await {
            seen.extend(
                reply
                    .unwrap()
                    .events
                    .iter()
                    .map(|event| (event.height, event.index)),
            );
            if seen.len() == 11 {
                first.kill();
            }
        }
        let mut expected: Vec<(u64, u32)> = (1..=6)
            .flat_map(|height| (0..3).map(move |i| (height, i)))
            .collect();
        expected.truncate(if limit == 0 { 18 } else { 14 });
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn messages_over_four_megabytes_pass() {
    let (network, first, _second) = two();
    let block = client(&network, &[&first]).block(20 << 20).await.unwrap();
    assert_eq!(block.block.len(), 20 << 20);
}
