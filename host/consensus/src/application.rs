//! What Raft drives.

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A voter, as the membership names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeInfo {
    /// The actor whose peer it is.
    pub actor: String,
    /// Where it listens.
    pub address: String,
}

/// Who votes from a height on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Electorate {
    /// First height.
    pub from: u64,
    /// The voters, by Raft id.
    pub voters: BTreeMap<u64, NodeInfo>,
}

/// An entry that is committed.
#[derive(Debug, Clone)]
pub enum Committed {
    /// A proposal.
    Proposal {
        /// Its place in the log.
        index: u64,
        /// Term in which it was appended.
        term: u64,
        /// Its canonical bytes.
        bytes: Bytes,
        /// Where Raft stands after it; to be stored in one write with its effects.
        marker: Vec<u8>,
    },
    /// An entry that is Raft's own; its marker is to be stored.
    Other {
        /// Where Raft stands after it.
        marker: Vec<u8>,
    },
}

/// A proposal that a leader wants to append.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Term of its entry.
    pub term: u64,
    /// Place in the log.
    pub index: u64,
    /// Its canonical bytes.
    pub payload: &'a Bytes,
}

/// A proposal must not be appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {why}")]
pub struct Refusal {
    /// Place in the log.
    pub index: u64,
    /// Why.
    pub why: String,
}

/// A final height that a snapshot points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPoint {
    /// Where Raft stands there.
    pub marker: Vec<u8>,
    /// The height.
    pub height: u64,
    /// Digest of its header.
    pub header: [u8; 32],
}

/// The application failed; the peer must stop.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ApplicationError(String);

impl ApplicationError {
    /// From whatever failed.
    pub fn new(error: &dyn fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// The ledger behind Raft.
pub trait Application: Send + Sync + 'static {
    /// The marker of the last entry applied.
    ///
    /// # Errors
    /// It cannot be read.
    fn applied(&self) -> Result<Option<Vec<u8>>, ApplicationError>;

    /// Executes committed entries in order. Durable when it is done.
    ///
    /// # Errors
    /// The ledger failed; the peer stops.
    fn apply(&self, entries: Vec<Committed>) -> BoxFuture<'_, Result<(), ApplicationError>>;

    /// The newest final height; the log may be purged up to there.
    ///
    /// # Errors
    /// It cannot be read.
    fn snapshot_point(&self) -> Result<Option<SnapshotPoint>, ApplicationError>;

    /// Brings the ledger to a point by fetching and executing blocks, and stores its marker.
    ///
    /// # Errors
    /// The ledger failed; the peer stops.
    fn install(&self, point: SnapshotPoint) -> BoxFuture<'_, Result<(), ApplicationError>>;

    /// Judges proposals before they are appended; may block.
    ///
    /// # Errors
    /// The first that must not be.
    fn validate(&self, leader: u64, entries: &[Incoming<'_>]) -> Result<(), Refusal>;

    /// A leader sent another payload for a place in the log whose payload is held: both may be proof of who signed
    /// two stories. May block.
    fn contradiction(&self, held: &[u8], sent: &[u8]);

    /// Whether a pointer may be installed: its height must be final with that header. A forged one would stop this
    /// node, or keep it waiting for blocks that nobody has.
    ///
    /// # Errors
    /// Nobody proves it.
    fn check_point(&self, height: u64, header: [u8; 32]) -> BoxFuture<'_, Result<(), String>>;

    /// How far the logs of the other nodes reach, those of `except` left out: the highest index that one of them names;
    /// `None` if none answers. Their word: it bounds what `except` says.
    fn log_end(&self, except: u64) -> BoxFuture<'_, Option<u64>>;

    /// The voters that governance has decided on, as far as is known here: those of the genesis first. Asked with every
    /// message.
    fn electorates(&self) -> Arc<[Electorate]>;
}
