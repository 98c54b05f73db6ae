//! Latencies in buckets whose width grows with the value.

use e2l_client::latency_bucket;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of latencies in microseconds. In JSON each bucket is named by the largest value it holds, so that readers
/// can add up several collectors' without knowing how buckets are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Histogram {
    counts: Vec<u64>,
    sum_micros: u64,
    max_micros: u64,
}

/// A histogram in JSON.
#[derive(Serialize, Deserialize)]
struct Written {
    sum_micros: u64,
    max_micros: u64,
    buckets: BTreeMap<u64, u64>,
}

/// Percentiles, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The mean.
    pub average: f64,
    /// Half of the events were faster.
    pub p50: f64,
    /// 95 of 100 were faster.
    pub p95: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1,000 were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Histogram {
    /// Adds one latency.
    pub fn add(&mut self, micros: u64) {
        self.put(micros, 1);
        self.sum_micros = self.sum_micros.saturating_add(micros);
        self.max_micros = self.max_micros.max(micros);
    }

    fn put(&mut self, micros: u64, count: u64) {
        let bucket = latency_bucket::of(micros);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += count;
    }

    /// Its percentiles; zeros when it is empty.
    pub fn latency(&self) -> Latency {
        let total: u64 = self.counts.iter().sum();
        Latency {
            average: self.sum_micros as f64 / total.max(1) as f64,
            p50: self.percentile(0.50),
            p95: self.percentile(0.95),
            p99: self.percentile(0.99),
            p999: self.percentile(0.999),
            max: self.max_micros as f64,
        }
    }

    fn percentile(&self, part: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = ((total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return latency_bucket::largest(bucket).min(self.max_micros) as f64;
            }
        }
        0.0
    }
}

impl From<Histogram> for Written {
    fn from(histogram: Histogram) -> Self {
        let filled = histogram
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        Self {
            sum_micros: histogram.sum_micros,
            max_micros: histogram.max_micros,
            buckets: filled
                .map(|(bucket, count)| (latency_bucket::largest(bucket), *count))
                .collect(),
        }
    }
}

impl From<Written> for Histogram {
    fn from(written: Written) -> Self {
        let mut histogram = Self {
            sum_micros: written.sum_micros,
            max_micros: written.max_micros,
            counts: Vec::new(),
        };
        for (micros, count) in written.buckets {
            histogram.put(micros, count);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_distribution() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|n| histogram.add(n * 1000));
        let latency = histogram.latency();
        for (found, expected) in [
            (latency.p50, 500_000.0),
            (latency.p95, 950_000.0),
            (latency.p99, 990_000.0),
            (latency.p999, 999_000.0),
        ] {
            assert!(
                (found - expected).abs() <= expected / 32.0,
                "{found} for {expected}"
            );
        }
        assert_eq!(latency.max, 1_000_000.0);
        assert_eq!(latency.average, 500_500.0);
        assert_eq!(Histogram::default().latency(), Latency::default());
    }

    #[test]
    fn what_is_written_names_each_bucket_by_its_largest_value() {
        let mut histogram = Histogram::default();
        [3, 3, 70, 100_000]
            .into_iter()
            .for_each(|micros| histogram.add(micros));
        let json = serde_json::to_value(&histogram).unwrap();
        assert_eq!(json["buckets"]["3"], 2, "{json}");
        assert_eq!(json["buckets"]["71"], 1, "{json}");
        assert_eq!(json["sum_micros"], 100_076);
        assert_eq!(serde_json::from_value::<Histogram>(json).unwrap(), histogram);
    }
}
