//! Roots over runs of log entries, for checks of what queries read: without them each would read its whole log.

use e2l_ledger::proof::perfect_root;
use e2l_ledger::{Digest, LogEntry, StateKey};
use e2l_store::{StoreError, View};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;

/// Entries under one kept root: 32 bytes of memory for so many entries.
const RUN: u64 = 1024;

/// Roots of complete runs from each log's start on. Entries never change. What was read to make a root is not believed
/// before all of them together were compared with the log's head.
#[derive(Debug, Default)]
pub struct LogTree {
    runs: Mutex<HashMap<StateKey, Vec<Digest>>>,
}

impl LogTree {
    /// Root over the entries of a perfect subtree of positions: its length is a power of two and divides its start.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn root(&self, view: &View, log: &StateKey, positions: Range<u64>) -> Result<Digest, StoreError> {
        if positions.end - positions.start < RUN {
            return Ok(perfect_root(&digests(view, log, positions)?));
        }
        let (first, end) = (positions.start / RUN, positions.end / RUN);
        loop {
            let next = {
                let mut runs = self.runs.lock();
                let known = runs.entry(log.clone()).or_default();
                // Below the number of runs, which are in memory.
                if let Some(wanted) = known.get(first as usize..end as usize) {
                    return Ok(perfect_root(wanted));
                }
                known.len() as u64
            };
            // Without the lock: other queries go on meanwhile.
            let root = perfect_root(&digests(view, log, next * RUN..(next + 1) * RUN)?);
            let mut runs = self.runs.lock();
            let known = runs.entry(log.clone()).or_default();
            if known.len() as u64 == next {
                known.push(root);
            }
        }
    }

    /// Forgets what was read of a log: its entries were not what they are now.
    pub fn forget(&self, log: &StateKey) {
        self.runs.lock().remove(log);
    }
}

/// Digests of the entries at these positions; fewer where the log ends before.
fn digests(view: &View, log: &StateKey, positions: Range<u64>) -> Result<Vec<Digest>, StoreError> {
    let count = usize::try_from(positions.end - positions.start).unwrap_or(usize::MAX);
    let entries = view.log_read(log, positions.start, count)?;
    Ok(entries.iter().map(LogEntry::own_digest).collect())
}
