//! What a query reads is noted, and compared with what was executed as of its height: another peer's state, or another
//! height's, is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::members::Members;
use common::peer::{Orderer, Peer};
use common::{count, create_event, deep, event, hostile};
use e2l_execution::{ExecutionError, Reads};
use e2l_ledger::proof::{prove_range, verify_range};
use e2l_ledger::{Call, Limits};

/// A peer after one block per list of calls.
fn peer(members: &Members, blocks: Vec<Vec<Call>>) -> Peer {
    let mut peer = Peer::new(members);
    let mut orderer = Orderer::new(members);
    for calls in blocks {
        let batch = orderer.batch(calls);
        let proposal = orderer.propose(&peer, vec![batch]);
        peer.apply(&proposal);
    }
    peer
}

fn reads(peer: &Peer, call: (&str, &str, &str)) -> Reads {
    let (answer, reads) = peer.query_of(&peer.store.view(), call);
    answer.unwrap();
    assert!(!reads.values.is_empty());
    reads
}

fn is_altered(checked: Result<(), ExecutionError>) -> bool {
    matches!(&checked, Err(error @ ExecutionError::StateValue { .. }) if error.is_damage())
}

#[test]
fn a_value_that_was_not_executed_is_noticed() {
    deep(|| {
        let members = Members::new(Limits::default());
        let honest = peer(&members, vec![vec![count()]]);
        let check = |reads: &Reads| honest.executor.check_values(1, &reads.values);
        let call = ("hostile", "count", "");
        check(&reads(&honest, call)).unwrap();

        // The same height with more, and with nothing.
        for blocks in [
            vec![vec![count(), count()]],
            vec![vec![create_event(&event("c1", 1))]],
        ] {
            let altered = reads(&peer(&members, blocks), call);
            assert!(is_altered(check(&altered)), "{altered:?}");
        }
    });
}

#[test]
fn a_height_below_the_newest_has_its_own_values() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let mut orderer = Orderer::new(&members);
        let mut views = Vec::new();
        for _ in 0..3 {
            let batch = orderer.batch(vec![count()]);
            let proposal = orderer.propose(&peer, vec![batch]);
            peer.apply(&proposal);
            views.push(peer.store.view());
        }
        for (height, view) in (1..).zip(&views) {
            let (_, reads) = peer.query_of(view, ("hostile", "count", ""));
            for other in 1..=3 {
                let checked = peer.executor.check_values(other, &reads.values);
                assert_eq!(checked.is_ok(), other == height, "{height} as of {other}");
            }
            let unknown = peer.executor.check_values(4, &reads.values);
            assert!(matches!(
                unknown,
                Err(ExecutionError::StateForgotten { height: 4 })
            ));
        }
        peer.restart();
        let (_, reads) = peer.query_of(&views[1], ("hostile", "count", ""));
        let forgotten = peer.executor.check_values(2, &reads.values);
        assert!(matches!(
            forgotten,
            Err(ExecutionError::StateForgotten { height: 2 })
        ));
    });
}

#[test]
fn a_scan_shows_missing_keys_by_their_number() {
    deep(|| {
        let members = Members::new(Limits::default());
        let honest = peer(&members, vec![vec![hostile("fill", "0 3")]]);
        let read = reads(&honest, ("hostile", "scan", "100"));
        assert!(read.scanned);
        honest.executor.check_values(1, &read.values).unwrap();
        let keys: Vec<_> = read.values.keys().cloned().collect();
        honest.executor.check_keys(1, &keys).unwrap();
        let mut all = 0;
        honest.store.for_each_state(|_, _| all += 1).unwrap();
        assert_eq!(honest.executor.keys_at(1).unwrap(), all);

        let lacking = peer(&members, vec![vec![create_event(&event("c1", 1))]]);
        let refused = lacking.executor.check_keys(1, &keys);
        assert!(is_altered(refused), "a key that was not executed");
    });
}

#[test]
fn the_entries_of_a_page_are_one_run_that_its_head_commits_to() {
    deep(|| {
        let members = Members::new(Limits::default());
        let calls = |from: u64, to: u64| (from..=to).map(|number| create_event(&event("c1", number)));
        let peer = peer(&members, vec![calls(1, 100).collect(), calls(101, 170).collect()]);
        let argument = r#"{"id": "c1", "from": 10, "limit": 150}"#;
        let read = reads(&peer, ("eventdb", "getHistory", argument));
        peer.executor.check_values(2, &read.values).unwrap();
        let [run] = read.runs.as_slice() else {
            panic!("{} runs", read.runs.len())
        };
        assert_eq!((run.from, run.end, run.head.length), (10, 160, 170));
        assert!(read.heights.iter().eq(&[1, 2]));
        let entries = peer.store.view().log_read(&run.log, 0, 1000).unwrap();
        let digests: Vec<_> = entries.iter().map(|entry| entry.own_digest()).collect();
        let beside = prove_range(&digests, 10..160);
        assert!(verify_range(&run.head, run.from, &run.entries, &beside));
        let mut swapped = run.entries.clone();
        swapped.swap(3, 4);
        assert!(!verify_range(&run.head, run.from, &swapped, &beside));
    });
}
