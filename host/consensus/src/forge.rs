//! Raft's messages as a malicious peer would alter or make them, for tests that stand in one: only this crate knows
//! their form.

use crate::application::NodeInfo;
use crate::network::SnapshotMessage;
use crate::types::{Marker, Payload, Pointer, TypeConfig, decode, encode};
use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft::{CommittedLeaderId, EntryPayload, LogId, Membership, SnapshotMeta, StoredMembership, Vote};
use std::collections::{BTreeMap, BTreeSet};

/// Puts other payloads into the proposals of an append message.
///
/// # Errors
/// It is none.
pub fn replace_proposals(
    body: &[u8],
    mut other: impl FnMut(&Bytes) -> Option<Bytes>,
) -> Result<Bytes, postcard::Error> {
    let mut request: AppendEntriesRequest<TypeConfig> = decode(body)?;
    for entry in &mut request.entries {
        if let EntryPayload::Normal(payload) = &entry.payload
            && let Some(other) = other(&payload.0)
        {
            entry.payload = EntryPayload::Normal(Payload(other));
        }
    }
    encode(&request).map(Bytes::from)
}

/// Proposals in an append message.
///
/// # Errors
/// It is none.
pub fn proposals(body: &[u8]) -> Result<usize, postcard::Error> {
    let request: AppendEntriesRequest<TypeConfig> = decode(body)?;
    let proposals = request.entries.iter();
    Ok(proposals
        .filter(|entry| matches!(entry.payload, EntryPayload::Normal(_)))
        .count())
}

/// A request for votes for `candidate`.
///
/// # Errors
/// It cannot be encoded.
pub fn vote_request(term: u64, candidate: u64) -> Result<Bytes, postcard::Error> {
    let request: VoteRequest<u64> = VoteRequest::new(Vote::new(term, candidate), None);
    encode(&request).map(Bytes::from)
}

/// A heartbeat of who leads a term, or says so.
///
/// # Errors
/// It cannot be encoded.
pub fn heartbeat(term: u64, leader: u64) -> Result<Bytes, postcard::Error> {
    let request: AppendEntriesRequest<TypeConfig> = AppendEntriesRequest {
        vote: Vote::new_committed(term, leader),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    encode(&request).map(Bytes::from)
}

/// A pointer to a height, with the configured membership.
///
/// # Errors
/// It cannot be encoded.
pub fn pointer(
    (term, leader): (u64, u64),
    index: u64,
    voters: BTreeMap<u64, NodeInfo>,
    (height, header): (u64, [u8; 32]),
) -> Result<Bytes, postcard::Error> {
    let ids: BTreeSet<u64> = voters.keys().copied().collect();
    let marker = Marker {
        last: Some(LogId::new(CommittedLeaderId::new(term, leader), index)),
        membership: StoredMembership::new(Some(LogId::default()), Membership::new(vec![ids], voters)),
    };
    let message = SnapshotMessage {
        vote: Vote::new_committed(term, leader),
        meta: SnapshotMeta {
            last_log_id: marker.last,
            last_membership: marker.membership.clone(),
            snapshot_id: format!("height-{height}"),
        },
        pointer: Pointer {
            marker: encode(&marker)?,
            height,
            header,
        },
    };
    encode(&message).map(Bytes::from)
}
