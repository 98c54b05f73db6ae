//! What a collector says of itself at intervals, on the ledger: so that every actor can tell a host where nothing happens
//! from one that nobody watches any more.

use crate::statement::statement;
use crate::stats::Stats;
use e2l_ledger::event::Event;
use std::time::{Duration, Instant};

/// Action of these events.
const ACTION: &str = "heartbeat";

/// When the next one is due, and what does not change.
#[derive(Debug)]
pub struct Heartbeat {
    every: Option<Duration>,
    next: Option<Instant>,
    constant: Vec<(&'static str, String)>,
}

impl Heartbeat {
    /// The first one at the start, then after each `every`; with `None` only the first, which says that no other is promised.
    /// `source` is where events come from, `started` when the collector was started: by the steady clock, and in nanoseconds
    /// since the Unix epoch.
    pub fn new(every: Option<Duration>, source: &str, started: (Instant, i64)) -> Self {
        Self {
            every,
            next: Some(started.0),
            constant: vec![
                ("every_s", every.unwrap_or_default().as_secs().to_string()),
                ("source", source.to_owned()),
                ("started_nano", started.1.to_string()),
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ],
        }
    }

    /// How long it is until the next one; `None` if there is none.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        Some(self.next?.saturating_duration_since(now))
    }

    /// The one that is due. None is made up for those that a busy or sleeping host has missed.
    pub fn beat(&mut self, collector: &str, stats: &Stats, (now, now_nano): (Instant, i64)) -> Event {
        self.next = self.every.and_then(|every| now.checked_add(every));
        let counts = [
            ("component", stats.component.clone()),
            ("executable", stats.executable.clone()),
            ("engine_ahead_ms", stats.engine_ahead_ms.to_string()),
            ("gaps", stats.gaps.to_string()),
            ("inferred", stats.inferred.to_string()),
            ("lag_ms", (stats.lag_nano(now_nano) / 1_000_000).to_string()),
            ("peers_ahead_ms", stats.peers_ahead_ms.to_string()),
            ("spooled", stats.spooled.to_string()),
        ];
        let attributes = self.constant.iter().cloned().chain(counts);
        statement(collector, ACTION, attributes, now_nano)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_after_each_interval_and_says_how_things_stand() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let every = Some(Duration::from_secs(600));
        let mut heartbeat = Heartbeat::new(every, "docker at unix:///x", (start, 5));
        assert_eq!(heartbeat.left(after(1)), Some(Duration::ZERO), "at once");
        let stats = Stats {
            spooled: 7,
            oldest_unfinal_nano: 42 - 3_000_000,
            engine_ahead_ms: -3,
            component: "built in".to_owned(),
            ..Stats::default()
        };
        let event = heartbeat.beat("provider/collector/c1", &stats, (after(1900), 42));
        let left = heartbeat.left(after(2000)).unwrap();
        assert_eq!(left, Duration::from_secs(500), "missed ones are not made up for");
        assert_eq!((event.action.as_str(), event.time_nano), ("heartbeat", 42));
        let attribute = |name: &str| event.attributes[name].as_str();
        assert_eq!((attribute("every_s"), attribute("started_nano")), ("600", "5"));
        assert_eq!((attribute("spooled"), attribute("engine_ahead_ms")), ("7", "-3"));
        assert_eq!((attribute("component"), attribute("lag_ms")), ("built in", "3"));

        let mut last = Heartbeat::new(None, "docker", (start, 5));
        assert_eq!(
            last.beat("a/collector/c", &stats, (start, 42)).attributes["every_s"],
            "0"
        );
        assert_eq!(last.left(after(2000)), None);
    }
}
