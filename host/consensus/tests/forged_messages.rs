//! Messages that a correct node never sends: each is refused before Raft sees it, for its own reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use bytes::Bytes;
use e2l_consensus::conformance::{Marker, Payload, Pointer, SnapshotMessage, TypeConfig, encode};
use e2l_consensus::{Application, HandleError, MessageKind, NodeInfo, RaftNode, RaftOptions};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
use openraft::{
    CommittedLeaderId, Entry, EntryPayload, LogId, Membership, SnapshotMeta, StoredMembership, Vote,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use support::{MemoryLedger, Wires, eventually};

/// The node under test; node 1 leads it in term 1.
struct Follower {
    node: RaftNode,
    ledger: Arc<MemoryLedger>,
    _directory: tempfile::TempDir,
}

fn log_id(term: u64, leader: u64, index: u64) -> LogId<u64> {
    LogId::new(CommittedLeaderId::new(term, leader), index)
}

fn entry(term: u64, index: u64, payload: EntryPayload<TypeConfig>) -> Entry<TypeConfig> {
    Entry {
        log_id: log_id(term, term, index),
        payload,
    }
}

fn proposal(term: u64, index: u64, text: &'static str) -> Entry<TypeConfig> {
    entry(
        term,
        index,
        EntryPayload::Normal(Payload(Bytes::from_static(text.as_bytes()))),
    )
}

/// Those that every ledger here has.
fn voters() -> BTreeMap<u64, NodeInfo> {
    MemoryLedger::new(&[1, 2, 3]).electorates()[0].voters.clone()
}

fn membership(nodes: BTreeMap<u64, NodeInfo>) -> Membership<u64, NodeInfo> {
    Membership::new(vec![nodes.keys().copied().collect::<BTreeSet<_>>()], nodes)
}

/// A message of the leader of a term, which is the node of the same number, to append after `previous`.
fn append(
    term: u64,
    previous: Option<LogId<u64>>,
    entries: Vec<Entry<TypeConfig>>,
    committed: Option<LogId<u64>>,
) -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest {
        vote: Vote::new_committed(term, term),
        prev_log_id: previous,
        entries,
        leader_commit: committed,
    }
}

impl Follower {
    /// Holds the membership, a blank and two proposals; up to the first proposal all is committed.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = MemoryLedger::new(&[1, 2, 3]);
        let options = RaftOptions::new(2, directory.path().join("log"));
        let transport = Arc::new(Wires::default()).end(2);
        let node = RaftNode::start(options, ledger.clone(), transport).await.unwrap();
        let follower = Self {
            node,
            ledger,
            _directory: directory,
        };
        let configured = membership(voters());
        let founding = Entry {
            log_id: LogId::default(),
            payload: EntryPayload::Membership(configured),
        };
        let entries = vec![
            founding,
            entry(1, 1, EntryPayload::Blank),
            proposal(1, 2, "first"),
            proposal(1, 3, "second"),
        ];
        let accepted = follower
            .append(&append(1, None, entries, Some(log_id(1, 1, 2))))
            .await;
        assert_eq!(accepted.unwrap(), AppendEntriesResponse::Success);
        eventually("the first proposal is applied", || async {
            follower.ledger.proposals() == ["first"]
        })
        .await;
        follower
    }

    async fn append(
        &self,
        request: &AppendEntriesRequest<TypeConfig>,
    ) -> Result<AppendEntriesResponse<u64>, HandleError> {
        let leader = request.vote.leader_id.node_id;
        let body = encode(request).unwrap().into();
        let answer = self
            .node
            .handle(leader, leader, MessageKind::AppendEntries, body)
            .await?;
        Ok(e2l_consensus::conformance::decode(&answer).unwrap())
    }

    async fn refused(&self, request: &AppendEntriesRequest<TypeConfig>) -> HandleError {
        let error = self.append(request).await.unwrap_err();
        assert_eq!(self.ledger.proposals(), ["first"]);
        error
    }

    /// What every correct leader sends all the time.
    fn heartbeat(term: u64) -> AppendEntriesRequest<TypeConfig> {
        append(term, Some(log_id(1, 1, 3)), Vec::new(), Some(log_id(1, 1, 2)))
    }
}

