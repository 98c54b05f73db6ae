//! An intruder edits one actor's database: nothing altered is shown, the peer finds it by itself, repairs it from
//! the others, and says what happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_store::{Intruder, RawRecord};
use e2l_tests::{Members, Network, PATIENCE, event, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;

/// Blocks before the damage; the newest is left alone.
const BLOCKS: u64 = 12;

fn of_height(record: &RawRecord, height: u64) -> bool {
    record.key.starts_with(&height.to_be_bytes())
}

fn find(intruder: &Intruder, column: &str, height: u64) -> RawRecord {
    let records = intruder.records(column).unwrap();
    records
        .into_iter()
        .find(|record| of_height(record, height))
        .unwrap()
}

/// One edit of each kind, each in a block of its own.
fn tamper(intruder: &Intruder) -> Vec<u64> {
    let mut damaged = Vec::new();
    let mut next = 0;
    let mut height = || {
        next += 1;
        damaged.push(next);
        next
    };
    for column in Intruder::BLOCK_COLUMNS {
        let mut flipped = find(intruder, column, height());
        let middle = flipped.value.len() / 2;
        flipped.value[middle] ^= 1;
        intruder.put(&flipped).unwrap();

        // One who knows how checksums are made.
        let mut forged = find(intruder, column, height());
        let last = forged.value.len() - 20;
        forged.value[last] ^= 1;
        intruder.put_with_checksum(&forged).unwrap();
    }
    let mut truncated = find(intruder, "transactions", height());
    truncated.value.truncate(20);
    intruder.put(&truncated).unwrap();
    intruder
        .delete(&find(intruder, "transactions", height()))
        .unwrap();
    // Two valid records change places, checksums and all.
    let (one, other) = (height(), height());
    let (a, b) = (
        find(intruder, "transactions", one),
        find(intruder, "transactions", other),
    );
    for (place, content) in [(&a, &b), (&b, &a)] {
        let swapped = RawRecord {
            value: content.value.clone(),
            ..place.clone()
        };
        intruder.put_with_checksum(&swapped).unwrap();
    }
    damaged
}

#[test]
fn what_an_intruder_edited_is_not_shown_and_is_repaired() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut collector = members.collector(1, "provider").unwrap();
        for number in 0..BLOCKS {
            let events = vec![event(&format!("web-{number}"), "start")];
            collector.submit(events).await.unwrap();
        }
        members.settled(&Network::actors(), BLOCKS).await.unwrap();
    });
    let truth = network.events("provider");
    assert_eq!(truth.len() as u64, BLOCKS);

    network.stop_peer("user");
    let home = network.root().join("actors/user/peer");
    let intruder = Intruder::open(&home.join("data/ledger")).unwrap();
    let damaged = tamper(&intruder);
    drop(intruder);
    network.start_peer("user");

    // The peer alone is asked, and its word is taken: either the truth, or nothing.
    for _ in 0..5 {
        let shown = network.e2l("user", &["events", "--no-verify", "-o", "json"]);
        let shown: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        for event in &shown {
            assert!(
                truth.iter().any(|known| known["tx_id"] == event["tx_id"]
                    && known["attributes"] == event["attributes"]
                    && known["action"] == event["action"]),
                "a lie was served: {event}"
            );
        }
    }
    let (heights, incidents) = wait_until("every damaged block is repaired", PATIENCE, || {
        let incidents = network.json("user", &["incidents"]).as_array().unwrap().clone();
        let repaired = incidents
            .iter()
            .filter(|incident| incident["repaired_from"].is_string());
        let heights: BTreeSet<u64> = repaired
            .map(|incident| incident["height"].as_u64().unwrap())
            .collect();
        (heights.len() >= damaged.len()).then_some((heights, incidents))
    });
    let heights: Vec<u64> = heights.into_iter().collect();
    assert_eq!(heights, damaged, "each damaged block, and no other");
    assert_eq!(incidents.len(), damaged.len(), "each once: {incidents:?}");
    for incident in &incidents {
        assert!(incident["quarantined"].as_u64().unwrap() > 0, "{incident}");
        assert_ne!(incident["repaired_from"], "user");
    }
    assert_eq!(network.events("user").len(), truth.len());
    let shown = network.e2l("user", &["events", "--no-verify", "-o", "json"]);
    let shown: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap();
    for (own, known) in shown.iter().zip(&truth) {
        assert_eq!(own["tx_id"], known["tx_id"]);
        assert_eq!(own["attributes"], known["attributes"]);
    }
    let status = network.view("user").unwrap();
    assert_eq!(status.transactions, BLOCKS);
    // How far the background check is, and that it came to the end without a finding.
    wait_until("a full pass without a finding", PATIENCE, || {
        let status = network.json("user", &["peer", "status"]);
        let status = status.get(0).unwrap_or(&status);
        assert!(status["scrubbed_height"].is_u64(), "{status}");
        status["scrub_pass_nano"].as_i64().filter(|nano| *nano > 0)
    });
    let shown = network.e2l("user", &["peer", "status"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("all of it, without a finding, at "), "{shown}");
    // Nobody else had anything to repair: no false alarm.
    for actor in ["provider", "developer"] {
        assert_eq!(network.json(actor, &["incidents"]), Value::Array(Vec::new()));
        let status = runtime.block_on(async { members.reader(actor).unwrap().status().await.unwrap() });
        assert!(status.alarms.is_empty(), "{:?}", status.alarms);
    }
}
