//! Roots over runs of header digests, for proofs of ancestry: without them each proof would read every header.

use crate::node::missing;
use e2l_ledger::Digest;
use e2l_ledger::proof::perfect_root;
use e2l_store::{StoreError, View};
use parking_lot::Mutex;
use std::ops::Range;

/// Headers under one kept root: 32 bytes of memory for so many blocks.
const RUN: u64 = 1024;

/// Roots of complete runs from genesis on. Headers below a final height never change.
#[derive(Debug, Default)]
pub struct HeaderTree {
    runs: Mutex<Vec<Digest>>,
}

impl HeaderTree {
    /// Root over the headers of a perfect subtree of heights: its length is a power of two and divides its start.
    ///
    /// # Errors
    /// A header cannot be read.
    pub fn root(&self, view: &View, heights: Range<u64>) -> Result<Digest, StoreError> {
        if heights.end - heights.start < RUN {
            return Ok(perfect_root(&digests(view, heights)?));
        }
        let (first, end) = (heights.start / RUN, heights.end / RUN);
        let mut runs = self.runs.lock();
        while (runs.len() as u64) < end {
            let start = runs.len() as u64 * RUN;
            let root = perfect_root(&digests(view, start..start + RUN)?);
            runs.push(root);
        }
        // Below the number of runs, which are in memory.
        Ok(perfect_root(&runs[first as usize..end as usize]))
    }

    /// Forgets what was read: the headers were not what they are now.
    pub fn forget(&self) {
        self.runs.lock().clear();
    }
}

/// Digests of the headers of these heights.
///
/// # Errors
/// One cannot be read.
pub fn digests(view: &View, heights: Range<u64>) -> Result<Vec<Digest>, StoreError> {
    heights
        .map(|height| Ok(view.header(height)?.ok_or_else(|| missing(height))?.digest()))
        .collect()
}
