//! The newest votes heard from each peer, as they came: answers repeat their sender's last ones.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};

/// Votes kept per actor: more than an answer repeats.
const KEPT: usize = 8;

/// See the module. Forgetting costs time only.
#[derive(Default)]
pub struct HeardVotes(Mutex<BTreeMap<String, VecDeque<Bytes>>>);

impl HeardVotes {
    /// Whether this very vote was counted before.
    pub fn contains(&self, actor: &str, vote: &Bytes) -> bool {
        self.0.lock().get(actor).is_some_and(|known| known.contains(vote))
    }

    /// A vote was counted and is kept.
    pub fn remember(&self, actor: &str, vote: &Bytes) {
        let mut heard = self.0.lock();
        let known = heard.entry(actor.to_owned()).or_default();
        if known.len() == KEPT {
            known.pop_front();
        }
        // A copy: what came is a part of a whole message.
        known.push_back(Bytes::copy_from_slice(vote));
    }
}
