//! Heads of the logs that were written last: the next block most likely appends to the same.

use e2l_ledger::{Digest, LogHead, StateKey};
use lru::LruCache;
use std::num::NonZeroUsize;

/// Heads kept: some hundred bytes each.
const KEPT: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// See the module. Holds the newest head of a log, or none.
pub struct HeadCache(LruCache<StateKey, (Digest, LogHead)>);

impl Default for HeadCache {
    fn default() -> Self {
        // Room is taken as it is needed: a query knows no head.
        let mut heads = LruCache::unbounded();
        heads.resize(KEPT);
        Self(heads)
    }
}

impl HeadCache {
    /// The hash of a log's key, and its head.
    pub fn get(&mut self, log: &StateKey) -> Option<(Digest, LogHead)> {
        self.0.get(log).cloned()
    }

    /// A block has made this the head.
    pub fn put(&mut self, log: StateKey, hash: Digest, head: LogHead) {
        self.0.put(log, (hash, head));
    }
}
