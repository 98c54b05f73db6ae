//! Looks at all processes and ledgers while a load runs.

use crate::bench::collector_stats::CollectorStats;
use crate::bench::histogram::Histogram;
use crate::bench::proc::ProcSample;
use crate::bench::stage::{Process, Stage};
use crate::bench::threads::Threads;
use crate::bench::timeline::Timeline;
use crate::demo::{Sight, look};
use crate::error::{CliError, CliResult};
use crate::unix_now_nano;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait after the collectors ended until every peer has everything.
const SETTLE: Duration = Duration::from_secs(60);
/// Longest time for which nothing at all becomes final.
const STALL: Duration = Duration::from_secs(60);
/// Between two looks: each costs the peers a request.
const EVERY: Duration = Duration::from_millis(100);
/// Looks between two that also read what the collectors measure and what each thread used.
const FULL: u32 = 5;

/// What was seen.
#[derive(Default)]
pub struct Sampler {
    samples: BTreeMap<u32, ProcSample>,
    threads: BTreeMap<u32, Threads>,
    collectors: BTreeMap<String, CollectorStats>,
    /// Second by second.
    pub timeline: Timeline,
    looks: u32,
}

impl Sampler {
    /// Until every collector has ended.
    ///
    /// # Errors
    /// A peer ends, or nothing becomes final any more.
    pub async fn load(&mut self, stage: &Stage) -> CliResult<()> {
        let mut last_progress = (Instant::now(), 0);
        loop {
            let everywhere = self.look(stage).await;
            if everywhere > last_progress.1 {
                last_progress = (Instant::now(), everywhere);
            }
            self.check_peers(stage)?;
            if stage
                .collectors
                .iter()
                .all(|collector| self.sample(collector).ended)
            {
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

    /// Looks once; returns how many transactions are final on all peers.
    async fn look(&mut self, stage: &Stage) -> u64 {
        self.processes(stage);
        if self.looks.is_multiple_of(FULL) {
            self.measurements(stage);
        }
        self.looks = self.looks.wrapping_add(1);
        let sight = look(stage.session.client()).await;
        self.note(&sight, stage)
    }

    /// Reads CPU, memory and disk of every process, and of the peers' threads.
    pub fn processes(&mut self, stage: &Stage) {
        for process in stage.peers.iter().chain(&stage.collectors) {
            let pid = process.daemon.pid();
            let Some(sample) = ProcSample::read(pid) else {
                continue;
            };
            let known = self.samples.entry(pid).or_default();
            *known = ProcSample {
                peak_rss: known.peak_rss.max(sample.peak_rss),
                written: known.written.max(sample.written),
                ..sample
            };
        }
        if self.looks.is_multiple_of(FULL) {
            for peer in &stage.peers {
                self.threads
                    .entry(peer.daemon.pid())
                    .or_default()
                    .look(peer.daemon.pid());
            }
        }
        let memory = self.samples.values().map(|sample| sample.rss).sum();
        self.timeline.memory(unix_now_nano(), memory);
    }

    /// Reads what the collectors have measured in the last second.
    fn measurements(&mut self, stage: &Stage) {
        for collector in &stage.collectors {
            // Not there yet, or being replaced: the next look finds it.
            let Ok(stats) = CollectorStats::read(&collector.stats_file()) else {
                continue;
            };
            let known = self.collectors.entry(collector.name.clone()).or_default();
            if stats.written_nano <= known.written_nano {
                continue;
            }
            let between: Histogram = stats.histogram.since(&known.histogram);
            self.timeline.latencies(stats.written_nano, between);
            *known = stats;
        }
    }

    /// Remembers how many transactions are final on all peers.
    fn note(&mut self, sight: &Sight, stage: &Stage) -> u64 {
        let least = sight.peers.values().map(|status| status.transactions).min();
        // One that does not answer is not known to have less.
        let all = sight.peers.len() == stage.peers.len();
        let Some(everywhere) = least.filter(|_| all) else {
            return 0;
        };
        self.timeline.finals(unix_now_nano(), everywhere);
        everywhere
    }

    /// Until every peer has all events final and the same state. Returns when the last of them got there.
    pub async fn settle(&mut self, stage: &Stage, events: u64) -> (Sight, i64) {
        self.measurements(stage);
        let deadline = Instant::now() + SETTLE;
        loop {
            let sight = look(stage.session.client()).await;
            let everywhere = self.note(&sight, stage);
            if (everywhere >= events && is_level(&sight)) || Instant::now() > deadline {
                self.looks = 0;
                self.processes(stage);
                let reached = self.timeline.reached(events);
                return (sight, reached.unwrap_or_else(unix_now_nano));
            }
            sleep(EVERY / 5).await;
        }
    }

    fn check_peers(&self, stage: &Stage) -> CliResult<()> {
        match stage.peers.iter().find(|peer| self.sample(peer).ended) {
            None => Ok(()),
            Some(peer) => Err(CliError::refused(
                format!("{} ended during the measurement", peer.name),
                "run it again with --dir DIR, and see DIR/logs",
            )),
        }
    }

    /// The latest sample of a process; one that is gone has ended.
    pub fn sample(&self, process: &Process) -> ProcSample {
        let gone = ProcSample {
            ended: true,
            ..ProcSample::default()
        };
        self.samples.get(&process.daemon.pid()).copied().unwrap_or(gone)
    }

    /// CPU of a process by stage.
    pub fn stages(&self, process: &Process) -> BTreeMap<String, Duration> {
        let threads = self.threads.get(&process.daemon.pid());
        threads.map_or_else(BTreeMap::new, |threads| {
            threads.by_stage(self.sample(process).cpu)
        })
    }
}

/// Whether all peers that answer have the same blocks, executed and final.
pub fn is_level(sight: &Sight) -> bool {
    let mut heights = sight.peers.values().map(|status| status.final_height);
    let first = heights.next();
    heights.all(|height| Some(height) == first)
        && sight
            .peers
            .values()
            .all(|status| status.applied_height == status.final_height)
}
