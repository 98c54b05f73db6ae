//! What the command line shows is proven against the genesis alone: a peer that lies is refused, and proofs hold
//! where there is neither peer nor network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_ledger::proof::LogPageProof;
use e2l_ledger::{Block, Canonical, Envelope};
use e2l_tests::{Lie, LyingPeer, Members, Network, event};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

const ACTIONS: [&str; 4] = ["create", "start", "die", "destroy"];

/// A network with one container's life, in blocks of their own, and another's.
fn network() -> (Network, Members) {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut collector = members.collector(1, "provider").unwrap();
        for action in ACTIONS {
            let events = vec![event("web", action), event("db", action)];
            collector.submit(events).await.unwrap();
        }
        members.settled(&Network::actors(), 4).await.unwrap();
    });
    (network, members)
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn verify(network: &Network, file: &Path) -> (Option<i32>, String) {
    let genesis = network.root().join("genesis.json");
    let output = std::process::Command::new(e2l_tests::binary("e2l"))
        .arg("verify")
        .arg(file)
        .arg("--genesis")
        .arg(genesis)
        .output()
        .unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn proofs_hold_without_any_peer_and_no_altered_one_does() {
    let (mut network, _members) = network();
    let history = network.root().join("history.json");
    let receipt = network.root().join("receipt.json");
    let absent = network.root().join("absent.json");
    let shown = network.e2l("user", &["history", "web", "--out", history.to_str().unwrap()]);
    assert!(shown.status.success(), "{}", text(&shown));
    let events = network.json("user", &["history", "web"]);
    let id = events[2]["tx_id"].as_str().unwrap().to_owned();
    let shown = network.e2l("developer", &["receipt", &id, "--out", receipt.to_str().unwrap()]);
    assert!(shown.status.success(), "{}", text(&shown));
    let shown = network.e2l(
        "provider",
        &["history", "nobody", "--out", absent.to_str().unwrap()],
    );
    assert!(shown.status.success(), "{}", text(&shown));

    for actor in Network::actors() {
        network.stop_peer(actor);
    }
    for (file, says) in [
        (&history, "web has exactly these 4 events"),
        (&receipt, "is on the ledger at height 3"),
        (&absent, "nobody has exactly these 0 events"),
    ] {
        let (code, said) = verify(&network, file);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(says), "{said}");
    }
    // The words and the bytes, each altered.
    let forged = network.root().join("forged.json");
    for (file, from, to) in [
        (&receipt, "\"height\": 3", "\"height\": 2"),
        (&receipt, "\"action\": \"die\"", "\"action\": \"oom\""),
        (
            &receipt,
            "provider/collector/collector-1",
            "provider/collector/collector-2",
        ),
        (&history, "\"action\": \"die\"", "\"action\": \"oom\""),
        (&history, "\"id\": \"web\"", "\"id\": \"db\""),
        (&absent, "\"id\": \"nobody\"", "\"id\": \"web\""),
        (&receipt, "\"kind\": \"receipt\"", "\"kind\": \"evidence\""),
    ] {
        let original = std::fs::read_to_string(file).unwrap();
        let altered = original.replacen(from, to, 1);
        assert_ne!(original, altered, "{from} is not in {}", file.display());
        std::fs::write(&forged, altered).unwrap();
        let (code, said) = verify(&network, &forged);
        assert_eq!(code, Some(1), "{from} -> {to}: {said}");
        assert!(said.contains("NOT valid"), "{said}");
    }
    std::fs::write(&forged, "{}").unwrap();
    assert_eq!(verify(&network, &forged).0, Some(2));
}

#[test]
fn a_peer_that_lies_is_refused() {
    let (mut network, members) = network();
    let id = network.json("user", &["history", "web"])[2]["tx_id"]
        .as_str()
        .unwrap()
        .to_owned();
    network.stop_peer("user");
    let hide_last: Lie = Arc::new(|bytes| {
        if let Ok(mut page) = LogPageProof::decode(bytes) {
            page.entries.pop();
            page.head.length -= 1;
            *bytes = page.encode();
        }
    });
    let alter_event: Lie = Arc::new(|bytes| {
        if let Ok(mut page) = LogPageProof::decode(bytes) {
            page.entries[0].value[10] ^= 1;
            *bytes = page.encode();
        }
    });
    let alter_block: Lie = Arc::new(|bytes| {
        if let Ok(mut block) = Block::decode(bytes) {
            if let Envelope::Batch(batch) = Arc::make_mut(&mut block.proposal.envelopes[0]) {
                batch.calls[0].argument[10] ^= 1;
            }
            *bytes = block.encode();
        }
    });
    let hide_call: Lie = Arc::new(|bytes| {
        if let Ok(mut block) = Block::decode(bytes) {
            if let Envelope::Batch(batch) = Arc::make_mut(&mut block.proposal.envelopes[0]) {
                batch.calls.pop();
            }
            block.results.pop();
            *bytes = block.encode();
        }
    });
    let garble: Lie = Arc::new(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let honest: Lie = Arc::new(|_| {});
    let cases: [(&str, &Lie, &[&str], bool); 8] = [
        ("honest", &honest, &["history", "web"], true),
        ("honest", &honest, &["events"], true),
        ("the last event hidden", &hide_last, &["history", "web"], false),
        ("an event altered", &alter_event, &["history", "web"], false),
        ("an event of a block altered", &alter_block, &["events"], false),
        (
            "an event of a block hidden",
            &hide_call,
            &["events", "-n", "3"],
            false,
        ),
        ("a bit of a block", &garble, &["events"], false),
        ("a bit of a receipt", &garble, &["receipt", &id], false),
    ];
    for (what, lie, command, accepted) in cases {
        let liar = LyingPeer::start(&members, "user", "provider", lie.clone()).unwrap();
        let output = network.e2l("user", command);
        let said = text(&output);
        assert_eq!(output.status.success(), accepted, "{what}: {said}");
        if accepted {
            assert!(said.contains("verified"), "{said}");
        } else {
            assert_eq!(output.status.code(), Some(1), "{what}: {said}");
            assert!(said.contains("do not rely on that peer"), "{what}: {said}");
            let shown = String::from_utf8_lossy(&output.stdout);
            assert!(!shown.contains("destroy"), "a lie was shown: {shown}");
        }
        drop(liar);
    }
}
