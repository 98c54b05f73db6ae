//! Histories and ranges read with proof, while events are written.

use crate::bench::args::LoadArgs;
use crate::bench::histogram::{Histogram, Latency};
use crate::bench::measure::start;
use crate::bench::sampler::Sampler;
use crate::bench::stage::Stage;
use crate::demo::look;
use crate::entry_value::log_of;
use crate::error::{CliError, CliResult};
use e2l_client::{EventRecord, wire};
use futures::StreamExt;
use rand::Rng;
use rand::seq::IndexedRandom;
use serde::Serialize;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Events of a range.
const RANGE: u64 = 100;
/// Events from whose containers the histories are chosen.
const CHOICE: u64 = 5000;

/// What readers see while collectors write.
#[derive(Debug, Clone, Serialize)]
pub struct ReadsReport {
    /// Events on the ledger when reading began.
    pub events: u64,
    /// Events a second written meanwhile.
    pub written_events_per_second: f64,
    /// The history of one container, proven complete.
    pub history: ReadReport,
    /// Events in ledger order from some block on, each block proven.
    pub range: ReadReport,
}

/// One kind of read, one after the other.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ReadReport {
    /// How many.
    pub reads: u64,
    /// Events of one, mean.
    pub events_per_read: f64,
    /// Until the last event was verified.
    pub latency_ms: Latency,
}

#[derive(Default)]
struct Reads {
    latencies: Histogram,
    events: u64,
}

impl Reads {
    fn note(&mut self, began: Instant, events: usize) {
        self.latencies
            .add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.events += events as u64;
    }

    fn report(&self) -> ReadReport {
        ReadReport {
            reads: self.latencies.count(),
            events_per_read: self.events as f64 / self.latencies.count().max(1) as f64,
            latency_ms: self.latencies.latency(),
        }
    }
}

/// Records the events of `before`, then reads `count` histories and as many ranges while `meanwhile` is offered.
///
/// # Errors
/// Something does not start, or an answer is not proven.
pub async fn reads(
    stage: &mut Stage,
    before: &LoadArgs,
    meanwhile: &LoadArgs,
    count: u64,
) -> CliResult<ReadsReport> {
    start(stage).await?;
    let events = before.events.unwrap_or_default();
    eprintln!("Recording {events} events...");
    stage.start_collectors(before.collectors)?;
    let mut sampler = Sampler::default();
    sampler.load(stage).await?;
    sampler.settle(stage, events).await;
    stage.stop_collectors().await;
    let ids = some_ids(stage).await?;
    stage.configure(meanwhile)?;
    stage.start_collectors(meanwhile.collectors)?;
    eprintln!(
        "Reading {count} histories and {count} ranges: {} meanwhile...",
        meanwhile.words()
    );
    let (mut histories, mut ranges) = (Reads::default(), Reads::default());
    let (began, first) = (Instant::now(), look(stage.session.client()).await);
    for _ in 0..count {
        let id = ids.choose(&mut rand::rng()).map_or("", String::as_str);
        history(stage, id, &mut histories).await?;
        range(stage, first.final_height(), &mut ranges).await?;
    }
    let transactions = |sight: &crate::demo::Sight| {
        let all = sight.peers.values().map(|status| status.transactions);
        all.max().unwrap_or_default()
    };
    let last = look(stage.session.client()).await;
    let written = transactions(&last).saturating_sub(transactions(&first));
    let seconds = began.elapsed().as_secs_f64();
    stage.stop_collectors().await;
    Ok(ReadsReport {
        events: transactions(&first),
        written_events_per_second: written as f64 / seconds,
        history: histories.report(),
        range: ranges.report(),
    })
}

/// Containers that are on the ledger.
async fn some_ids(stage: &Stage) -> CliResult<Vec<String>> {
    let request = wire::EventsRequest {
        from_height: 1,
        limit: CHOICE,
        ..wire::EventsRequest::default()
    };
    let mut replies = stage.session.events(request, false).await?;
    let mut ids = BTreeSet::new();
    while let Some(reply) = replies.next().await {
        for event in reply?.events {
            let record = EventRecord::try_from(event)
                .map_err(|error| CliError::usage(error, "build e2l and e2l-peer from the same source"))?;
            ids.insert(record.actor_id);
        }
    }
    Ok(ids.into_iter().collect())
}

async fn history(stage: &Stage, id: &str, reads: &mut Reads) -> CliResult<()> {
    let verifier = stage.session.verifier()?;
    let config = stage.session.config();
    let chaincode = config.chaincodes.first().map_or("", |only| only.name.as_str());
    let began = Instant::now();
    let read = verifier.log(chaincode, &log_of(id)).await?;
    if read.entries.is_empty() {
        return Err(CliError::refused(
            format!("the history of {id} is empty, though the ledger has events of it"),
            "run it again with --dir DIR, and see DIR/logs",
        ));
    }
    reads.note(began, read.entries.len());
    Ok(())
}

async fn range(stage: &Stage, height: u64, reads: &mut Reads) -> CliResult<()> {
    let request = wire::EventsRequest {
        from_height: rand::rng().random_range(1..=height.max(1)),
        limit: RANGE,
        ..wire::EventsRequest::default()
    };
    let began = Instant::now();
    let mut replies = stage.session.events(request, true).await?;
    let mut events = 0;
    while let Some(reply) = replies.next().await {
        events += reply?.events.len();
    }
    reads.note(began, events);
    Ok(())
}
