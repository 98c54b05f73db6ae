//! Events that a gap speaks of, and that the engine may still remember.

use crate::recent::Fingerprint;
use std::collections::VecDeque;

/// As many as an engine remembers: earlier ones it tells nobody again.
const MOST: usize = 256;

/// The last events that were lost. Taken after all, at the next start, they would come behind what followed them, and a
/// container would start after it has died.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut(VecDeque<Fingerprint>);

impl LeftOut {
    /// Adds one.
    pub fn add(&mut self, print: Fingerprint) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(print);
    }
}

impl IntoIterator for LeftOut {
    type Item = Fingerprint;
    type IntoIter = std::collections::vec_deque::IntoIter<Fingerprint>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