#[tokio::test]
async fn a_sender_is_who_its_certificate_says() {
    let follower = Follower::new().await;
    let body: Bytes = encode(&Follower::heartbeat(1)).unwrap().into();
    for kind in [
        MessageKind::AppendEntries,
        MessageKind::Vote,
        MessageKind::Snapshot,
    ] {
        let error = follower.node.handle(3, 1, kind, body.clone()).await.unwrap_err();
        assert!(
            matches!(
                error,
                HandleError::OtherSender {
                    claimed: 1,
                    authenticated: 3
                }
            ),
            "{error}"
        );
    }
    // Node 3 forwards what node 1 said, in its own name.
    let error = follower
        .node
        .handle(3, 3, MessageKind::AppendEntries, body)
        .await
        .unwrap_err();
    assert!(
        matches!(error, HandleError::OtherCandidate { sender: 3, named: 1 }),
        "{error}"
    );
    follower.append(&Follower::heartbeat(1)).await.unwrap();
}

#[tokio::test]
async fn nobody_asks_for_votes_for_another_or_in_a_far_term() {
    let follower = Follower::new().await;
    let ask = |node: u64, term: u64| VoteRequest {
        vote: Vote::new(term, node),
        last_log_id: Some(log_id(1, 1, 3)),
    };
    let handle = |request: VoteRequest<u64>| {
        let body = encode(&request).unwrap().into();
        follower.node.handle(3, 3, MessageKind::Vote, body)
    };
    let error = handle(ask(1, 2)).await.unwrap_err();
    assert!(matches!(error, HandleError::OtherCandidate { .. }), "{error}");
    let error = handle(ask(3, u64::MAX - 1)).await.unwrap_err();
    assert!(matches!(error, HandleError::Term { .. }), "{error}");
    handle(ask(3, 2)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused() {
    let follower = Follower::new().await;
    let mut trailing = encode(&Follower::heartbeat(1)).unwrap();
    trailing.push(0);
    let truncated = &trailing[..trailing.len() / 2];
    let bodies = [
        Bytes::from_static(b"garbage"),
        Bytes::new(),
        Bytes::copy_from_slice(truncated),
    ];
    for body in bodies.into_iter().chain([trailing.clone().into()]) {
        for kind in [
            MessageKind::AppendEntries,
            MessageKind::Vote,
            MessageKind::Snapshot,
        ] {
            let answer = follower.node.handle(1, 1, kind, body.clone()).await;
            let error = answer.unwrap_err();
            assert!(matches!(error, HandleError::Malformed(_)), "{kind:?}: {error}");
        }
    }
    let huge = Bytes::from(vec![0; (64 << 20) + 1]);
    let error = follower
        .node
        .handle(1, 1, MessageKind::AppendEntries, huge)
        .await
        .unwrap_err();
    assert!(matches!(error, HandleError::TooLarge(_)), "{error}");
    follower.append(&Follower::heartbeat(1)).await.unwrap();
}

#[tokio::test]
async fn a_leader_tells_one_story() {
    let follower = Follower::new().await;
    let other = append(1, Some(log_id(1, 1, 2)), vec![proposal(1, 3, "another")], None);
    let error = follower.refused(&other).await;
    assert!(
        matches!(error, HandleError::TwoStories { index: 3, term: 1 }),
        "{error}"
    );
    // Both are given to the ledger, which keeps what convicts somebody.
    let pairs = follower.ledger.contradictions.lock().clone();
    assert_eq!(pairs, [[Bytes::from("second"), Bytes::from("another")]]);
    // It is heard no more in that term, so that it is replaced.
    let error = follower.refused(&Follower::heartbeat(1)).await;
    assert!(
        matches!(error, HandleError::RefusedLeader { leader: 1, term: 1 }),
        "{error}"
    );
    follower.append(&Follower::heartbeat(3)).await.unwrap();
}

#[tokio::test]
async fn what_is_applied_is_not_replaced() {
    let follower = Follower::new().await;
    let rewriting = append(
        3,
        Some(log_id(1, 1, 1)),
        vec![proposal(3, 2, "other first")],
        None,
    );
    let error = follower.refused(&rewriting).await;
    assert!(
        matches!(error, HandleError::Applied { index: 2, applied: 2 }),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_applied_may_be_replaced_by_a_later_leader() {
    let follower = Follower::new().await;
    let lawful = append(
        3,
        Some(log_id(1, 1, 2)),
        vec![proposal(3, 3, "other second")],
        Some(log_id(3, 3, 3)),
    );
    follower.append(&lawful).await.unwrap();
    eventually("the later leader's proposal is applied", || async {
        follower.ledger.proposals() == ["first", "other second"]
    })
    .await;
}

#[tokio::test]
async fn entries_follow_each_other() {
    let previous = Some(log_id(1, 1, 3));
    let cases = [
        vec![proposal(1, 5, "gap")],
        vec![proposal(1, 4, "twice"), proposal(1, 4, "twice")],
        vec![entry(0, 4, EntryPayload::Blank)],
        vec![proposal(2, 4, "a later term than the leader's")],
    ];
    let last = Some(log_id(1, 1, u64::MAX));
    for request in cases
        .map(|entries| append(1, previous, entries, None))
        .into_iter()
        .chain([append(1, last, Vec::new(), None)])
    {
        let follower = Follower::new().await;
        let error = follower.refused(&request).await;
        assert!(matches!(error, HandleError::Order { .. }), "{error}");
    }
}

#[tokio::test]
async fn membership_is_what_governance_decided() {
    let mut without = voters();
    without.remove(&2);
    let mut stranger = voters();
    stranger.insert(4, NodeInfo::default());
    for nodes in [without, stranger] {
        let follower = Follower::new().await;
        let payload = EntryPayload::Membership(membership(nodes.clone()));
        let request = append(1, Some(log_id(1, 1, 3)), vec![entry(1, 4, payload)], None);
        // A block that is still to be executed might have decided on it.
        let taken = follower.append(&request).await.unwrap();
        assert_eq!(
            taken,
            AppendEntriesResponse::PartialSuccess(Some(log_id(1, 1, 3)))
        );
        let committed = append(1, Some(log_id(1, 1, 3)), Vec::new(), Some(log_id(1, 1, 3)));
        follower.append(&committed).await.unwrap();
        eventually("all below is executed", || async {
            follower.ledger.proposals() == ["first", "second"]
        })
        .await;
        let error = follower.append(&request).await.unwrap_err();
        assert!(matches!(error, HandleError::Membership(4)), "{error}");

        let follower = Follower::new().await;
        let marker = Marker {
            last: Some(log_id(1, 1, 9)),
            membership: StoredMembership::new(Some(LogId::default()), membership(nodes)),
        };
        let message = SnapshotMessage {
            vote: Vote::new_committed(1, 1),
            meta: SnapshotMeta {
                last_log_id: marker.last,
                last_membership: marker.membership.clone(),
                snapshot_id: "height-9".to_owned(),
            },
            pointer: Pointer {
                marker: encode(&marker).unwrap(),
                height: 9,
                header: [7; 32],
            },
        };
        let body = encode(&message).unwrap().into();
        let answer = follower.node.handle(1, 1, MessageKind::Snapshot, body).await;
        let error = answer.unwrap_err();
        assert!(matches!(error, HandleError::Membership(9)), "{error}");
        assert_eq!(follower.ledger.proposals(), ["first"]);
    }
}

#[tokio::test]
async fn a_proposal_that_the_ledger_refuses_is_not_appended() {
    let follower = Follower::new().await;
    let request = append(1, Some(log_id(1, 1, 3)), vec![proposal(1, 4, "bad idea")], None);
    let error = follower.refused(&request).await;
    assert!(matches!(error, HandleError::Proposal(_)), "{error}");
    let error = follower.refused(&Follower::heartbeat(1)).await;
    assert!(matches!(error, HandleError::RefusedLeader { .. }), "{error}");
}

/// A pointer of node 1, which leads in term 1, with the configured voters.
fn pointer(last: Option<LogId<u64>>, header: [u8; 32]) -> Bytes {
    let marker = Marker {
        last,
        membership: StoredMembership::new(Some(LogId::default()), membership(voters())),
    };
    let message = SnapshotMessage {
        vote: Vote::new_committed(1, 1),
        meta: SnapshotMeta {
            last_log_id: marker.last,
            last_membership: marker.membership.clone(),
            snapshot_id: "height-9".to_owned(),
        },
        pointer: Pointer {
            marker: encode(&marker).unwrap(),
            height: 1,
            header,
        },
    };
    encode(&message).unwrap().into()
}

#[tokio::test]
async fn a_pointer_to_an_invented_place_in_the_log_is_refused() {
    let follower = Follower::new().await;
    let places = [
        // No entry of a later term than its leader's, and none of a leader that there is not.
        (None, log_id(2, 2, 9)),
        (None, log_id(u64::MAX, 1, 9)),
        (None, log_id(1, 7, 9)),
        // Beyond what the others hold, and, when none says, beyond all reason.
        (Some(9), log_id(1, 1, 10)),
        (Some(9), log_id(1, 1, u64::MAX)),
        (None, log_id(1, 1, u64::MAX)),
        (None, log_id(1, 1, 1_000_000)),
    ];
    for (others_end, place) in places {
        *follower.ledger.log_end.lock() = others_end;
        let body = pointer(Some(place), [7; 32]);
        let answer = follower.node.handle(1, 1, MessageKind::Snapshot, body).await;
        let error = answer.unwrap_err();
        assert!(matches!(error, HandleError::Place { .. }), "{place}: {error}");
    }
    assert_eq!(
        follower
            .ledger
            .installed
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    // It goes on where it was.
    let more = append(
        1,
        Some(log_id(1, 1, 3)),
        vec![proposal(1, 4, "third")],
        Some(log_id(1, 1, 4)),
    );
    follower.append(&more).await.unwrap();
    eventually("the third is applied", || async {
        follower.ledger.proposals() == ["first", "second", "third"]
    })
    .await;
}

#[tokio::test]
async fn a_pointer_that_nobody_proves_is_refused() {
    let follower = Follower::new().await;
    let body = pointer(Some(log_id(1, 1, 9)), [8; 32]);
    let answer = follower.node.handle(1, 1, MessageKind::Snapshot, body).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, HandleError::Pointer { height: 1, .. }), "{error}");
    assert_eq!(
        follower
            .ledger
            .installed
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    follower.append(&Follower::heartbeat(1)).await.unwrap();
}

/// Numbers that are the same in every run.
fn next(state: &mut u64, end: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % end.max(1) as u64).unwrap()
}

/// What fuzzing would do for Raft's messages and markers (docs/decisions/0011-fuzzing.md): changed at random, sent by the
/// leader itself, they stop nothing and take back nothing that is applied.
#[tokio::test]
async fn mutated_messages_neither_stop_a_node_nor_change_what_is_applied() {
    let follower = Follower::new().await;
    let more = append(
        1,
        Some(log_id(1, 1, 3)),
        vec![proposal(1, 4, "third")],
        Some(log_id(1, 1, 3)),
    );
    let marker = Marker {
        last: Some(log_id(1, 1, 3)),
        membership: StoredMembership::new(Some(LogId::default()), membership(voters())),
    };
    let pointer = SnapshotMessage {
        vote: Vote::new_committed(1, 1),
        meta: SnapshotMeta {
            last_log_id: marker.last,
            last_membership: marker.membership.clone(),
            snapshot_id: "height-3".to_owned(),
        },
        pointer: Pointer {
            marker: encode(&marker).unwrap(),
            height: 3,
            header: [7; 32],
        },
    };
    let bodies = [
        (
            MessageKind::AppendEntries,
            encode(&Follower::heartbeat(1)).unwrap(),
        ),
        (MessageKind::AppendEntries, encode(&more).unwrap()),
        (
            MessageKind::Vote,
            encode(&VoteRequest::new(Vote::new(2, 1), Some(log_id(1, 1, 3)))).unwrap(),
        ),
        (MessageKind::Snapshot, encode(&pointer).unwrap()),
    ];
    let marker = encode(&marker).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut refused = 0;
    for number in 0..4000 {
        let (kind, body) = &bodies[number % bodies.len()];
        let mut body = body.clone();
        for _ in 0..=next(&mut state, 3) {
            let at = next(&mut state, body.len());
            match next(&mut state, 4) {
                0 => body.truncate(at.max(1)),
                1 => body.insert(at, next(&mut state, 256) as u8),
                _ => body[at] ^= 1 << next(&mut state, 8),
            }
        }
        let mut position = marker.clone();
        let at = next(&mut state, position.len());
        position[at] = next(&mut state, 256) as u8;
        // Whatever it says, it says without a panic.
        let _ = e2l_consensus::marker_index(&position[..next(&mut state, position.len() + 1)]);
        let answer = follower.node.handle(1, 1, *kind, Bytes::from(body)).await;
        refused += usize::from(answer.is_err());
    }
    assert!(refused > 1000, "{refused} of 4000 were refused");
    assert!(
        follower.node.fatal().borrow().is_none(),
        "a message has stopped the node"
    );
    let applied = follower.ledger.proposals();
    assert_eq!(
        applied.first().map(|first| &first[..]),
        Some(&b"first"[..]),
        "{applied:?}"
    );
}

#[tokio::test]
async fn the_highest_term_that_another_was_seen_in_is_remembered() {
    let follower = Follower::new().await;
    assert_eq!((follower.node.seen_term(1), follower.node.seen_term(3)), (1, 0));
    let request = VoteRequest {
        vote: Vote::new(5, 3),
        last_log_id: Some(log_id(1, 1, 3)),
    };
    let body = encode(&request).unwrap().into();
    follower.node.handle(3, 3, MessageKind::Vote, body).await.unwrap();
    assert_eq!(follower.node.seen_term(3), 5);
    // What is refused says nothing.
    let forged = VoteRequest {
        vote: Vote::new(9, 1),
        last_log_id: None,
    };
    let body = encode(&forged).unwrap().into();
    follower
        .node
        .handle(3, 3, MessageKind::Vote, body)
        .await
        .unwrap_err();
    assert_eq!((follower.node.seen_term(1), follower.node.seen_term(3)), (1, 5));
}
