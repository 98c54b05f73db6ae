//! The measurement itself.

use crate::bench::args::BenchArgs;
use crate::bench::latency::CollectorStats;
use crate::bench::proc::{ProcSample, disk_bytes};
use crate::bench::proof_cost::proof_cost;
use crate::bench::report::{PeerReport, ProcessReport, Report};
use crate::bench::stage::{Process, Stage};
use crate::demo::{Sight, look};
use crate::error::{CliError, CliResult};
use crate::unix_now_nano;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait for a process to be ready and for a leader.
const START: Duration = Duration::from_secs(60);
/// Longest wait after the collectors ended until every peer has everything.
const SETTLE: Duration = Duration::from_secs(60);
/// Longest time for which nothing at all becomes final.
const STALL: Duration = Duration::from_secs(60);
/// Between two looks: each costs the peers a request.
const EVERY: Duration = Duration::from_millis(100);

/// Runs the load and measures it.
///
/// # Errors
/// Something does not start, or stops too early; nothing becomes final any more.
pub async fn measure(stage: &mut Stage, args: &BenchArgs) -> CliResult<Report> {
    eprintln!("Starting three peers...");
    stage.start_peers(START).await?;
    wait_for_leader(stage).await?;
    let before = Baseline::take(stage);
    match (args.rate, args.events, args.time()) {
        (Some(rate), ..) => eprintln!("Measuring {} collectors at {rate} events/s...", args.collectors),
        (None, Some(events), _) => {
            eprintln!("Measuring {} collectors with {events} events...", args.collectors)
        }
        (None, None, time) => {
            let seconds = time.unwrap_or_default().as_secs();
            eprintln!("Measuring {} collectors for {seconds} s...", args.collectors);
        }
    }
    stage.start_collectors(args.collectors)?;
    let mut run = Run::default();
    run.load(stage).await?;
    let stats = collect(stage)?;
    let events = stats.events;
    let (sight, end_nano) = run.settle(stage, events).await?;
    let report = report(stage, args, &before, &run, &stats, &sight, end_nano);
    eprintln!("Reading the ledger back...");
    let blocks = sight.final_height();
    Ok(report.with_proofs(proof_cost(stage, events, blocks).await?))
}

async fn wait_for_leader(stage: &Stage) -> CliResult<()> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if look(stage.session.client()).await.agrees(stage.network.actors()) {
            return Ok(());
        }
        sleep(EVERY).await;
    }
    Err(CliError::usage(
        format!("the peers found no leader within {} s", START.as_secs()),
        "run it again with --dir DIR, and see DIR/logs",
    ))
}

/// What the peers used before the load.
struct Baseline {
    cpu: Vec<Duration>,
    disk: Vec<u64>,
}

impl Baseline {
    fn take(stage: &Stage) -> Self {
        let cpu = stage
            .peers
            .iter()
            .map(|peer| ProcSample::read(peer.daemon.pid()).unwrap_or_default().cpu);
        Self {
            cpu: cpu.collect(),
            disk: stage
                .peers
                .iter()
                .map(|peer| disk_bytes(&peer.directory.join("data")))
                .collect(),
        }
    }
}

/// What was seen while it ran.
#[derive(Default)]
struct Run {
    /// Latest sample of each process, by its id.
    samples: BTreeMap<u32, ProcSample>,
    /// When every peer had so many transactions.
    timeline: Vec<(i64, u64)>,
}

impl Run {
    /// Until every collector has ended.
    async fn load(&mut self, stage: &mut Stage) -> CliResult<()> {
        let mut last_progress = (Instant::now(), 0);
        loop {
            self.sample(stage);
            let sight = look(stage.session.client()).await;
            let everywhere = self.note(&sight, stage);
            if everywhere > last_progress.1 {
                last_progress = (Instant::now(), everywhere);
            }
            check_peers(stage, &self.samples)?;
            let ended = |process: &Process| self.samples.get(&process.daemon.pid()).is_none_or(|s| s.ended);
            if stage.collectors.iter().all(ended) {
                return Ok(());
            }
            if last_progress.0.elapsed() > STALL {
                return Err(CliError::usage(
                    format!("nothing became final for {} s", STALL.as_secs()),
                    "run it again with --dir DIR, and see DIR/logs",
                ));
            }
            sleep(EVERY).await;
        }
    }

