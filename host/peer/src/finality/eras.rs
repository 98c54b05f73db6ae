use e2l_ledger::{NetworkConfig, Policy};
use std::collections::BTreeSet;

/// Who votes from a height on, and how many must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Era {
    /// First height.
    pub from: u64,
    policy: Policy,
    voters: BTreeSet<String>,
}

impl Era {
    /// What a configuration says, which is in force from this height on.
    pub fn of(from: u64, config: &NetworkConfig) -> Self {
        Self::new(
            from,
            config.finality,
            config.voters().map(|(actor, _)| actor.name.clone()),
        )
    }

    pub(super) fn new(from: u64, policy: Policy, voters: impl Iterator<Item = String>) -> Self {
        Self {
            from,
            policy,
            voters: voters.collect(),
        }
    }

    /// Actors that vote, sorted.
    pub fn voters(&self) -> impl Iterator<Item = &str> {
        self.voters.iter().map(String::as_str)
    }

    /// How many they are.
    pub fn size(&self) -> usize {
        self.voters.len()
    }

    /// Whether an actor votes.
    pub fn has(&self, actor: &str) -> bool {
        self.voters.contains(actor)
    }

    /// How many of them make a block final.
    pub fn required(&self) -> usize {
        self.policy.required(self.voters.len())
    }
}

/// The eras of a ledger, as far as it is executed.
#[derive(Debug)]
pub(super) struct Eras(Vec<Era>);

impl Eras {
    /// Begins with the first one.
    pub(super) fn new(first: Era) -> Self {
        Self(vec![first])
    }

    /// Another one begins. Nothing happens if it is that of the heights below, or not above them.
    pub(super) fn begin(&mut self, era: Era) {
        let newest = self.newest();
        let same = newest.policy == era.policy && newest.voters == era.voters;
        if era.from > newest.from && !same {
            self.0.push(era);
        }
    }

    pub(super) fn at(&self, height: u64) -> &Era {
        let after = self.0.partition_point(|era| era.from <= height);
        // Below the first one nothing is ever asked for.
        self.0
            .get(after.saturating_sub(1))
            .unwrap_or_else(|| self.newest())
    }

    /// Last height of the era that a height is in.
    pub(super) fn end(&self, height: u64) -> u64 {
        let next = self.0.iter().find(|era| era.from > height);
        next.map_or(u64::MAX, |next| next.from.saturating_sub(1))
    }

    /// The newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Era> {
        self.0.iter().rev()
    }

    fn newest(&self) -> &Era {
        self.0
            .last()
            .unwrap_or_else(|| unreachable!("there is a first one"))
    }
}
