//! `e2l bench`: the whole path, measured: collectors, three peers, TLS, fsync, all as separate processes on
//! this machine.

mod args;
mod latency;
mod measure;
mod proc;
mod proof_cost;
mod report;
mod stage;

pub use args::BenchArgs;

use crate::error::{CliError, CliResult};
use crate::output::Format;
use report::Report;
use stage::Stage;

/// Builds a private network, measures it and stops it.
///
/// # Errors
/// Something does not start, the peers do not agree at the end, or not every event is on every ledger.
pub async fn run(args: &BenchArgs, format: Format) -> CliResult<()> {
    args.check()?;
    let stop = crate::demo::StopSignal::new(None)?;
    let mut stage = Stage::build(args)?;
    let measured = tokio::select! {
        measured = measure::measure(&mut stage, args) => measured,
        () = stop.wait() => Err(CliError::refused("the benchmark was stopped", "let it run to its end")),
    };
    let killed = stage.stop().await;
    let report: Report = measured?;
    report.print(format)?;
    if let Some(directory) = &args.dir {
        eprintln!("\nnetwork, ledgers and logs are in {}", directory.display());
    }
    if !killed.is_empty() {
        return Err(CliError::refused(
            format!("{} did not stop as it should", killed.join(", ")),
            "run it again with --dir DIR, and see DIR/logs",
        ));
    }
    report.judge()
}
