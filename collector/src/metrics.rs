//! What a collector tells those who monitor it: its stats, as metrics.

use crate::clock::now_nano;
use crate::stats::{SharedStats, Stats};
use e2l_client::Monitored;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;

/// A collector as monitoring sees it.
pub struct Watched(pub SharedStats);

impl Monitored for Watched {
    fn metrics(&self) -> Result<String, String> {
        text(&self.0.get())
    }

    fn health(&self) -> Result<(), String> {
        let troubles: Vec<String> = self.0.get().troubles.into_iter().collect();
        if troubles.is_empty() {
            return Ok(());
        }
        Err(troubles.join("; "))
    }
}

type OfKind = Family<[(&'static str, String); 1], Gauge>;

fn of_kind(kind: &'static str, counts: &BTreeMap<String, u64>) -> OfKind {
    let family = OfKind::default();
    for (name, count) in counts {
        let gauge = family.get_or_create(&[(kind, name.clone())]).clone();
        gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
    }
    family
}

fn text(stats: &Stats) -> Result<String, String> {
    let mut registry = Registry::with_prefix("e2l_collector");
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let seconds = |nano: i64| nano / 1_000_000_000;
    gauge(
        "healthy",
        "1 if nothing keeps it from recording",
        i64::from(stats.troubles.is_empty()),
    );
    gauge(
        "taken",
        "Events taken into the spool, since the start",
        count(stats.taken),
    );
    gauge(
        "events",
        "Events that became final, since the start",
        count(stats.events),
    );
    gauge(
        "batches",
        "Batches that became final, since the start",
        count(stats.batches),
    );
    gauge("spooled", "Events that are not final yet", count(stats.spooled));
    gauge(
        "lag_milliseconds",
        "How long the oldest event that is not final has waited",
        stats.lag_nano(now_nano()) / 1_000_000,
    );
    gauge(
        "repeats",
        "Events that came again and were left out",
        count(stats.repeats),
    );
    gauge(
        "inferred",
        "Events inferred from the engine's state",
        count(stats.inferred),
    );
    gauge(
        "witnessed",
        "Events of services that another manager reported first",
        count(stats.witnessed),
    );
    gauge("gaps", "Gaps recorded, since the start", count(stats.gaps));
    gauge(
        "reconnects",
        "Streams to peers beyond the first",
        count(stats.reconnects),
    );
    gauge(
        "engine_ahead_milliseconds",
        "How far the engine's clock is ahead",
        stats.engine_ahead_ms,
    );
    gauge(
        "peers_ahead_milliseconds",
        "How far the clock of the peers' leader is ahead",
        stats.peers_ahead_ms,
    );
    gauge(
        "last_final_seconds",
        "When a batch last became final, Unix time; 0 before",
        seconds(stats.last_final_nano),
    );
    gauge(
        "latency_p50_microseconds",
        "From reading an event until it was known to be final, half of the events",
        stats.latency_us.p50 as i64,
    );
    gauge(
        "latency_p99_microseconds",
        "From reading an event until it was known to be final, 99 of 100 events",
        stats.latency_us.p99 as i64,
    );
    gauge(
        "left_out",
        "Events that the component in force does not record, since the start",
        count(stats.left_out),
    );
    gauge(
        "component_failures",
        "Events that the component in force gave no answer about, since the start",
        count(stats.component_failures),
    );
    gauge(
        "recorded_anew",
        "Events that were recorded anew, because peers did not take what was signed, since the start",
        count(stats.recorded_anew),
    );
    let code = Family::<[(&'static str, String); 2], Gauge>::default();
    let names = [
        ("component", stats.component.clone()),
        ("executable", stats.executable.clone()),
    ];
    code.get_or_create(&names).set(1);
    registry.register("code", "What records, and by what: always 1", code);
    registry.register(
        "refused_codes",
        "Final events that are not in force, by validation code",
        of_kind("code", &stats.refused_codes),
    );
    registry.register(
        "refusals",
        "Batches that a peer refused, by reason; most are sent again",
        of_kind("reason", &stats.refusals),
    );
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| error.to_string())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_are_metrics_and_trouble_is_bad_health() {
        let stats = SharedStats::default();
        let watched = Watched(stats.clone());
        assert_eq!(watched.health(), Ok(()));
        stats.change(|stats| {
            stats.taken = 7;
            stats.engine_ahead_ms = -3;
            stats.refusals.insert("BUSY".to_owned(), 2);
        });
        stats.trouble("the spool is full", true);
        let text = watched.metrics().unwrap();
        for line in [
            "e2l_collector_taken 7",
            "e2l_collector_engine_ahead_milliseconds -3",
            "e2l_collector_refusals{reason=\"BUSY\"} 2",
            "e2l_collector_healthy 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in {text}");
        }
        stats.trouble("the disk is full", true);
        let troubles = "the disk is full; the spool is full".to_owned();
        assert_eq!(watched.health(), Err(troubles));
        stats.trouble("the disk is full", false);
        assert_eq!(watched.health(), Err("the spool is full".to_owned()));
    }
}
