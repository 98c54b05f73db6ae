//! From arguments to an exit code.

use crate::args::{Cli, Command};
use crate::commands::cert::CertCommand;
use crate::commands::chaincode::{ChaincodeCommand, DeveloperCommand, DiffArgs};
use crate::commands::{
    audit, cert, chaincode, collectors, events, evidence, history, incidents, network, peer, proposal,
    receipt, shell, verify,
};
use crate::error::{CliError, CliResult, Exit};
use crate::output::{Style, Terminal};
use crate::session::Session;
use crate::settings::{Settings, Surroundings};
use crate::{bench, demo};
use clap::Parser;
use e2l_ledger::Role;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.global.verbose);
    match dispatch(&cli) {
        Ok(()) => ExitCode::from(Exit::Ok as u8),
        Err(error) => {
            if !error.is_quiet() {
                report(&error);
            }
            ExitCode::from(error.exit() as u8)
        }
    }
}

fn start_log(verbose: u8) {
    let level = ["error", "info", "debug", "trace"][usize::from(verbose.min(3))];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let logged = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails only if a test set one before.
    let _ = logged.with_ansi(Terminal::stderr().colour).try_init();
}

fn report(error: &CliError) {
    let terminal = Terminal::stderr();
    eprintln!("{} {error}", terminal.paint(Style::Bad, "error:"));
    eprintln!(" {} {}", terminal.paint(Style::Bold, "next:"), error.next_step());
}

fn dispatch(cli: &Cli) -> CliResult<()> {
    let directory = std::env::current_dir().map_err(|error| {
        CliError::usage(
            format!("no current directory: {error}"),
            "change to one that exists",
        )
    })?;
    let variable = |name: &str| std::env::var(name).ok();
    let around = Surroundings {
        variable: &variable,
        directory: &directory,
    };
    let settings = || cli.global.resolve(&around);
    match &cli.command {
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man { directory } => shell::man(directory),
        Command::Network(command) => network::run(command, cli.global.format(&around)?),
        Command::Cert(CertCommand::Revoke(args)) => {
            let create = proposal::ProposalCommand::Create(proposal::CreateCommand::Revoke {
                certificates: args.certificates.clone(),
                life: args.life.clone(),
            });
            with_session(settings()?, Role::Admin, async |s| {
                proposal::run(s, &create).await
            })
        }
        Command::Cert(command) => cert::run(command, &settings()?),
        Command::Chaincode(ChaincodeCommand::Developer(DeveloperCommand::Diff(DiffArgs {
            proposal: Some(proposal),
            ..
        }))) => with_session(settings()?, Role::Client, async |s| {
            chaincode::diff_proposal(s, proposal).await
        }),
        Command::Chaincode(ChaincodeCommand::Dev(args)) => {
            block_on(chaincode::dev(args, &cli.global, &around))
        }
        Command::Chaincode(ChaincodeCommand::Developer(command)) => command.run(cli.global.format(&around)?),
        Command::Demo(args) => block_on(demo::run(args, &cli.global)),
        Command::Bench(args) => block_on(bench::run(args, cli.global.format(&around)?)),
        Command::Events(args) => {
            with_session(settings()?, Role::Client, async |s| events::run(s, args).await)
        }
        Command::History(args) => {
            with_session(settings()?, Role::Client, async |s| history::run(s, args).await)
        }
        Command::Receipt(args) => {
            with_session(settings()?, Role::Client, async |s| receipt::run(s, args).await)
        }
        Command::Evidence(args) => {
            with_session(settings()?, Role::Client, async |s| evidence::run(s, args).await)
        }
        Command::Collectors => with_session(settings()?, Role::Client, async |s| collectors::run(s).await),
        Command::Incidents(args) => {
            with_session(settings()?, Role::Client, async |s| incidents::run(s, args).await)
        }
        Command::Audit(args) => with_session(settings()?, Role::Client, async |s| audit::run(s, args).await),
        Command::Verify(args) => verify::run(args, cli.global.format(&around)?),
        Command::Peer(command) => {
            let role = command.role();
            with_session(settings()?, role, async |s| peer::run(s, command).await)
        }
        Command::Proposal(command) => {
            let role = command.role();
            with_session(settings()?, role, async |s| proposal::run(s, command).await)
        }
        Command::Chaincode(command) => {
            let role = command.role();
            with_session(settings()?, role, async |s| chaincode::run(s, command).await)
        }
    }
}

fn with_session(
    settings: Settings,
    role: Role,
    run: impl AsyncFnOnce(&Session) -> CliResult<()>,
) -> CliResult<()> {
    block_on(async move {
        let session = Session::open(settings, role)?;
        run(&session).await
    })
}

fn block_on(future: impl Future<Output = CliResult<()>>) -> CliResult<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::usage(format!("cannot start threads: {error}"), "check `ulimit -u`"))?;
    runtime.block_on(future)
}
