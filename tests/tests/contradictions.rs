//! Who signs two stories is found out, by name, with proof that anybody can check; nobody else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use e2l_client::wire::peering_client::PeeringClient;
use e2l_client::{Target, connect, wire};
use e2l_ledger::{Canonical, Digest, Endorsement, Role, SignedVote, Signer, Vote};
use e2l_tests::{Members, Network, PATIENCE, TestCollector, event, wait_until};
use serde_json::Value;

/// What an actor's peer has found: guilty and what.
fn found(network: &Network, actor: &str) -> Vec<(String, String)> {
    let list = network.json(actor, &["evidence"]);
    let text = |piece: &Value, field: &str| piece[field].as_str().unwrap().to_owned();
    let pieces = list.as_array().unwrap().iter();
    pieces
        .map(|piece| (text(piece, "guilty"), text(piece, "what")))
        .collect()
}

/// Writes what an actor's peer has found, and checks it with no peer.
fn verify_offline(network: &Network, actor: &str) {
    let directory = network.root().join("evidence");
    let written = network.e2l(actor, &["evidence", "--out", directory.to_str().unwrap()]);
    assert!(written.status.success());
    let output = std::process::Command::new(e2l_tests::binary("e2l"))
        .arg("verify")
        .arg(directory.join("evidence-1.json"))
        .arg("--genesis")
        .arg(network.root().join("genesis.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with("valid: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_numbers_two_batches_alike_is_convicted() {
    let network = Network::start(2);
    let members = Members::of(&network).unwrap();
    let mut honest = members.collector(2, "provider").unwrap();
    let mut liar = members.collector(1, "provider").unwrap();
    honest.submit(vec![event("web", "start")]).await.unwrap();
    let mut other = liar.clone();
    liar.submit(vec![event("web", "start")]).await.unwrap();
    members.settled(&Network::actors(), 2).await.unwrap();
    assert_eq!(found(&network, "user"), []);

    // The same number, another content, at a peer that has the first on its ledger.
    other.client = members.only(&other.identity, "user").unwrap();
    let error = other.submit(vec![event("web", "die")]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("two batches may never have one number"),
        "{error}"
    );
    let guilty = [(
        "provider/collector/collector-1".to_owned(),
        "signed two batches with number 1 in incarnation 1".to_owned(),
    )];
    assert_eq!(found(&network, "user"), guilty);
    verify_offline(&network, "user");
    let status = members.reader("user").unwrap().status().await.unwrap();
    assert!(
        status.alarms.iter().any(|alarm| alarm.contains("collector-1")),
        "{:?}",
        status.alarms
    );

    // Sending the same batch again, byte for byte, is no contradiction.
    let batch = TestCollector::encode(honest.batch(vec![event("web", "die")]));
    let first = honest.client.submit(batch.clone()).await.unwrap();
    let again = honest.client.submit(batch).await.unwrap();
    assert_eq!(
        (first.height, first.first_index),
        (again.height, again.first_index)
    );
    assert_eq!(found(&network, "user"), guilty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_endorses_two_headers_is_convicted_and_stops_nobody() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut collector = members.collector(1, "provider").unwrap();
    collector.submit(vec![event("web", "start")]).await.unwrap();
    members.settled(&Network::actors(), 1).await.unwrap();
    // A follower, so that ordering goes on without it; its key signs what its peer never would.
    let leader = network.wait_for_leader();
    let liar = Network::actors()
        .into_iter()
        .find(|actor| *actor != leader)
        .unwrap();
    network.kill_peer(liar);
    let identity = members.identity(liar, Role::Peer, "peer").unwrap();
    let vote = |header: u8| {
        let vote = Vote::Endorsement(Endorsement {
            network: members.digest(),
            height: 2,
            header: Digest([header; 32]),
        });
        Bytes::from(SignedVote::sign(vote, &*identity).encode())
    };
    let told = network.wait_for_leader();
    let target = Target::new(&members.address(&told).unwrap(), members.tls(&identity).unwrap()).unwrap();
    let mut stub = PeeringClient::new(connect(&target).await.unwrap());
    for header in [1, 2] {
        let announced = wire::AnnounceRequest {
            votes: vec![vote(header)],
            certificate: identity.certificate().der().to_vec().into(),
            ..Default::default()
        };
        stub.announce(announced).await.unwrap();
    }
    let guilty = [(
        format!("{liar}/peer/peer"),
        "endorsed two headers at height 2".to_owned(),
    )];
    assert_eq!(found(&network, &told), guilty);
    verify_offline(&network, &told);
    // Its lies are no endorsements, and the other two go on.
    drop(stub);
    let receipt = collector.submit(vec![event("web", "die")]).await.unwrap();
    assert!(!receipt.endorsed_by.contains(&liar.to_owned()), "{receipt:?}");
    wait_until("both go on", PATIENCE, || {
        let others = Network::actors().into_iter().filter(|actor| *actor != liar);
        let heights: Vec<u64> = others
            .map(|actor| network.view(actor).map_or(0, |view| view.final_height))
            .collect();
        heights.iter().all(|height| *height == 2).then_some(())
    });
    assert_eq!(found(&network, &told), guilty);
}
