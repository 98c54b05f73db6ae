//! What a collector measures of itself.

mod histogram;

pub use histogram::{Histogram, Latency};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The measurements, as the stats file has them in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Events that are in the spool, since the start.
    pub taken: u64,
    /// Events that became final, since the start.
    pub events: u64,
    /// Batches that became final, since the start.
    pub batches: u64,
    /// Repeats that were left out.
    pub repeats: u64,
    /// Events whose validation code is not `VALID`, by code.
    pub refused_codes: BTreeMap<String, u64>,
    /// Batches that a peer refused, by reason. Most are sent again.
    pub refusals: BTreeMap<String, u64>,
    /// Streams to peers beyond the first.
    pub reconnects: u64,
    /// Events that are not final yet.
    pub spooled: u64,
    /// When the first batch was sent, nanoseconds since the Unix epoch; 0 before.
    pub first_sent_nano: i64,
    /// From the moment an event was meant to happen, or was read, until it was known to be final.
    pub latency_us: Latency,
    /// The same in buckets, to be merged with other collectors'.
    pub histogram: Histogram,
    /// Whether the source has ended and everything is final.
    pub done: bool,
}

/// Stats that several tasks write.
#[derive(Debug, Clone, Default)]
pub struct SharedStats(Arc<Mutex<Stats>>);

impl SharedStats {
    /// Changes them.
    pub fn change(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.0.lock());
    }

    /// As they are now, with percentiles.
    pub fn get(&self) -> Stats {
        let mut stats = self.0.lock().clone();
        stats.latency_us = stats.histogram.latency();
        stats
    }

    /// Writes them; the file is whole at every moment.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(&self.get())?;
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, json)?;
        std::fs::rename(&temporary, path)
    }
}
