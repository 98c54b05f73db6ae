//! The types Raft is made for.

use crate::application::NodeInfo;
use bytes::Bytes;
use openraft::raft::AppendEntriesRequest;
use openraft::{Entry, EntryPayload, LogId, StoredMembership};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Canonical bytes of a proposal; Raft does not look into them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload(pub Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal of {} bytes", self.0.len())
    }
}

/// A snapshot: a pointer to a final height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Where Raft stands there.
    pub marker: Vec<u8>,
    /// The height.
    pub height: u64,
    /// Digest of its header.
    pub header: [u8; 32],
}

openraft::declare_raft_types!(
    /// Raft over proposals.
    pub TypeConfig:
        D = Payload,
        R = (),
        NodeId = u64,
        Node = NodeInfo,
        SnapshotData = Pointer,
);

/// Where Raft stands after an entry: stored by the application with the entry's effects.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Marker {
    /// Last entry applied.
    pub last: Option<LogId<u64>>,
    /// Membership in force.
    pub membership: StoredMembership<u64, NodeInfo>,
}

/// Encodes for the log and the wire between peers of one release.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(value)
}

/// Encodes an entry; the buffer of a large one is not to grow step by step.
pub fn encode_entry(entry: &Entry<TypeConfig>) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_extend(entry, Vec::with_capacity(entry_size(entry)))
}

/// Encodes a message with entries.
pub fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Result<Vec<u8>, postcard::Error> {
    let size = request.entries.iter().map(entry_size).sum::<usize>();
    postcard::to_extend(request, Vec::with_capacity(size + 256))
}

/// Bytes that it takes, about.
fn entry_size(entry: &Entry<TypeConfig>) -> usize {
    match &entry.payload {
        EntryPayload::Normal(payload) => payload.0.len() + 64,
        _ => 256,
    }
}

/// Decodes; trailing bytes are an error.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, postcard::Error> {
    let (value, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(postcard::Error::DeserializeBadEncoding)
    }
}
