//! Latencies in buckets whose width grows with the value.

use serde::{Deserialize, Serialize};

/// Buckets per doubling: a value is known to 1 part in 32.
const STEPS_BITS: u32 = 5;

/// Counts of latencies in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
    max_micros: u64,
}

/// Percentiles, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the events were faster.
    pub p50: f64,
    /// 95 of 100 were faster.
    pub p95: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Histogram {
    /// Adds one latency.
    pub fn add(&mut self, micros: u64) {
        let bucket = bucket(micros);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.max_micros = self.max_micros.max(micros);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        let length = self.counts.len().max(other.counts.len());
        self.counts.resize(length, 0);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.max_micros = self.max_micros.max(other.max_micros);
    }

    /// Its percentiles; zeros when it is empty.
    pub fn latency(&self) -> Latency {
        Latency {
            p50: self.percentile(0.50),
            p95: self.percentile(0.95),
            p99: self.percentile(0.99),
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
                return top(bucket).min(self.max_micros) as f64;
            }
        }
        0.0
    }
}

/// The first `2^STEPS_BITS` buckets hold one value each, then each doubling has as many.
fn bucket(micros: u64) -> usize {
    let exponent = (u64::BITS - micros.leading_zeros()).saturating_sub(STEPS_BITS + 1);
    ((exponent as usize) << STEPS_BITS) + (micros >> exponent) as usize
}

/// The largest value in a bucket.
fn top(bucket: usize) -> u64 {
    let exponent = (bucket >> STEPS_BITS).saturating_sub(1);
    let mantissa = (bucket - (exponent << STEPS_BITS)) as u64;
    ((mantissa + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_to_one_part_in_32() {
        let mut last = 0;
        for micros in (0..5000).chain([65_535, 65_536, 1 << 30, (1 << 40) + 12_345]) {
            let bucket = bucket(micros);
            assert!(bucket >= last, "{micros}");
            last = bucket;
            assert!(
                top(bucket) >= micros && top(bucket) - micros <= micros / 32,
                "{micros}: {}",
                top(bucket)
            );
        }
    }

    #[test]
    fn percentiles_of_a_known_distribution() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=500).for_each(|n| low.add(n * 1000));
        (501..=1000).for_each(|n| high.add(n * 1000));
        low.merge(&high);
        let latency = low.latency();
        for (found, expected) in [
            (latency.p50, 500_000.0),
            (latency.p95, 950_000.0),
            (latency.p99, 990_000.0),
        ] {
            assert!(
                (found - expected).abs() <= expected / 32.0,
                "{found} for {expected}"
            );
        }
        assert_eq!(latency.max, 1_000_000.0);
        assert_eq!(Histogram::default().latency(), Latency::default());
    }
}
