//! `e2l demo`: the same daemons as in a real deployment, all on this machine.

mod deploy;
mod fleet;
mod live;
mod narrator;
mod overview;
mod source;
mod start;
mod tamper;
mod watch;

pub use live::StopSignal;
pub(crate) use narrator::Narrator;
pub(crate) use overview::{network_flag, own_name};
pub use source::DemoSource;
pub(crate) use start::{Started, start};
pub use watch::{Sight, look};

use crate::error::{CliError, CliResult};
use crate::output::Terminal;
use crate::settings::{DEMO_DIR, Global};
use overview::Overview;
use std::path::PathBuf;
use std::time::Duration;

/// How the demo runs.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    /// What to do with a demo that runs in another terminal
    #[command(subcommand)]
    pub command: Option<DemoCommand>,
    /// Where keys, configurations and ledgers are kept; a directory that exists is started again
    #[arg(long, value_name = "DIR", default_value = DEMO_DIR)]
    pub dir: PathBuf,
    /// Where events come from: auto (Docker if it answers), docker, docker:PATH, replay:FILE, synthetic
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub source: DemoSource,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECS")]
    pub duration: Option<u64>,
}

/// What to do with a running demo.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DemoCommand {
    /// Edit a record in an actor's database, and show how it is found, refused and repaired
    Tamper(tamper::TamperArgs),
}

/// Runs until Ctrl-C, SIGTERM or the end of `--duration`.
///
/// # Errors
/// A program is missing, an address is taken, the directory cannot be used, or a process does not start.
pub async fn run(args: &DemoArgs, global: &Global) -> CliResult<()> {
    if global.network.is_some() || global.profile.is_some() {
        return Err(CliError::usage(
            "the demo keeps its network in --dir",
            "use --dir DIR in place of --network",
        ));
    }
    if let Some(DemoCommand::Tamper(tamper)) = &args.command {
        return tamper::run(tamper, global).await;
    }
    let stop = live::StopSignal::new(args.duration.map(Duration::from_secs))?;
    let mut started = match start(args, global, &stop).await? {
        Some(started) => started,
        None => return Ok(()),
    };
    let overview = Overview {
        network: &started.network,
        fleet: &started.fleet,
        source: &started.source,
        status: &started.status,
        again: started.again,
    };
    eprint!("{}", overview.render(Terminal::stderr()));
    let shown = live::show(&mut started, &stop).await;
    eprintln!("\nStopping the collector, then the peers...");
    let bad = started.stop().await;
    eprintln!("{}", goodbye(args));
    shown?;
    if bad.is_empty() {
        return Ok(());
    }
    Err(CliError::refused(
        format!("{} did not stop as it should", bad.join(", ")),
        format!("see {}", args.dir.join("logs").display()),
    ))
}

fn goodbye(args: &DemoArgs) -> String {
    let directory = args.dir.display();
    let flag = if network_flag(&args.dir).is_empty() {
        String::new()
    } else {
        format!(" --dir {directory}")
    };
    format!(
        "Stopped. The three ledgers are in {directory}/actors/*/peer/data; `{} demo{flag}` starts them again.",
        own_name()
    )
}
