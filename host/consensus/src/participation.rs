//! How far a node takes part. A node that may have lost what it promised (its vote, entries that it said it holds)
//! must not help to elect anyone until it holds again all that the group may have committed with its help.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far a node takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Participation {
    /// It answers no message: it does not know yet whether its log is the one it had.
    Waiting = 0,
    /// It appends and applies, and neither votes nor stands for election.
    Following = 1,
    /// It takes part in everything.
    #[default]
    Voting = 2,
}

/// A [`Participation`] that many read.
pub(crate) struct SharedParticipation(AtomicU8);

impl SharedParticipation {
    pub(crate) fn new(participation: Participation) -> Self {
        Self(AtomicU8::new(participation as u8))
    }

    pub(crate) fn get(&self) -> Participation {
        match self.0.load(Ordering::Acquire) {
            0 => Participation::Waiting,
            1 => Participation::Following,
            _ => Participation::Voting,
        }
    }

    pub(crate) fn set(&self, participation: Participation) {
        self.0.store(participation as u8, Ordering::Release);
    }
}
