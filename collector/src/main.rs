//! `e2l-collector`: the sidecar beside a container engine.

use anyhow::Result;
use clap::Parser;
use e2l_collector::privileges::{become_user, is_root};
use e2l_collector::recording::compile_into;
use e2l_collector::source::{ReplayPace, SourceSpec};
use e2l_collector::{Collector, CollectorOptions};
use std::io::Write;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Many small objects are made on one thread and dropped on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Reads a container engine's events, signs them and brings them to the ledger.
#[derive(Parser)]
#[command(name = "e2l-collector", version)]
struct Arguments {
    /// Configuration file.
    #[arg(
        long,
        value_name = "FILE",
        env = "E2L_COLLECTOR_CONFIG",
        required_unless_present = "compile_into"
    )]
    config: Option<PathBuf>,
    /// Where events come from: docker, podman or containerd, each also with :PATH of a socket, replay:FILE or synthetic
    /// [default: as configured].
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceSpec>,
    /// How fast a recording is replayed [default: as configured].
    #[arg(long, value_enum)]
    replay_pace: Option<ReplayPace>,
    /// End once the source has ended and everything is final.
    #[arg(long)]
    exit_when_done: bool,
    /// Stop when standard input closes, so that no collector outlives the program that started it.
    #[arg(long)]
    exit_with_parent: bool,
    /// Compile the component on standard input into this directory, and end: what a collector starts itself for.
    #[arg(long, value_name = "DIR", hide = true)]
    compile_into: Option<PathBuf>,
}

/// Threads that run tasks: several would wake each other for every event. What may keep one of them
/// for long says so, and another thread takes over meanwhile.
const WORKERS: usize = 1;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(directory) = &arguments.compile_into {
        return Ok(compile_into(directory)?);
    }
    let mut options = CollectorOptions::load(&arguments.config.unwrap_or_default())?;
    options.source = arguments.source.unwrap_or(options.source);
    options.replay_pace = arguments.replay_pace.unwrap_or(options.replay_pace);
    options.exit_when_done |= arguments.exit_when_done;
    if let Some(user) = &options.user {
        become_user(user, &options.source)?;
    }
    let filter = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(&options.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    if is_root() {
        tracing::warn!(
            "this collector runs as root and needs none of root's powers: name a `user` in its configuration"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    let collected = runtime.block_on(run(options, arguments.exit_with_parent));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    collected
}

async fn run(options: CollectorOptions, exit_with_parent: bool) -> Result<()> {
    let stop = stop_signal(exit_with_parent)?;
    let mut stop = std::pin::pin!(stop);
    let collector = tokio::select! {
        opened = Collector::open(options) => opened?,
        () = &mut stop => return Ok(()),
    };
    writeln!(std::io::stdout(), "ready")?;
    std::io::stdout().flush()?;
    Ok(collector.run(stop).await?)
}

fn stop_signal(exit_with_parent: bool) -> Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = parent_gone(), if exit_with_parent => {}
        }
    })
}

/// Returns when standard input is closed, as it is when the parent ends, however it ends.
async fn parent_gone() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(input.read(&mut buffer).await, Ok(read) if read > 0) {}
}
