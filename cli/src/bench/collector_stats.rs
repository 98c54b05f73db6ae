//! What collectors measure themselves.

use crate::bench::histogram::Histogram;
use crate::error::{CliError, CliResult};
use serde::Deserialize;
use std::path::Path;

/// A collector's `stats_file`, or those of several added up.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CollectorStats {
    /// Events that are in the spool: what was offered.
    pub taken: u64,
    /// Events that became final.
    pub events: u64,
    /// When the first batch was sent, nanoseconds since the Unix epoch; 0 before.
    pub first_sent_nano: i64,
    /// From the moment an event was meant to happen until its collector knew that it was final.
    pub histogram: Histogram,
    /// Pauses between two batches that became final: beginning and end.
    pub pauses: Vec<(i64, i64)>,
    /// CPU that inventing the events took, microseconds.
    pub generator_cpu_us: u64,
    /// When it was written, nanoseconds since the Unix epoch.
    pub written_nano: i64,
}

impl CollectorStats {
    /// Reads what a collector wrote.
    ///
    /// # Errors
    /// It wrote nothing, or something else.
    pub fn read(path: &Path) -> CliResult<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::usage(
                format!("no measurements in {}: {error}", path.display()),
                "run it again with --dir DIR, and see DIR/logs/collector-*.log",
            )
        })?;
        serde_json::from_str(&text).map_err(|error| {
            let what = format!("{} does not hold measurements: {error}", path.display());
            CliError::usage(what, "build e2l and e2l-collector from the same source")
        })
    }

    /// All collectors together.
    ///
    /// # Errors
    /// There is none, or no event became final.
    pub fn merge(all: Vec<Self>) -> CliResult<Self> {
        let merged = all.into_iter().reduce(|mut a, b| {
            a.histogram.merge(&b.histogram);
            a.pauses.extend(b.pauses);
            // One that has sent nothing yet says 0.
            let firsts = [a.first_sent_nano, b.first_sent_nano]
                .into_iter()
                .filter(|nano| *nano > 0);
            Self {
                taken: a.taken + b.taken,
                events: a.events + b.events,
                first_sent_nano: firsts.min().unwrap_or_default(),
                generator_cpu_us: a.generator_cpu_us + b.generator_cpu_us,
                written_nano: a.written_nano.max(b.written_nano),
                ..a
            }
        });
        merged.filter(|merged| merged.events > 0).ok_or_else(|| {
            CliError::refused(
                "no event became final: there is nothing to report",
                "run it again with --dir DIR, and see DIR/logs",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(events: u64, first_sent_nano: i64, micros: u64) -> CollectorStats {
        let mut histogram = Histogram::default();
        (0..events).for_each(|_| histogram.add(micros));
        CollectorStats {
            events,
            first_sent_nano,
            histogram,
            ..CollectorStats::default()
        }
    }

    #[test]
    fn several_collectors_are_added_up() {
        let merged = CollectorStats::merge(vec![stats(1, 20, 60), stats(3, 10, 50), stats(0, 0, 0)]).unwrap();
        assert_eq!(
            (merged.events, merged.first_sent_nano),
            (4, 10),
            "one without events has no first send"
        );
        assert!((merged.histogram.latency().p50 - 0.05).abs() < 1e-9);
        assert!(CollectorStats::merge(vec![stats(0, 0, 1)]).is_err());
    }

    #[test]
    fn what_a_collector_writes_is_read_or_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stats.json");
        let refused = |path: &Path| CollectorStats::read(path).unwrap_err().to_string();
        assert!(refused(&path).contains("stats.json"));
        std::fs::write(&path, r#"{"events":2}"#).unwrap();
        assert!(refused(&path).contains("missing field"));
    }
}