    fn sample(&mut self, stage: &Stage) {
        for process in stage.peers.iter().chain(&stage.collectors) {
            let pid = process.daemon.pid();
            let Some(sample) = ProcSample::read(pid) else {
                continue;
            };
            let known = self.samples.entry(pid).or_default();
            let peak_rss = known.peak_rss.max(sample.peak_rss);
            *known = ProcSample { peak_rss, ..sample };
        }
    }

    /// Remembers how many transactions are final on all peers.
    fn note(&mut self, sight: &Sight, stage: &Stage) -> u64 {
        let all = sight.peers.len() == stage.peers.len();
        let least = sight.peers.values().map(|status| status.transactions).min();
        let everywhere = least.filter(|_| all).unwrap_or_default();
        self.timeline.push((unix_now_nano(), everywhere));
        everywhere
    }

    /// Until every peer has all events final and the same state. Returns when the last of them got there.
    async fn settle(&mut self, stage: &Stage, events: u64) -> CliResult<(Sight, i64)> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let sight = look(stage.session.client()).await;
            let everywhere = self.note(&sight, stage);
            let quiet = sight
                .peers
                .values()
                .all(|status| status.applied_height == status.final_height);
            let covered = everywhere >= events && quiet && level(&sight);
            if covered || Instant::now() > deadline {
                self.sample(stage);
                let reached = self.timeline.iter().find(|(_, count)| *count >= events);
                return Ok((sight, reached.map_or_else(unix_now_nano, |(nano, _)| *nano)));
            }
            sleep(EVERY / 5).await;
        }
    }
}

fn level(sight: &Sight) -> bool {
    let mut heights = sight.peers.values().map(|status| status.final_height);
    let first = heights.next();
    heights.all(|height| Some(height) == first)
}

fn check_peers(stage: &Stage, samples: &BTreeMap<u32, ProcSample>) -> CliResult<()> {
    let dead = stage
        .peers
        .iter()
        .find(|peer| samples.get(&peer.daemon.pid()).is_none_or(|s| s.ended));
    match dead {
        None => Ok(()),
        Some(peer) => Err(CliError::refused(
            format!("{} ended during the measurement", peer.name),
            "run it again with --dir DIR, and see DIR/logs",
        )),
    }
}

fn collect(stage: &Stage) -> CliResult<CollectorStats> {
    let mut all = Vec::new();
    for collector in &stage.collectors {
        all.push(
            CollectorStats::read(&collector.stats_file()).map_err(|error| error.within(&collector.name))?,
        );
    }
    CollectorStats::merge(all)
}

fn report(
    stage: &Stage,
    args: &BenchArgs,
    before: &Baseline,
    run: &Run,
    stats: &CollectorStats,
    sight: &Sight,
    end_nano: i64,
) -> Report {
    let zero = std::iter::repeat(&Duration::ZERO);
    let processes = stage
        .peers
        .iter()
        .chain(&stage.collectors)
        .zip(before.cpu.iter().chain(zero));
    let processes = processes.map(|(process, before)| {
        let sample = run
            .samples
            .get(&process.daemon.pid())
            .copied()
            .unwrap_or_default();
        ProcessReport::new(
            &process.name,
            sample.cpu.saturating_sub(*before),
            sample.peak_rss,
            stats.events,
        )
    });
    let peers = stage.peers.iter().zip(stage.network.actors()).zip(&before.disk);
    let peers = peers.map(|((process, actor), before)| {
        let used = disk_bytes(&process.directory.join("data")).saturating_sub(*before);
        PeerReport::new(actor, sight.peers.get(actor), used, stats.events)
    });
    let seconds = (end_nano - stats.first_sent_nano).max(1) as f64 / 1e9;
    Report::new(
        args,
        stage.filesystem,
        stats,
        seconds,
        processes.collect(),
        peers.collect(),
    )
}
