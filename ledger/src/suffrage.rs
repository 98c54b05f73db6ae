use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Whether an actor votes: whether its peer orders and endorses, and its admin has a say in changes. The names are
/// those that Raft implementations use for their servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suffrage {
    /// It sees and verifies everything, and decides and endorses nothing: an auditor.
    Nonvoter,
    /// It votes.
    Voter,
    /// It is admitted as a voter, and votes from the height after the one at which its peer has said that it is ready.
    Staging,
}
