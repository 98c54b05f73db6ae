//! What the command line shows is proven against the genesis alone: a peer that lies is refused, and proofs hold
//! where there is neither peer nor network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_client::wire;
use e2l_event::Event;
use e2l_ledger::proof::{LogPageProof, Receipt};
use e2l_ledger::{Block, Canonical, Envelope};
use e2l_tests::{Lie, LyingPeer, Members, Network, event};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

const ACTIONS: [&str; 4] = ["create", "start", "die", "destroy"];

/// A network with one container's life, in blocks of their own, and another's.
fn network() -> (Network, Members) {
    let network = Network::start(2);
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

    // One endorsement alone: well-formed, and not enough to decide.
    let text = std::fs::read_to_string(&receipt).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let proof = hex::decode(file["proofs"][0].as_str().unwrap()).unwrap();
    let mut proof = Receipt::decode(&proof).unwrap();
    proof.finality.endorsements.truncate(1);
    proof.finality.certificates.truncate(1);
    file["proofs"][0] = hex::encode(proof.encode()).into();
    std::fs::write(&forged, file.to_string()).unwrap();
    let (code, said) = verify(&network, &forged);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("is not proven: 1 of 3 actors have endorsed"),
        "{said}"
    );
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
            if let Envelope::Batch(batch) = &mut block.proposal.envelopes[0] {
                batch.calls[0].argument[10] ^= 1;
            }
            *bytes = block.encode();
        }
    });
    let hide_call: Lie = Arc::new(|bytes| {
        if let Ok(mut block) = Block::decode(bytes) {
            if let Envelope::Batch(batch) = &mut block.proposal.envelopes[0] {
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

/// A page of the life of `web` as the provider's peer has it now.
fn page_now(members: &Members, from: u64, limit: u32) -> LogPageProof {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let request = wire::GetLogPageRequest {
        chaincode: "eventdb".to_owned(),
        log: b"id/web".to_vec().into(),
        from,
        limit,
    };
    let reply = runtime.block_on(async { members.reader("provider").unwrap().log_page(request).await });
    LogPageProof::decode(&reply.unwrap().proof).unwrap()
}

#[test]
fn a_history_that_is_old_after_its_first_page_is_refused() {
    let (mut network, members) = network();
    let old_rest = page_now(&members, 1, 100);
    assert_eq!(old_rest.head.length, 4);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut collector = members.collector(2, "provider").unwrap();
        collector.submit(vec![event("web", "oom")]).await.unwrap();
        members.settled(&Network::actors(), 5).await.unwrap();
    });
    let new_start = page_now(&members, 0, 1);
    assert_eq!((new_start.head.length, new_start.entries.len()), (5, 1));
    network.stop_peer("user");
    let mixed: Lie = Arc::new(move |bytes| {
        if let Ok(page) = LogPageProof::decode(bytes) {
            let shown = if page.from == 0 { &new_start } else { &old_rest };
            *bytes = shown.encode();
        }
    });
    let liar = LyingPeer::start(&members, "user", "provider", mixed).unwrap();
    let output = network.e2l("user", &["history", "web"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("what was appended in between would be missing"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "{said}");
    drop(liar);
}

#[test]
fn the_peer_does_not_choose_what_a_name_stands_for() {
    let (mut network, members) = network();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut named = event("web", "rename");
        named.attributes.insert("name".to_owned(), "front".to_owned());
        let mut collector = members.collector(2, "provider").unwrap();
        collector.submit(vec![named]).await.unwrap();
        members.settled(&Network::actors(), 5).await.unwrap();
    });
    network.stop_peer("user");
    let another: Lie = Arc::new(|bytes| {
        if let Ok(mut event) = Event::decode(bytes) {
            if event.attributes.get("name").is_some_and(|name| name == "front") {
                event.actor_id = "db".to_owned();
            }
            *bytes = event.encode();
        }
    });
    let liar = LyingPeer::start(&members, "user", "provider", another).unwrap();
    let output = network.e2l("user", &["history", "front"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("`front` is web, as of height 5"), "{said}");
    assert!(said.contains("web: all 5 events"), "{said}");
    let output = network.e2l("user", &["history", "front", "--no-verify"]);
    let said = text(&output);
    assert!(
        said.contains("`front` is db") && said.contains("as the peer says"),
        "{said}"
    );

    let output = network.e2l("user", &["history", "nobody"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("proven: every block up to there was verified"),
        "{said}"
    );
    let said = text(&network.e2l("user", &["history", "nobody", "--no-verify"]));
    assert!(said.contains("complete: unproven"), "{said}");
    drop(liar);
}

#[test]
fn queries_are_answered_by_as_many_actors_as_make_a_block_final() {
    let (mut network, members) = network();
    network.stop_peer("user");
    let query = ["chaincode", "query", "getHistory", r#"{"id": "web"}"#];
    let honest: Lie = Arc::new(|_| {});
    let alter: Lie = Arc::new(|bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            *bytes = text.replace("destroy", "restart").into_bytes();
        }
    });
    let liar = LyingPeer::start(&members, "user", "provider", honest).unwrap();
    let output = network.e2l("user", &query);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("agreed by user, ") && said.contains("2 of 3 actors"),
        "{said}"
    );
    drop(liar);

    let liar = LyingPeer::start(&members, "user", "provider", alter).unwrap();
    let output = network.e2l("user", &query);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("do not agree") && said.contains("user says"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "{said}");
    let word = network.e2l("user", &[&query[..], &["--no-verify"]].concat());
    let said = text(&word);
    assert!(
        word.status.success() && said.contains("one peer's word"),
        "{said}"
    );
    drop(liar);

    network.stop_peer("developer");
    let output = network.e2l("user", &query);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("1 of 2 peers that must agree"), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
}
