//! Who signs two stories is found out, by name, with proof that anybody can check; nobody else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use e2l_client::wire::peering_client::PeeringClient;
use e2l_client::{Target, connect, wire};
use e2l_identity::Identity;
use e2l_ledger::{Canonical, Digest, Endorsement, Envelope, Role, SignedVote, Signer, Vote};
use e2l_store::Intruder;
use e2l_tests::{Members, Network, PATIENCE, TestCollector, announce, event, wait_until};
use serde_json::Value;
use std::sync::Arc;
use tonic::transport::Channel;

/// Waits until every one of these peers has found this, and nothing else: peers pass evidence on.
fn all_find(network: &Network, actors: &[&str], guilty: &[(String, String)]) {
    for actor in actors {
        wait_until(&format!("{actor} has the evidence"), PATIENCE, || {
            let found = found(network, actor);
            assert!(
                found.iter().all(|piece| guilty.contains(piece)),
                "only the guilty: {found:?}"
            );
            (found.len() == guilty.len()).then_some(())
        });
    }
}

/// Speaks to the peer of `target` with the key of another actor's peer.
async fn speak_as(members: &Members, identity: &Identity, target: &str) -> PeeringClient<Channel> {
    let target = Target::new(&members.address(target).unwrap(), members.tls(identity).unwrap()).unwrap();
    PeeringClient::new(connect(&target).await.unwrap())
}

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
    all_find(&network, &Network::actors(), &guilty);
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
    let told = network.wait_for_leader();
    let mut stub = speak_as(&members, &identity, &told).await;
    for header in 1..=20 {
        announce(&mut stub, endorses(&members, &identity, 2, header))
            .await
            .unwrap();
    }
    let guilty = [(
        format!("{liar}/peer/peer"),
        "endorsed two headers at height 2".to_owned(),
    )];
    let others: Vec<&str> = Network::actors()
        .into_iter()
        .filter(|actor| *actor != liar)
        .collect();
    all_find(&network, &others, &guilty);
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
    // Two of its twenty statements are kept: they are the evidence.
    network.stop_peer(&told);
    let ledger = members.home(&told, "peer").join("data/ledger");
    let votes = Intruder::open(&ledger).unwrap().records("votes").unwrap();
    let of_liar = votes.iter().filter(|vote| {
        let endorsement = vote.key.starts_with(&[&2_u64.to_be_bytes()[..], b"e"].concat());
        endorsement && vote.key.windows(liar.len()).any(|part| part == liar.as_bytes())
    });
    assert_eq!(of_liar.count(), 2);
}

/// An announcement of one endorsement of a made-up header.
fn endorses(members: &Members, identity: &Arc<Identity>, height: u64, header: u8) -> wire::AnnounceRequest {
    let vote = Vote::Endorsement(Endorsement {
        network: members.digest(),
        height,
        header: Digest([header; 32]),
    });
    wire::AnnounceRequest {
        votes: vec![Bytes::from(SignedVote::sign(vote, &**identity).encode())],
        certificate: identity.certificate().der().to_vec().into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_tells_two_peers_two_headers_is_convicted_by_both() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut collector = members.collector(1, "provider").unwrap();
    collector.submit(vec![event("web", "start")]).await.unwrap();
    members.settled(&Network::actors(), 1).await.unwrap();
    let leader = network.wait_for_leader();
    let liar = Network::actors()
        .into_iter()
        .find(|actor| *actor != leader)
        .unwrap();
    network.kill_peer(liar);
    network.wait_for_leader();
    let identity = members.identity(liar, Role::Peer, "peer").unwrap();
    let others: Vec<&str> = Network::actors()
        .into_iter()
        .filter(|actor| *actor != liar)
        .collect();
    for (header, actor) in (1..).zip(&others) {
        let mut stub = speak_as(&members, &identity, actor).await;
        announce(&mut stub, endorses(&members, &identity, 2, header))
            .await
            .unwrap();
    }
    // Neither knows of the other's yet, and neither has a result of its own.
    for actor in &others {
        assert_eq!(found(&network, actor), []);
    }
    collector.submit(vec![event("web", "die")]).await.unwrap();
    let guilty = [(
        format!("{liar}/peer/peer"),
        "endorsed two headers at height 2".to_owned(),
    )];
    all_find(&network, &others, &guilty);
    verify_offline(&network, others[0]);
    // One result each of one actor stops nobody.
    collector.submit(vec![event("web", "start")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_forwarded_under_a_number_on_the_ledger_convicts_its_collector() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut liar = members.collector(1, "provider").unwrap();
    let mut other = liar.clone();
    liar.submit(vec![event("web", "start")]).await.unwrap();
    members.settled(&Network::actors(), 1).await.unwrap();
    let rival = other.batch(vec![event("web", "die")]);
    let leader = network.wait_for_leader();
    let follower = Network::actors()
        .into_iter()
        .find(|actor| *actor != leader)
        .unwrap();
    let identity = members.identity(follower, Role::Peer, "peer").unwrap();
    let mut stub = speak_as(&members, &identity, &leader).await;
    let forwarded = wire::ForwardedEnvelope {
        envelope: Envelope::Batch(rival).encode().into(),
        certificate: liar.identity.certificate().der().to_vec().into(),
        ..Default::default()
    };
    let answer = stub.forward(wire::ForwardRequest {
        envelopes: vec![forwarded],
    });
    let outcome = answer.await.unwrap().into_inner().outcomes.remove(0);
    assert_eq!(outcome.reason(), wire::refusal::Reason::Conflict, "{outcome:?}");
    let guilty = [(
        "provider/collector/collector-1".to_owned(),
        "signed two batches with number 1 in incarnation 1".to_owned(),
    )];
    all_find(&network, &Network::actors(), &guilty);
}
