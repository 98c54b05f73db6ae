//! Where a restored node goes on: its own log and the configuration say so, and nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use e2l_consensus::conformance::{Marker, decode, encode};
use e2l_consensus::{Application, LogStanding};
use e2l_store::RaftLog;
use openraft::{CommittedLeaderId, LogId, Vote};
use std::path::Path;
use support::MemoryLedger;

/// A log that holds entries up to 9 and was purged up to entry 5, when the ledger had reached height 4.
fn purged(dir: &Path) -> LogId<u64> {
    let purged = LogId::new(CommittedLeaderId::new(2, 3), 5);
    let log = RaftLog::open(dir).unwrap();
    log.save_vote(&encode(&Vote::<u64>::new(2, 3)).unwrap()).unwrap();
    let entries: Vec<_> = (0..10).map(|index| (index, b"entry".to_vec())).collect();
    log.append(&entries).unwrap();
    log.note_height(4).unwrap();
    log.purge_to(purged.index, &encode(&purged).unwrap()).unwrap();
    purged
}

#[test]
fn a_restored_node_goes_on_where_its_own_log_begins_with_the_configured_voters() {
    let dir = tempfile::tempdir().unwrap();
    let begins = purged(dir.path());
    let standing = LogStanding::read(dir.path()).unwrap();
    assert_eq!((standing.purged, standing.height), (Some(5), 4));
    let voters = MemoryLedger::new(&[1, 2, 3]).electorates()[0].voters.clone();
    let marker: Marker = decode(&standing.resume(voters.clone()).unwrap()).unwrap();
    assert_eq!(marker.last, Some(begins));
    let membership = marker.membership.membership();
    let ids: Vec<u64> = membership.voter_ids().collect();
    assert_eq!(ids, [1, 2, 3]);
    let nodes: Vec<_> = membership.nodes().map(|(id, node)| (*id, node.clone())).collect();
    assert_eq!(nodes, voters.into_iter().collect::<Vec<_>>());
}

#[test]
fn an_empty_log_leaves_the_membership_to_the_leader() {
    let dir = tempfile::tempdir().unwrap();
    let standing = LogStanding::read(dir.path()).unwrap();
    let voters = MemoryLedger::new(&[1, 2, 3]).electorates()[0].voters.clone();
    let marker: Marker = decode(&standing.resume(voters).unwrap()).unwrap();
    assert_eq!(
        (marker.last, marker.membership),
        (None, Marker::default().membership)
    );
}

#[test]
fn a_log_that_does_not_say_what_its_purge_covers_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let log = RaftLog::open(dir.path()).unwrap();
    log.save_vote(&encode(&Vote::<u64>::new(2, 3)).unwrap()).unwrap();
    log.append(&[(0, b"entry".to_vec()), (1, b"entry".to_vec())])
        .unwrap();
    drop(log);
    let error = LogStanding::read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("`height`") && error.contains("--rejoin"),
        "{error}"
    );
    // A vote alone is missing likewise.
    RaftLog::open(dir.path()).unwrap().note_height(0).unwrap();
    assert_eq!(LogStanding::read(dir.path()).unwrap().height, 0);
}
