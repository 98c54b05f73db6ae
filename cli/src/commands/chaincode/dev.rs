//! `e2l chaincode dev`: what is saved is built, tested and deployed to a network on this machine, again and again.

mod deployment;
mod place;
mod report;
mod round;
mod watch;

use super::contract::{SourceArgs, kept_in};
use crate::demo::{DemoSource, StopSignal, network_flag, own_name};
use crate::error::{CliError, CliResult};
use crate::output::{Style, Terminal};
use crate::settings::{Global, Surroundings};
use e2l_chaincode_builder::SourceTree;
use place::DevPlace;
use report::Report;
use round::{Bench, RoundEnd};
use std::path::Path;
use watch::SourceWatch;

/// A developer's loop.
#[derive(Debug, Clone, clap::Args)]
pub struct DevArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Name to deploy it under; its own unless given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Build, test and deploy once, and end
    #[arg(long)]
    once: bool,
    /// Events of the network that is started here, as for `e2l demo`: auto, docker, docker:PATH, replay:FILE, synthetic
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    events: DemoSource,
}

/// Runs until Ctrl-C, or once.
///
/// # Errors
/// There is no crate, the network is none for development or does not start. With `--once` also: the contract does not
/// compile, fails its tests, or cannot be deployed.
pub async fn dev(args: &DevArgs, global: &Global, around: &Surroundings<'_>) -> CliResult<()> {
    let directory = args.source.directory();
    let source = SourceTree::read(&directory).map_err(|error| {
        CliError::usage(
            error,
            "name the directory of a contract's crate, or begin one with `e2l chaincode new`",
        )
    })?;
    let format = global.format(around)?;
    let stop = StopSignal::new(None)?;
    let Some(place) = DevPlace::enter(args, global, around, &directory, &stop).await? else {
        return Ok(());
    };
    let bench = Bench {
        place: &place,
        name: args.name.as_deref(),
        kept: kept_in(&directory),
        directory: &directory,
        report: Report {
            format,
            terminal: Terminal::stdout(),
        },
        stop: &stop,
    };
    let worked = if args.once {
        once(&bench, source).await
    } else {
        again_and_again(&bench, source).await
    };
    let left = place.leave().await;
    worked.and(left)
}

async fn once(bench: &Bench<'_>, source: SourceTree) -> CliResult<()> {
    match bench.round(1, source, Vec::new()).await? {
        RoundEnd::Done => Ok(()),
        RoundEnd::Failed(error) => Err(error),
        RoundEnd::Stopped => Err(CliError::refused(
            "it was stopped before it was done",
            "run it again",
        )),
    }
}

async fn again_and_again(bench: &Bench<'_>, mut source: SourceTree) -> CliResult<()> {
    let mut watch = SourceWatch::new(bench.directory.to_owned(), source.clone());
    let mut changed = Vec::new();
    for number in 1.. {
        match bench.round(number, source, changed).await? {
            RoundEnd::Stopped => return Ok(()),
            RoundEnd::Done if number == 1 => hint(bench),
            _ => {}
        }
        if number == 1 {
            let text = format!(
                "Watching {}: what is saved is deployed. Ctrl-C ends it.",
                shown(bench.directory)
            );
            eprintln!("{}", Terminal::stderr().paint(Style::Dim, &text));
        }
        tokio::select! {
            () = bench.stop.wait() => return Ok(()),
            found = watch.changed() => (source, changed) = found,
        }
    }
    Ok(())
}

/// Where the contract's functions can be called.
fn hint(bench: &Bench<'_>) {
    let (e2l, network) = (own_name(), network_flag(bench.place.directory()));
    let text = format!(
        "Call it in another terminal: {e2l} chaincode list{network}, then {e2l} chaincode invoke|query{network} ..."
    );
    eprintln!("{}", Terminal::stderr().paint(Style::Dim, &text));
}

fn shown(directory: &Path) -> String {
    directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned())
        .display()
        .to_string()
}
