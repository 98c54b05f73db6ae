//! Votes that contradict what this peer has.

use e2l_ledger::Digest;
use serde::{Deserialize, Serialize};

/// What a vote contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Disputed {
    /// Which proposal is committed: the leader told two stories, or the voter lies. Finality stops.
    Proposal,
    /// What executing it gives: the voter's endorsement does not count, and if enough others agree on
    /// something else, this peer's own result is the wrong one.
    Header,
}

impl std::fmt::Display for Disputed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Proposal => "acknowledgement",
            Self::Header => "endorsement",
        })
    }
}

/// Two signed statements that cannot both be honest, or a peer that computes something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Whose vote differs from this peer's own result.
    pub actor: String,
    /// At which height.
    pub height: u64,
    /// What kind of vote.
    pub what: Disputed,
    /// What this peer has.
    pub own: Digest,
    /// What the vote says.
    pub other: Digest,
}

impl Divergence {
    /// What the operator is told.
    pub fn alarm(&self) -> String {
        format!(
            "{}'s {} of height {} says {}, this peer has {}: compare the two peers' ledgers",
            self.actor, self.what, self.height, self.other, self.own
        )
    }
}
