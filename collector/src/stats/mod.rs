//! What a collector measures of itself.

mod histogram;

pub use histogram::{Histogram, Latency};

use crate::clock::now_nano;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Time between two answers that counts as a pause, nanoseconds.
const PAUSE_NANO: i64 = 50_000_000;
/// Most pauses that are kept.
const PAUSES: usize = 256;

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
    /// Events that were inferred from the engine's state, since the start.
    pub inferred: u64,
    /// Gaps that were recorded, since the start.
    pub gaps: u64,
    /// How far the engine's clock was ahead when it was asked last, milliseconds.
    pub engine_ahead_ms: i64,
    /// How far the clock of the peers' leader was ahead, milliseconds: of the last batch that became final, within half the
    /// time that it took.
    pub peers_ahead_ms: i64,
    /// Events of services that another manager's collector had reported first (`WITNESS`).
    pub witnessed: u64,
    /// Events with another validation code than `VALID` or `WITNESS`, by code.
    pub refused_codes: BTreeMap<String, u64>,
    /// Batches that a peer refused, by reason. Most are sent again.
    pub refusals: BTreeMap<String, u64>,
    /// Streams to peers beyond the first.
    pub reconnects: u64,
    /// Events that are not final yet.
    pub spooled: u64,
    /// Since when the oldest of them waits, nanoseconds since the Unix epoch; 0 for none.
    pub oldest_unfinal_nano: i64,
    /// When the first batch was sent, nanoseconds since the Unix epoch; 0 before.
    pub first_sent_nano: i64,
    /// From the moment an event was meant to happen, or was read, until it was known to be final.
    pub latency_us: Latency,
    /// The same in buckets, to be merged with other collectors'.
    pub histogram: Histogram,
    /// When a batch last became final, nanoseconds since the Unix epoch; 0 before.
    pub last_final_nano: i64,
    /// The newest pauses of 50 ms or more between two batches that became final: beginning and end.
    pub pauses: VecDeque<(i64, i64)>,
    /// CPU that a `synthetic` source has used to invent events, microseconds.
    pub generator_cpu_us: u64,
    /// Digest of the component that events are recorded by, or `built in`.
    pub component: String,
    /// BLAKE3 of the collector's executable.
    pub executable: String,
    /// Events that the component does not record, since the start.
    pub left_out: u64,
    /// Events that the component gave no answer about, since the start.
    pub component_failures: u64,
    /// Events that were recorded anew, because peers did not take what was signed; since the start.
    pub recorded_anew: u64,
    /// What keeps it from recording what happens, each in one sentence.
    pub troubles: BTreeSet<String>,
    /// When this was written, nanoseconds since the Unix epoch.
    pub written_nano: i64,
    /// Whether the source has ended and everything is final.
    pub done: bool,
}

impl Stats {
    /// A batch has become final, whose events' latency began at these moments.
    pub fn batch_is_final(&mut self, since_nano: &[i64], now_nano: i64) {
        self.events += since_nano.len() as u64;
        self.batches += 1;
        for since in since_nano {
            let micros = u64::try_from((now_nano - since) / 1000).unwrap_or_default();
            self.histogram.add(micros);
        }
        let last = std::mem::replace(&mut self.last_final_nano, now_nano);
        if last > 0 && now_nano - last >= PAUSE_NANO {
            if self.pauses.len() == PAUSES {
                self.pauses.pop_front();
            }
            self.pauses.push_back((last, now_nano));
        }
    }

    /// How long the oldest event that is not final has waited, nanoseconds; 0 if none waits.
    pub fn lag_nano(&self, now_nano: i64) -> i64 {
        match self.oldest_unfinal_nano {
            0 => 0,
            oldest => now_nano.saturating_sub(oldest).max(0),
        }
    }
}

/// Stats that several tasks write.
#[derive(Debug, Clone, Default)]
pub struct SharedStats(Arc<Mutex<Stats>>);

impl SharedStats {
    /// Changes them.
    pub fn change(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.0.lock());
    }

    /// Something keeps the collector from recording what happens, or does no longer.
    pub fn trouble(&self, what: &str, there: bool) {
        self.change(|stats| {
            if there {
                stats.troubles.insert(what.to_owned());
            } else {
                stats.troubles.remove(what);
            }
        });
    }

    /// As they are now, with percentiles.
    pub fn get(&self) -> Stats {
        let mut stats = self.0.lock().clone();
        stats.latency_us = stats.histogram.latency();
        stats.written_nano = now_nano();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_kept_up_to_a_bound() {
        let mut stats = Stats::default();
        let second = 1_000_000_000;
        stats.batch_is_final(&[second - 5_000_000], second);
        stats.batch_is_final(&[second], second + 1_000_000);
        assert!(stats.pauses.is_empty(), "a millisecond is no pause");
        for n in 2..400 {
            stats.batch_is_final(&[], n * second);
        }
        assert_eq!((stats.events, stats.batches), (2, 400));
        assert_eq!(stats.pauses.len(), PAUSES);
        assert_eq!(stats.pauses.back(), Some(&(398 * second, 399 * second)));
        assert_eq!(stats.histogram.latency().max, 5000.0);
    }
}
