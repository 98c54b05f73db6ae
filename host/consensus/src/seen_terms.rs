//! The highest term in which each other node was seen to stand for election, to lead or to have voted: what a node
//! whose vote record was replaced by an older one is told by the others. Kept in memory only.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Terms by node. Only voters of the configuration are noted, so it is bounded.
#[derive(Default)]
pub struct SeenTerms(Mutex<BTreeMap<u64, u64>>);

impl SeenTerms {
    /// A node was in this term.
    pub fn note(&self, node: u64, term: u64) {
        let mut seen = self.0.lock();
        let known = seen.entry(node).or_default();
        *known = term.max(*known);
    }

    /// The highest term that a node was seen in; 0 if it was in none.
    pub fn of(&self, node: u64) -> u64 {
        self.0.lock().get(&node).copied().unwrap_or(0)
    }
}
