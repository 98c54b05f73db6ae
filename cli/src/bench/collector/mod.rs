//! `e2l bench collector`: what one collector costs the host beside whose engine it runs, and how much it can take.

mod bare_reader;
mod counted;
mod engine;
mod load;
mod report;
mod starts;
mod usage;

use crate::bench::args::LoadArgs;
use crate::bench::measure::{START, load_average, start};
use crate::bench::report::cpus;
use crate::bench::stage::Stage;
use crate::bench::{on_stage, run_load};
use crate::daemon::Daemon;
use crate::demo::StopSignal;
use crate::deploy::free_addresses;
use crate::docker::{self, find_engine};
use crate::error::{CliError, CliResult};
use bare_reader::BareReader;
use counted::Counted;
use engine::Engine;
use report::{CollectorReport, Loaded};
use starts::{StartTimes, Starts, time_starts};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use usage::Usage;

/// Until a collector that has just been started only does what it does all the time.
const WARM_UP: Duration = Duration::from_secs(5);
/// The same before container starts are timed.
const SUBSCRIBED: Duration = Duration::from_secs(1);
/// Starts of one side of a pair.
const STARTS: u32 = 3;
/// Longest wait until what was emitted is final.
const DRAIN: Duration = Duration::from_secs(30);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct CollectorArgs {
    /// Only these parts, separated by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Seconds of each part
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub duration: u64,
    /// Events a second that the engine is made to emit
    #[arg(long, value_name = "R", default_value_t = 100.0)]
    pub rate: f64,
    /// Pairs of container starts
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pairs: u32,
    /// The collector's `gather_ms` [default: its own]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=10_000))]
    pub gather_ms: Option<u64>,
    /// The engine's socket [default: that of DOCKER_HOST, or the usual one]
    #[arg(long, value_name = "PATH")]
    pub engine: Option<PathBuf>,
    /// Keep network, ledgers and logs in this new directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// CPU and memory beside an engine that does nothing.
    Idle,
    /// The same while the engine emits events.
    Loaded,
    /// Invented events, as fast as they become final.
    Throughput,
    /// Container starts with and without a collector.
    Starts,
}

impl CollectorArgs {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.duration)
    }
}

/// Measures, beside a real engine.
///
/// # Errors
/// No engine answers at a socket, or it refuses; something does not start.
pub async fn run(args: &CollectorArgs, stop: &StopSignal) -> CliResult<CollectorReport> {
    if !args.rate.is_finite() || args.rate <= 0.0 {
        return Err(CliError::usage("--rate must be above 0", "the bar is for 100"));
    }
    let mut report = CollectorReport {
        release: env!("CARGO_PKG_VERSION"),
        cpus: cpus(),
        filesystem: "unknown",
        load_before: load_average(),
        idle: None,
        loaded: None,
        bare_reader: None,
        throughput: None,
        starts: None,
    };
    if [Part::Idle, Part::Loaded, Part::Starts]
        .iter()
        .any(|part| args.wants(*part))
    {
        let socket = socket(args.engine.as_deref())?;
        Engine::at(&socket).prepare().await?;
        let stage = Stage::with_collectors(1, args.dir.as_deref())?;
        report.filesystem = stage.filesystem;
        let measured = on_stage(stage, stop, async |stage| {
            beside(stage, args, &socket, report).await
        })
        .await;
        let cleared = Engine::at(&socket).clear().await;
        report = measured?;
        cleared?;
    }
    if args.wants(Part::Throughput) {
        let load = LoadArgs {
            collectors: 1,
            duration: Some(args.duration),
            ..LoadArgs::default()
        };
        report.throughput = Some(run_load(&load, stop).await?.events_per_second);
    }
    Ok(report)
}

/// The socket of the engine that is meant.
fn socket(named: Option<&Path>) -> CliResult<PathBuf> {
    let none = |why: String| {
        CliError::usage(
            format!("a collector is measured beside a container engine, and none answers: {why}"),
            "start Docker, name its socket with --engine PATH, or measure `--only throughput`",
        )
    };
    if let Some(path) = named {
        docker::ping_socket(path).map_err(none)?;
        return Ok(path.to_owned());
    }
    match find_engine().map_err(none)? {
        docker::Engine::Socket(path) => Ok(path),
        docker::Engine::Default => match std::env::var("DOCKER_HOST").unwrap_or_default() {
            host if host.is_empty() => Ok("/var/run/docker.sock".into()),
            host => match host.strip_prefix("unix://") {
                Some(path) => Ok(path.into()),
                None => Err(none(format!("DOCKER_HOST={host} is not on this machine"))),
            },
        },
    }
}

