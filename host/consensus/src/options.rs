//! Settings of ordering.

use crate::participation::Participation;
use std::path::PathBuf;

/// Settings of a Raft node. Times in milliseconds.
#[derive(Debug, Clone)]
pub struct RaftOptions {
    /// Id of this node.
    pub node_id: u64,
    /// Directory of the log.
    pub dir: PathBuf,
    /// How often a leader shows that it is alive. In openraft 0.9 it is also how long an append may take,
    /// the follower's fsync included, so it must leave time for the largest block.
    pub heartbeat_ms: u64,
    /// A follower stands for election `election_timeout_max_ms` (the leader's lease) and then a time drawn between these
    /// two after it has last heard the leader.
    pub election_timeout_min_ms: u64,
    /// See [`election_timeout_min_ms`](Self::election_timeout_min_ms).
    pub election_timeout_max_ms: u64,
    /// Most entries in one message: each may be as large as a block.
    pub max_payload_entries: u64,
    /// Entries after which the log is purged up to the newest final height.
    pub purge_after: u64,
    /// Entries kept below that height, for a follower that is a little behind.
    pub keep: u64,
    /// Height that the ledger has reached.
    pub height: u64,
    /// How far it takes part until it is told otherwise.
    pub participation: Participation,
}

impl RaftOptions {
    /// The defaults.
    pub fn new(node_id: u64, dir: PathBuf) -> Self {
        Self {
            node_id,
            dir,
            heartbeat_ms: 150,
            election_timeout_min_ms: 300,
            election_timeout_max_ms: 500,
            max_payload_entries: 8,
            purge_after: 1000,
            keep: 500,
            height: 0,
            participation: Participation::default(),
        }
    }
}
