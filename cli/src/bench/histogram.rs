//! Latencies of all collectors together: their histograms are added up.

use e2l_client::latency_bucket;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of latencies in microseconds, each bucket by the largest value in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Histogram {
    buckets: BTreeMap<u64, u64>,
    sum_micros: u64,
    max_micros: u64,
}

/// Mean and percentiles, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// The mean.
    pub average: f64,
    /// Half were faster.
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
        let largest = latency_bucket::largest(latency_bucket::of(micros));
        *self.buckets.entry(largest).or_default() += 1;
        self.sum_micros = self.sum_micros.saturating_add(micros);
        self.max_micros = self.max_micros.max(micros);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (largest, count) in &other.buckets {
            *self.buckets.entry(*largest).or_default() += count;
        }
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
        self.max_micros = self.max_micros.max(other.max_micros);
    }

    /// What was added since this histogram looked like `earlier`. Its greatest value is only known to its bucket.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut buckets = self.buckets.clone();
        for (largest, count) in &earlier.buckets {
            if let Some(left) = buckets.get_mut(largest) {
                *left = left.saturating_sub(*count);
            }
        }
        buckets.retain(|_, count| *count > 0);
        Self {
            max_micros: buckets.keys().next_back().copied().unwrap_or_default(),
            sum_micros: self.sum_micros.saturating_sub(earlier.sum_micros),
            buckets,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// Mean and percentiles; zeros when it is empty.
    pub fn latency(&self) -> Latency {
        let milliseconds = |micros: u64| micros as f64 / 1000.0;
        Latency {
            average: milliseconds(self.sum_micros) / self.count().max(1) as f64,
            p50: milliseconds(self.percentile(0.5)),
            p95: milliseconds(self.percentile(0.95)),
            p99: milliseconds(self.percentile(0.99)),
            p999: milliseconds(self.percentile(0.999)),
            max: milliseconds(self.max_micros),
        }
    }

    fn percentile(&self, part: f64) -> u64 {
        let wanted = ((self.count() as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (largest, count) in &self.buckets {
            seen += count;
            if seen >= wanted {
                return (*largest).min(self.max_micros);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.add(value));
        histogram
    }

    #[test]
    fn percentiles_are_of_all_and_not_of_the_slowest() {
        let mut all = of((1..=900).map(|n| n * 1000));
        all.merge(&of((901..=1000).map(|n| n * 1000)));
        let latency = all.latency();
        for (found, expected) in [(latency.p50, 500.0), (latency.p95, 950.0), (latency.p999, 999.0)] {
            assert!(
                found >= expected && found <= expected * 33.0 / 32.0,
                "{found} for {expected}"
            );
        }
        assert!((latency.average - 500.5).abs() < 1e-9);
        assert!((latency.max - 1000.0).abs() < 1e-9);
        assert_eq!(Histogram::default().latency(), Latency::default());
    }

    #[test]
    fn a_bucket_is_named_by_its_largest_value() {
        for (value, largest) in [
            (0, 0),
            (63, 63),
            (64, 65),
            (65, 65),
            (70, 71),
            (1 << 20, (1 << 20) + (1 << 15) - 1),
        ] {
            assert_eq!(of([value]).buckets.keys().next(), Some(&largest), "{value}");
        }
    }

    #[test]
    fn what_came_since() {
        let earlier = of([10, 20, 20]);
        let mut later = earlier.clone();
        later.merge(&of([20, 3000]));
        let between = later.since(&earlier);
        assert_eq!(between.count(), 2);
        assert_eq!(between.sum_micros, 3020);
        assert_eq!(between.buckets[&20], 1);
        assert_eq!(later.since(&later), Histogram::default());
    }

    #[test]
    fn the_collectors_form_is_read() {
        let json = r#"{"sum_micros":76,"max_micros":70,"buckets":{"3":2,"71":1}}"#;
        let read: Histogram = serde_json::from_str(json).unwrap();
        assert_eq!(read, of([3, 3, 70]));
    }
}
