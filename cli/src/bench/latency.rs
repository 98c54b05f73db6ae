//! What collectors measure themselves.

use crate::bench::report::Latency;
use crate::error::{CliError, CliResult};
use serde::Deserialize;
use std::path::Path;

/// A collector's `stats_file`.
#[derive(Debug, Clone, Deserialize)]
struct StatsFile {
    /// Events that became final.
    events: u64,
    /// When the first batch was sent, nanoseconds since the Unix epoch.
    first_sent_nano: i64,
    /// From the making of an event until its collector knew that it was final, microseconds.
    latency_us: Percentiles,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

/// Measurements of one collector, or of several together.
#[derive(Debug, Clone)]
pub struct CollectorStats {
    /// Events that became final.
    pub events: u64,
    /// When the first was sent, nanoseconds since the Unix epoch.
    pub first_sent_nano: i64,
    /// Until final. Of several collectors each percentile is that of the slowest: never better than the truth.
    pub latency: Latency,
}

impl CollectorStats {
    /// Reads what a collector wrote.
    ///
    /// # Errors
    /// It wrote nothing, or something else.
    pub fn read(path: &Path) -> CliResult<Self> {
        let next = "run it again with --dir DIR, and see DIR/logs/collector-*.log";
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::usage(format!("no measurements in {}: {error}", path.display()), next)
        })?;
        let file: StatsFile = serde_json::from_str(&text).map_err(|error| {
            let what = format!("{} does not hold measurements: {error}", path.display());
            CliError::usage(what, "build e2l and e2l-collector from the same source")
        })?;
        let milliseconds = |microseconds: f64| microseconds / 1000.0;
        Ok(Self {
            events: file.events,
            first_sent_nano: file.first_sent_nano,
            latency: Latency {
                p50: milliseconds(file.latency_us.p50),
                p95: milliseconds(file.latency_us.p95),
                p99: milliseconds(file.latency_us.p99),
                max: milliseconds(file.latency_us.max),
            },
        })
    }

    /// All collectors together.
    ///
    /// # Errors
    /// There is none, or no event became final.
    pub fn merge(all: Vec<Self>) -> CliResult<Self> {
        let merged = all.into_iter().filter(|one| one.events > 0).reduce(|a, b| Self {
            events: a.events + b.events,
            first_sent_nano: a.first_sent_nano.min(b.first_sent_nano),
            latency: Latency {
                p50: a.latency.p50.max(b.latency.p50),
                p95: a.latency.p95.max(b.latency.p95),
                p99: a.latency.p99.max(b.latency.p99),
                max: a.latency.max.max(b.latency.max),
            },
        });
        merged.ok_or_else(|| {
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

    fn stats(events: u64, first_sent_nano: i64, p99: f64) -> CollectorStats {
        CollectorStats {
            events,
            first_sent_nano,
            latency: Latency {
                p50: 1.0,
                p95: 2.0,
                p99,
                max: 9.0,
            },
        }
    }

    #[test]
    fn several_collectors_are_as_slow_as_the_slowest() {
        let all = vec![stats(3, 20, 4.0), stats(4, 10, 5.0), stats(0, 0, 99.0)];
        let merged = CollectorStats::merge(all).unwrap();
        assert_eq!(
            (merged.events, merged.first_sent_nano),
            (7, 10),
            "one without events has no first send"
        );
        assert!((merged.latency.p99 - 5.0).abs() < 1e-9);
        assert!(CollectorStats::merge(vec![stats(0, 0, 1.0)]).is_err());
    }

    #[test]
    fn what_a_collector_writes_is_read_or_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stats.json");
        assert!(
            CollectorStats::read(&path)
                .unwrap_err()
                .to_string()
                .contains("stats.json")
        );
        std::fs::write(
            &path,
            r#"{"events":2,"first_sent_nano":5,"latency_us":{"p50":1500,"p95":1,"p99":1,"max":1}}"#,
        )
        .unwrap();
        let read = CollectorStats::read(&path).unwrap();
        assert!((read.latency.p50 - 1.5).abs() < 1e-9);
        std::fs::write(&path, r#"{"events":2}"#).unwrap();
        assert!(
            CollectorStats::read(&path)
                .unwrap_err()
                .to_string()
                .contains("first_sent_nano")
        );
    }
}
