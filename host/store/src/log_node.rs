//! Roots over runs of a log's entries: without them the proof of one page would read the whole log.

use crate::columns::{LOGS, log_node_key, log_prefix};
use crate::error::StoreError;
use crate::view::View;
use e2l_ledger::proof::perfect_root;
use e2l_ledger::{Digest, Domain, LogEntry, StateKey};
use std::ops::Range;

/// Every so many levels a root is kept: a byte per entry, and at most 2^5 reads for a root in between.
const STEP: u32 = 5;

/// Root over a perfect subtree of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogNode {
    /// It has 2^level entries.
    pub level: u32,
    /// Number of subtrees of its level before it.
    pub index: u64,
    /// The root.
    pub root: Digest,
}

impl LogNode {
    /// The subtree of that level whose last entry is at `position`; `None` at levels whose roots are not kept.
    pub fn kept(level: u32, position: u64, root: &Digest) -> Option<Self> {
        (level > 0 && level.is_multiple_of(STEP)).then_some(Self {
            level,
            index: position >> level,
            root: *root,
        })
    }
}

impl View {
    /// Root over a perfect subtree of a log: the number of `positions` is a power of two and divides the first. What is
    /// read here is under no checksum; whoever relies on it compares with the log's head.
    ///
    /// # Errors
    /// An entry is missing or corrupt; the database cannot be read.
    pub fn log_root(&self, log: &StateKey, positions: Range<u64>) -> Result<Digest, StoreError> {
        let count = positions.end - positions.start;
        let level = count.trailing_zeros() / STEP * STEP;
        if level == 0 {
            let entries =
                self.log_read(log, positions.start, usize::try_from(count).unwrap_or(usize::MAX))?;
            let digests: Vec<Digest> = entries.iter().map(LogEntry::own_digest).collect();
            return Ok(perfect_root(&digests));
        }
        let mut roots = Vec::new();
        for index in positions.start >> level..positions.end >> level {
            roots.push(match self.log_node(log, level, index)? {
                Some(root) => root,
                None => self.join(log, level, index)?,
            });
        }
        Ok(perfect_root(&roots))
    }

    /// The root that is kept; `None` if there is none.
    pub(crate) fn log_node(
        &self,
        log: &StateKey,
        level: u32,
        index: u64,
    ) -> Result<Option<Digest>, StoreError> {
        let record = self.read(LOGS, &log_node_key(&log_prefix(log), level, index))?;
        Ok(record.and_then(|record| record.as_ref().try_into().ok().map(Digest)))
    }

    /// A root that is not kept, from what is below it.
    fn join(&self, log: &StateKey, level: u32, index: u64) -> Result<Digest, StoreError> {
        let (middle, half) = ((2 * index + 1) << (level - 1), 1 << (level - 1));
        let left = self.log_root(log, middle - half..middle)?;
        Ok(Domain::MerkleNode.hash_pair(&left, &self.log_root(log, middle..middle + half)?))
    }
}