async fn beside(
    stage: &mut Stage,
    args: &CollectorArgs,
    socket: &Path,
    mut report: CollectorReport,
) -> CliResult<CollectorReport> {
    start(stage).await?;
    if args.wants(Part::Idle) || args.wants(Part::Loaded) {
        let collector = Watched::start(stage, args, socket, WARM_UP).await?;
        if args.wants(Part::Idle) {
            eprintln!("Measuring: idle, {} s...", args.duration);
            let ((), usage) = Usage::during(collector.daemon.pid(), sleep(args.time())).await;
            report.idle = Some(usage);
        }
        if args.wants(Part::Loaded) {
            report.loaded = Some(loaded(&collector, args, socket).await?);
        }
        collector.daemon.stop().await;
    }
    if args.wants(Part::Loaded) {
        eprintln!("Measuring: the same for a bare reader, {} s...", args.duration);
        let load = load::steady(socket, args.rate, args.time());
        let (done, bare) = BareReader::during(socket, load).await?;
        let emitted = done?.events;
        if bare.events < emitted {
            return Err(CliError::refused(
                format!(
                    "the engine emitted {emitted} events, and a bare reader was told {}",
                    bare.events
                ),
                "see the engine's log",
            ));
        }
        report.bare_reader = Some(bare);
    }
    if args.wants(Part::Starts) {
        report.starts = Some(pairs(stage, args, socket).await?);
    }
    Ok(report)
}

/// The collector that is measured.
struct Watched {
    daemon: Daemon,
    /// Address of its metrics.
    metrics: String,
}

impl Watched {
    async fn start(stage: &Stage, args: &CollectorArgs, socket: &Path, settle: Duration) -> CliResult<Self> {
        let metrics = free_addresses(1)?.remove(0);
        let mut daemon = stage.start_beside(socket, &metrics, args.gather_ms)?;
        daemon.ready(START).await?;
        sleep(settle).await;
        Ok(Self { daemon, metrics })
    }
}

async fn loaded(collector: &Watched, args: &CollectorArgs, socket: &Path) -> CliResult<Loaded> {
    eprintln!(
        "Measuring: {} events/s of the engine, {} s...",
        args.rate, args.duration
    );
    let before = Counted::read(&collector.metrics).await?;
    let load = load::steady(socket, args.rate, args.time());
    let (done, usage) = Usage::during(collector.daemon.pid(), load).await;
    let done = done?;
    let deadline = Instant::now() + DRAIN;
    let after = loop {
        sleep(LOOK).await;
        let after = Counted::read(&collector.metrics).await?;
        if after.events - before.events >= done.events || Instant::now() > deadline {
            break after;
        }
    };
    let events = after.events - before.events;
    if events < done.events {
        return Err(CliError::refused(
            format!(
                "the engine emitted {} events, and {events} became final",
                done.events
            ),
            "run it again with --dir DIR, and see DIR/logs",
        ));
    }
    Ok(Loaded {
        offered_per_second: args.rate,
        emitted_per_second: done.events as f64 / done.seconds,
        emitted: done.events,
        events,
        batches: after.batches - before.batches,
        usage,
        latency_ms: after.latency_ms,
    })
}

/// With and without it in turn; every other pair the other way round.
async fn pairs(stage: &Stage, args: &CollectorArgs, socket: &Path) -> CliResult<StartTimes> {
    eprintln!("Measuring: {} pairs of {STARTS} container starts...", args.pairs);
    let mut pairs = Vec::new();
    for pair in 0..args.pairs {
        let (with, without): (Starts, Starts) = match pair % 2 {
            0 => {
                let with = with_collector(stage, args, socket).await?;
                (with, without_collector(stage, socket).await?)
            }
            _ => {
                let without = without_collector(stage, socket).await?;
                (with_collector(stage, args, socket).await?, without)
            }
        };
        pairs.push((with, without));
    }
    Ok(StartTimes::of(&pairs))
}

/// The peers stand still: what they do about the events is not the collector's, and would be done elsewhere.
async fn with_collector(stage: &Stage, args: &CollectorArgs, socket: &Path) -> CliResult<Starts> {
    let collector = Watched::start(stage, args, socket, SUBSCRIBED).await?;
    let starts = without_peers(stage, socket).await;
    collector.daemon.stop().await;
    starts
}

async fn without_collector(stage: &Stage, socket: &Path) -> CliResult<Starts> {
    // As long as the other side waits.
    sleep(SUBSCRIBED).await;
    without_peers(stage, socket).await
}

async fn without_peers(stage: &Stage, socket: &Path) -> CliResult<Starts> {
    let _paused = stage.pause_peers();
    time_starts(socket, STARTS).await
}
