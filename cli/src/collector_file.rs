//! `collector.toml`, as this crate writes it. The collector's own crate reads it and refuses what it does not
//! know. Paths start at the directory of the file.

use serde::Serialize;
use std::time::Duration;

/// Containers of a synthetic source that nobody configured otherwise.
const CONTAINERS: u32 = 10;

/// What a collector is told.
#[derive(Debug, Clone, Serialize)]
pub struct CollectorFile {
    genesis: &'static str,
    certificate: &'static str,
    key: &'static str,
    spool_dir: &'static str,
    /// Where events come from, unless `--source` says otherwise.
    source: &'static str,
    /// Actors whose peers are asked first.
    peers: Vec<String>,
    /// Where it writes its measurements when its source ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    stats_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<MetricsFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synthetic: Option<SyntheticFile>,
}

/// Bounds of batches.
#[derive(Debug, Clone, Serialize)]
struct BatchFile {
    gather_ms: u64,
}

/// Where it tells how it is.
#[derive(Debug, Clone, Serialize)]
struct MetricsFile {
    listen: String,
}

/// Invented events.
#[derive(Debug, Clone, Serialize)]
pub struct SyntheticFile {
    /// Events a second; `None`: as fast as they become final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Containers that they are about.
    pub containers: u32,
    /// How many, if that is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// For how many seconds, if that is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
}

impl SyntheticFile {
    /// Ends after `events` or after `time`; with neither, never.
    pub fn new(rate: Option<f64>, containers: u32, events: Option<u64>, time: Option<Duration>) -> Self {
        Self {
            rate,
            containers,
            events,
            duration_s: time.map(|time| time.as_secs()),
        }
    }
}

impl CollectorFile {
    /// For a collector of `actor` that reads its engine, or synthetic events at `rate` if it is told to.
    pub fn new(actor: &str, rate: Option<f64>) -> Self {
        Self {
            genesis: "genesis.json",
            certificate: "collector.pem",
            key: "collector.key",
            spool_dir: "spool",
            source: "docker",
            peers: vec![actor.to_owned()],
            stats_file: None,
            batch: None,
            metrics: None,
            synthetic: rate.map(|rate| SyntheticFile::new(Some(rate), CONTAINERS, None, None)),
        }
    }

    /// For a collector of the benchmark that reads an engine.
    pub fn beside_engine(actor: &str, metrics: &str, gather_ms: Option<u64>) -> Self {
        Self {
            batch: gather_ms.map(|gather_ms| BatchFile { gather_ms }),
            metrics: Some(MetricsFile {
                listen: metrics.to_owned(),
            }),
            ..Self::new(actor, None)
        }
    }

    /// For a collector of the benchmark, which ends and then writes its measurements.
    pub fn measured(actor: &str, synthetic: SyntheticFile, stats_file: &str) -> Self {
        Self {
            source: "synthetic",
            stats_file: Some(stats_file.to_owned()),
            synthetic: Some(synthetic),
            ..Self::new(actor, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_that_is_not_set() {
        let text = toml::to_string(&CollectorFile::new("provider", None)).unwrap();
        assert!(
            !text.contains("stats_file") && !text.contains("synthetic]"),
            "{text}"
        );
        let limited = SyntheticFile::new(None, 5, Some(7), None);
        let text = toml::to_string(&CollectorFile::measured("provider", limited, "s.json")).unwrap();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["source"].as_str(), Some("synthetic"));
        assert_eq!(read["synthetic"]["events"].as_integer(), Some(7));
        assert!(read["synthetic"].get("rate").is_none() && read["synthetic"].get("duration_s").is_none());
    }
}
