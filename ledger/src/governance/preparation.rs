use crate::canonical::Canonical;
use crate::hash::Digest;
use crate::member::Member;
use borsh::{BorshDeserialize, BorshSerialize};

/// Keys that one step removes at most.
pub const KEYS_PER_CLEARING: usize = 256;

/// What the next step of a preparation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PreparationPhase {
    /// Removes what an earlier attempt, or an earlier time of the same version, has left.
    Clear,
    /// Calls the contract's `prepare`.
    Prepare,
    /// The proposal has failed: removes what the steps have written.
    Undo,
}

/// An approved proposal whose contracts prepare themselves before they become active.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Preparation {
    /// The proposal.
    pub proposal: Digest,
    /// Who signed the call that met the policy.
    pub approver: Member,
    /// That call's transaction.
    pub transaction: Digest,
    /// Which of the proposal's contracts that export `prepare` is cleared or undone next, from 0.
    pub contract: u32,
    /// What comes next.
    pub phase: PreparationPhase,
    /// Calls of `prepare` so far, of all of its contracts.
    pub steps: u64,
}

/// The preparations of a network, the one that is worked on first. The state holds none when there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Preparations {
    /// In the order of their approval.
    pub queue: Vec<Preparation>,
}

impl Canonical for Preparations {
    const WHAT: &'static str = "preparations";
}

/// What the keys begin with that a version may write while it prepares itself.
pub fn prepared_prefix(version: &str) -> String {
    format!("{version}/")
}

/// Whether a version can have keys of its own: its name must not be the begin of others' keys.
///
/// # Errors
/// Says what is wrong with the version's name.
pub fn check_prepared_version(version: &str) -> Result<(), String> {
    let digit = version.starts_with(|first: char| first.is_ascii_digit());
    if digit && version.len() <= MAX_VERSION && !version.contains('/') {
        return Ok(());
    }
    Err(format!(
        "a version that is prepared begins with a digit, holds no slash and has at most {MAX_VERSION} bytes: its keys \
         begin with it"
    ))
}

/// Longest version that can be prepared, bytes.
const MAX_VERSION: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_prepared_is_no_begin_of_other_keys() {
        for good in ["2.0.0", "2", "10.1.0-beta+7"] {
            assert_eq!(check_prepared_version(good), Ok(()));
        }
        for bad in ["", "once", "2/0", "/", &"2".repeat(65)] {
            assert!(check_prepared_version(bad).is_err(), "{bad}");
        }
    }
}
