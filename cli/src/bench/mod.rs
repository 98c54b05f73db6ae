//! `e2l bench`: the whole path, measured: collectors, three peers, TLS, fsync, all as separate processes on
//! this machine.

mod accounts;
mod args;
mod bars;
mod chart;
mod collector;
mod collector_stats;
mod disk;
mod failover;
mod figures;
mod histogram;
mod markdown;
mod measure;
mod proc;
mod proof_cost;
mod reads;
mod report;
mod restart;
mod sampler;
mod scrape;
mod stage;
mod suite;
mod svg;
mod swarm;
mod swarm_member;
mod tables;
mod threads;
mod timeline;

pub use args::{BenchArgs, BenchCommand, LoadArgs};
pub use suite::SuiteArgs;

use crate::demo::StopSignal;
use crate::error::{CliError, CliResult};
use crate::output::Format;
use report::Report;
use stage::Stage;
use std::path::Path;

/// Builds a private network, measures it and stops it.
///
/// # Errors
/// Something does not start, the peers do not agree at the end, or not every event is on every ledger.
pub async fn run(args: &BenchArgs, format: Format) -> CliResult<()> {
    let stop = StopSignal::new(None)?;
    match &args.command {
        Some(BenchCommand::Suite(suite)) => return suite::run(suite, &stop).await,
        Some(BenchCommand::Collector(parts)) => {
            let report = collector::run(parts, &stop).await?;
            return report.print(format);
        }
        None => {}
    }
    args.load.check()?;
    let report = run_load(&args.load, &stop).await?;
    report.print(format)?;
    if let Some(path) = &args.load.svg {
        write_file(path, &report.chart())?;
        eprintln!("\nthe chart is in {}", path.display());
    }
    if let Some(directory) = &args.load.dir {
        eprintln!("\nnetwork, ledgers and logs are in {}", directory.display());
    }
    report.judge()
}

/// One load on a network of its own.
async fn run_load(args: &LoadArgs, stop: &StopSignal) -> CliResult<Report> {
    on_stage(Stage::build(args)?, stop, async |stage| {
        measure::measure(stage, args).await
    })
    .await
}

/// Runs something on a network, and stops the network however it ends.
async fn on_stage<T>(
    mut stage: Stage,
    stop: &StopSignal,
    run: impl AsyncFnOnce(&mut Stage) -> CliResult<T>,
) -> CliResult<T> {
    let result = tokio::select! {
        result = run(&mut stage) => result,
        () = stop.wait() => Err(CliError::refused("the benchmark was stopped", "let it run to its end")),
    };
    let killed = stage.stop().await;
    let result = result?;
    if killed.is_empty() {
        return Ok(result);
    }
    Err(CliError::refused(
        format!("{} did not stop as it should", killed.join(", ")),
        "run it again with --dir DIR, and see DIR/logs",
    ))
}

fn write_file(path: &Path, text: &str) -> CliResult<()> {
    std::fs::write(path, text).map_err(|error| CliError::file("write", path, &error))
}

impl Report {
    /// Throughput and latency over time, as SVG.
    fn chart(&self) -> String {
        let title = format!("event2ledger: {}", self.load);
        let subtitle = format!(
            "{} events, {} CPUs for all processes; final on all peers {}/s; latency p50 {} ms, p99 {} ms",
            figures::grouped(self.events),
            self.cpus,
            figures::figure(self.events_per_second),
            figures::figure(self.latency_ms.p50),
            figures::figure(self.latency_ms.p99)
        );
        chart::chart(title, subtitle, &self.timeline)
    }
}
