//! Which events were taken last, to know an exact repeat.

use e2l_ledger::Domain;
use e2l_ledger::event::Event;
use std::collections::{HashSet, VecDeque};

/// How many are remembered: sixteen times what an engine replays.
const REMEMBERED: usize = 4096;

/// Short digest of what makes an event the same event.
pub type Fingerprint = [u8; 16];

/// Digest of type, action, id, engine time and attributes.
pub fn fingerprint(event: &Event) -> Fingerprint {
    let identity = (
        event.kind,
        &event.action,
        &event.actor_id,
        event.time_nano,
        &event.attributes,
    );
    // Writing to memory cannot fail.
    let bytes = borsh::to_vec(&identity).unwrap_or_default();
    let mut short = [0; 16];
    short.copy_from_slice(&Domain::Value.hash(&bytes).as_bytes()[..16]);
    short
}

/// The fingerprints of the last events.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    order: VecDeque<Fingerprint>,
    known: HashSet<Fingerprint>,
}

impl Recent {
    /// From a list, oldest first.
    pub fn new(list: impl IntoIterator<Item = Fingerprint>) -> Self {
        let mut recent = Self::default();
        list.into_iter().for_each(|one| {
            recent.insert(one);
        });
        recent
    }

    /// Remembers one; `false` if it was known already.
    pub fn insert(&mut self, one: Fingerprint) -> bool {
        if !self.known.insert(one) {
            return false;
        }
        self.order.push_back(one);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Whether it is remembered.
    pub fn contains(&self, one: &Fingerprint) -> bool {
        self.known.contains(one)
    }

    /// The last one.
    pub fn newest(&self) -> Option<Fingerprint> {
        self.order.back().copied()
    }

    /// Oldest first.
    pub fn list(&self) -> Vec<Fingerprint> {
        self.order.iter().copied().collect()
    }
}
