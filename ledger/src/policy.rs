//! How many actors must agree.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many of the voting actors must sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Every one.
    All,
    /// More than half.
    Majority,
    /// At least this many.
    AtLeast(u32),
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all actors"),
            Self::Majority => f.write_str("a majority"),
            Self::AtLeast(count) => write!(f, "at least {count} actors"),
        }
    }
}

impl Policy {
    /// How many of `voters` are needed; at least 1.
    pub fn required(self, voters: usize) -> usize {
        match self {
            Self::All => voters.max(1),
            Self::Majority => voters / 2 + 1,
            Self::AtLeast(count) => (count as usize).max(1),
        }
    }

    /// Whether `signed` of `voters` are enough.
    pub fn is_met(self, signed: usize, voters: usize) -> bool {
        signed >= self.required(voters)
    }
}
