//! What the collector counts itself.

use crate::bench::scrape::scrape_all;
use crate::error::{CliError, CliResult};
use serde::Serialize;

/// Their names in its metrics.
const NAMES: [&str; 4] = [
    "e2l_collector_events",
    "e2l_collector_batches",
    "e2l_collector_latency_p50_microseconds",
    "e2l_collector_latency_p99_microseconds",
];

/// Counts since its start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    /// Events that became final.
    pub events: u64,
    /// Batches that became final.
    pub batches: u64,
    /// How long that took.
    pub latency_ms: Latency,
}

/// From reading an event until it was known to be final, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half were faster.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
}

impl Counted {
    /// Reads the metrics at an address.
    ///
    /// # Errors
    /// The collector does not answer there.
    pub async fn read(address: &str) -> CliResult<Self> {
        let [events, batches, p50, p99] = scrape_all(address, NAMES).await.ok_or_else(|| {
            CliError::refused(
                format!("the collector does not tell its measurements at http://{address}/metrics"),
                "run it again with --dir DIR, and see DIR/logs/collector-1.log",
            )
        })?;
        let milliseconds = |micros: u64| micros as f64 / 1e3;
        Ok(Self {
            events,
            batches,
            latency_ms: Latency {
                p50: milliseconds(p50),
                p99: milliseconds(p99),
            },
        })
    }
}
