//! Throughput and latency second by second.

use crate::bench::histogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000_000;
/// A shorter rest at the end is no second of its own, nanoseconds.
const LEAST: i64 = SECOND / 4;

/// What was seen while it ran.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Moments, and how many events were final on all peers then.
    finals: Vec<(i64, u64)>,
    /// Moments, and the latencies that a collector measured in the second before.
    latencies: Vec<(i64, Histogram)>,
    /// Moments, and the resident memory of all processes then.
    memory: Vec<(i64, u64)>,
}

/// One second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Second {
    /// Its end, seconds from the first send.
    pub at: f64,
    /// Events that became final on all peers, a second.
    pub events_per_second: f64,
    /// Of the events that collectors knew to be final in it; none if there was none.
    pub latency_p50_ms: Option<f64>,
    /// The same.
    pub latency_p99_ms: Option<f64>,
    /// Resident memory of all processes, bytes.
    pub rss_bytes: u64,
}

impl Timeline {
    /// Notes how many events are final on all peers.
    pub fn finals(&mut self, nano: i64, events: u64) {
        self.finals.push((nano, events));
    }

    /// Notes latencies of the second before.
    pub fn latencies(&mut self, nano: i64, histogram: Histogram) {
        self.latencies.push((nano, histogram));
    }

    /// Notes the resident memory of all processes.
    pub fn memory(&mut self, nano: i64, bytes: u64) {
        self.memory.push((nano, bytes));
    }

    /// When so many were final on all peers, if they were.
    pub fn reached(&self, events: u64) -> Option<i64> {
        let first = self.finals.iter().find(|(_, count)| *count >= events);
        first.map(|(nano, _)| *nano)
    }

    /// Most resident memory of all processes at one time, bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory
            .iter()
            .map(|(_, bytes)| *bytes)
            .max()
            .unwrap_or_default()
    }

    /// Resident memory of all processes at a moment, bytes.
    pub fn memory_at(&self, nano: i64) -> u64 {
        let before = self.memory.partition_point(|(at, _)| *at <= nano);
        let found = self.memory.get(before.saturating_sub(1));
        found.map_or(0, |(_, bytes)| *bytes)
    }

    /// Events final on all peers at a moment; between two looks they grow evenly.
    fn finals_at(&self, nano: i64) -> f64 {
        let after = self.finals.partition_point(|(at, _)| *at < nano);
        let Some(&(later, more)) = self.finals.get(after) else {
            return self.finals.last().map_or(0.0, |(_, count)| *count as f64);
        };
        let Some(&(earlier, less)) = after.checked_sub(1).and_then(|before| self.finals.get(before)) else {
            return more as f64;
        };
        let part = (nano - earlier) as f64 / (later - earlier).max(1) as f64;
        less as f64 + (more.saturating_sub(less)) as f64 * part
    }

    /// Events a second that became final on all peers between two moments.
    pub fn rate(&self, from: i64, to: i64) -> f64 {
        let seconds = (to - from).max(1) as f64 / SECOND as f64;
        (self.finals_at(to) - self.finals_at(from)) / seconds
    }

    /// All seconds from the first send to the last final.
    pub fn seconds(&self, start: i64, end: i64) -> Vec<Second> {
        let mut latencies = BTreeMap::<i64, Histogram>::new();
        for (nano, histogram) in &self.latencies {
            // It covers the second before: its middle decides.
            let bin = (nano - SECOND / 2 - start).div_euclid(SECOND);
            latencies.entry(bin.max(0)).or_default().merge(histogram);
        }
        let mut seconds = Vec::new();
        let mut from = start;
        while end - from >= LEAST || seconds.is_empty() {
            let to = end.min(from + SECOND);
            let latency = latencies
                .get(&((from - start) / SECOND))
                .filter(|found| found.count() > 0)
                .map(Histogram::latency);
            seconds.push(Second {
                at: (to - start) as f64 / SECOND as f64,
                events_per_second: self.rate(from, to),
                latency_p50_ms: latency.map(|latency| latency.p50),
                latency_p99_ms: latency.map(|latency| latency.p99),
                rss_bytes: self.memory_at(to),
            });
            from += SECOND;
        }
        seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(micros: u64) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(micros);
        histogram
    }

    #[test]
    fn seconds_add_up_to_all_events() {
        let mut timeline = Timeline::default();
        let start = 50 * SECOND;
        for (at, count) in [(-1, 0), (0, 0), (5, 100), (10, 300), (21, 520), (23, 600)] {
            timeline.finals(start + at * SECOND / 10, count);
        }
        timeline.latencies(start + SECOND, latencies(1000));
        timeline.latencies(start + SECOND * 11 / 10, latencies(5000));
        timeline.memory(start, 7);
        timeline.memory(start + SECOND, 9);
        let seconds = timeline.seconds(start, start + SECOND * 23 / 10);
        let rates: Vec<f64> = seconds.iter().map(|second| second.events_per_second).collect();
        assert_eq!(rates.len(), 3, "{seconds:?}");
        assert!(
            (rates[0] - 300.0).abs() < 1e-6 && (rates[1] - 200.0).abs() < 1e-6,
            "{rates:?}"
        );
        assert!((rates[0] + rates[1] + rates[2] * 0.3 - 600.0).abs() < 1e-6);
        let p50 = seconds[0].latency_p50_ms.unwrap();
        assert!((1.0..1.04).contains(&p50), "both are of the first second: {p50}");
        assert!(seconds[0].latency_p99_ms > Some(4.9));
        assert_eq!(seconds[1].latency_p99_ms, None);
        assert_eq!((timeline.peak_memory(), timeline.memory_at(start + 5)), (9, 7));
        assert_eq!(timeline.reached(301), Some(start + SECOND * 21 / 10));
        assert_eq!(timeline.reached(601), None);
    }
}
