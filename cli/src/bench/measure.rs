//! One load, measured.

use crate::bench::args::LoadArgs;
use crate::bench::collector_stats::CollectorStats;
use crate::bench::disk::DiskUse;
use crate::bench::proc::ProcSample;
use crate::bench::proof_cost::proof_cost;
use crate::bench::report::{Parts, PeerReport, ProcessReport, Report, StageReport, Used, micros_per};
use crate::bench::sampler::Sampler;
use crate::bench::scrape::{SYNCS, scrape};
use crate::bench::stage::Stage;
use crate::demo::{Sight, look};
use crate::error::{CliError, CliResult};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait for a process to be ready and for a leader.
pub const START: Duration = Duration::from_secs(60);
/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// Runs the load and measures it.
///
/// # Errors
/// Something does not start, or stops too early; nothing becomes final any more.
pub async fn measure(stage: &mut Stage, args: &LoadArgs) -> CliResult<Report> {
    let load_before = load_average();
    start(stage).await?;
    let before = Baseline::take(stage).await;
    eprintln!("Measuring: {}...", args.words());
    stage.start_collectors(args.collectors)?;
    let mut sampler = Sampler::default();
    sampler.load(stage).await?;
    let each = read_stats(
        &stage
            .collectors
            .iter()
            .map(|one| one.stats_file())
            .collect::<Vec<_>>(),
    )?;
    let stats = CollectorStats::merge(each.clone())?;
    let (sight, end) = sampler.settle(stage, stats.events).await;
    let syncs = before.syncs_since(stage).await;
    let (start, events) = (stats.first_sent_nano, stats.events);
    let tenth = ((end - start) / 10).max(1);
    let (first, last) = (
        sampler.timeline.rate(start, start + tenth),
        sampler.timeline.rate(end - tenth, end),
    );
    let mut parts = Parts {
        filesystem: stage.filesystem,
        load_before,
        seconds: (end - start).max(1) as f64 / 1e9,
        last_tenth_to_first: if first > 0.0 { last / first } else { 0.0 },
        peak_rss_at_once: sampler.timeline.peak_memory(),
        fsyncs_per_block: syncs.map(|syncs| syncs / sight.final_height().max(1) as f64),
        processes: processes(stage, &before, &sampler, &each, events),
        stages: stages(stage, &before, &sampler, events),
        peers: peers(stage, &before, &sight, events),
        timeline: sampler.timeline.seconds(start, end),
        proofs: Default::default(),
    };
    eprintln!("Reading the ledger back...");
    parts.proofs = proof_cost(stage, events, sight.final_height()).await?;
    Ok(Report::new(args, &stats, parts))
}

/// Starts the peers and waits until they have a leader.
///
/// # Errors
/// One does not start, or they find none.
pub async fn start(stage: &mut Stage) -> CliResult<()> {
    eprintln!("Starting three peers...");
    stage.start_peers(START).await?;
    wait_for_leader(stage, stage.network.actors()).await
}

/// Waits until these actors' peers follow the same leader.
///
/// # Errors
/// They find none.
pub async fn wait_for_leader(stage: &Stage, actors: &[String]) -> CliResult<()> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if look(stage.session.client()).await.agrees(actors) {
            return Ok(());
        }
        sleep(EVERY).await;
    }
    Err(CliError::usage(
        format!("the peers found no leader within {} s", START.as_secs()),
        "run it again with --dir DIR, and see DIR/logs",
    ))
}

/// What collectors have written.
///
/// # Errors
/// One has written nothing.
pub fn read_stats(files: &[PathBuf]) -> CliResult<Vec<CollectorStats>> {
    files.iter().map(|file| CollectorStats::read(file)).collect()
}

/// Processes that wanted a CPU in the last minute, on average.
pub fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// What the peers had used before the load.
struct Baseline {
    processes: Vec<ProcSample>,
    stages: Vec<BTreeMap<String, Duration>>,
    disk: Vec<DiskUse>,
    syncs: Vec<Option<u64>>,
}

impl Baseline {
    async fn take(stage: &Stage) -> Self {
        let mut sampler = Sampler::default();
        sampler.processes(stage);
        Self {
            processes: stage.peers.iter().map(|peer| sampler.sample(peer)).collect(),
            stages: stage.peers.iter().map(|peer| sampler.stages(peer)).collect(),
            disk: stage.peers.iter().map(|peer| peer.disk()).collect(),
            syncs: syncs(stage).await,
        }
    }

    /// Mean of the peers; none if one does not count.
    async fn syncs_since(&self, stage: &Stage) -> Option<f64> {
        let now = syncs(stage).await;
        let each = now.iter().zip(&self.syncs);
        let each: Option<Vec<u64>> = each
            .map(|(now, before)| Some((*now)?.saturating_sub((*before)?)))
            .collect();
        let each = each?;
        Some(each.iter().sum::<u64>() as f64 / each.len().max(1) as f64)
    }
}

async fn syncs(stage: &Stage) -> Vec<Option<u64>> {
    futures::future::join_all(stage.metrics.iter().map(|address| scrape(address, SYNCS))).await
}

fn processes(
    stage: &Stage,
    before: &Baseline,
    sampler: &Sampler,
    each: &[CollectorStats],
    events: u64,
) -> Vec<ProcessReport> {
    let peers = stage.peers.iter().zip(&before.processes).map(|(peer, before)| {
        let now = sampler.sample(peer);
        let used = Used {
            cpu: now.cpu.saturating_sub(before.cpu),
            generator: Duration::ZERO,
            peak_rss: now.peak_rss,
            written: now.written.saturating_sub(before.written),
        };
        ProcessReport::new(&peer.name, used, events)
    });
    let collectors = stage.collectors.iter().zip(each).map(|(collector, stats)| {
        let now = sampler.sample(collector);
        let used = Used {
            cpu: now.cpu,
            generator: Duration::from_micros(stats.generator_cpu_us),
            peak_rss: now.peak_rss,
            written: now.written,
        };
        ProcessReport::new(&collector.name, used, events)
    });
    peers.chain(collectors).collect()
}

/// The costliest first.
fn stages(stage: &Stage, before: &Baseline, sampler: &Sampler, events: u64) -> Vec<StageReport> {
    let each: Vec<_> = stage.peers.iter().map(|peer| sampler.stages(peer)).collect();
    let mut names: Vec<&String> = each.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &String| StageReport {
        stage: name.clone(),
        cpu_us_per_event: each
            .iter()
            .zip(&before.stages)
            .map(|(now, before)| {
                let used =
                    |stages: &BTreeMap<String, Duration>| stages.get(name).copied().unwrap_or_default();
                micros_per(used(now).saturating_sub(used(before)), events)
            })
            .collect(),
    };
    let mut stages: Vec<StageReport> = names.into_iter().map(of).collect();
    stages.sort_by(|a, b| b.total().total_cmp(&a.total()));
    stages
}

fn peers(stage: &Stage, before: &Baseline, sight: &Sight, events: u64) -> Vec<PeerReport> {
    let peers = stage.peers.iter().zip(stage.network.actors()).zip(&before.disk);
    peers
        .map(|((process, actor), before)| {
            PeerReport::new(
                actor,
                sight.peers.get(actor),
                process.disk().since(before),
                events,
            )
        })
        .collect()
}
