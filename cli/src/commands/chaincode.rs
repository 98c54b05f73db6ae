//! `e2l chaincode`: what contracts there are, and calls to them.

mod build;
mod contract;
mod dev;
mod developer;
mod diff;
mod invoke;
mod list;
mod new;
mod package;
mod propose;
mod query;
mod test;

pub use dev::{DevArgs, dev};
pub use developer::DeveloperCommand;
pub use diff::{DiffArgs, diff_proposal};

use crate::commands::argument::{ArgumentArgs, Encoding};
use crate::commands::proposal::{self, DecideArgs, Lifetime, ShowArgs};
use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_client::wire;
use e2l_ledger::Role;
use invoke::invoke;
use list::{active, list};
use query::query;
use std::path::PathBuf;

/// What to do with chaincode.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ChaincodeCommand {
    /// Active chaincodes and their functions
    ///
    /// Name, version and digest are proven to be what the actors have approved; what a function is for is as the peer reads it from the
    /// component of that digest.
    List,
    /// Call a function that changes the ledger, signed by the actor's admin; waits until it is proven final
    ///
    /// Exit code 1 if its validation code is not VALID.
    Invoke(CallArgs),
    /// Call a function that reads, at the last final height
    ///
    /// As many actors' peers are asked as the finality policy demands, as of one height, and the answer is shown only
    /// when all of them say the same, byte for byte. That is agreement, not a proof against the genesis as `e2l history`
    /// gives: these actors together can lie. Exit code 1 if they differ, 3 if too few answer.
    Query(QueryArgs),
    /// Propose a component under a name, signed by the actor's admin, whose actor approves with it
    ///
    /// Every peer refuses what is no contract. It replaces what is active under that name, from the next height on when as
    /// many actors have approved as the lifecycle policy demands.
    Propose(ProposeArgs),
    /// Approve a proposal in the name of the actor, signed by its admin
    ///
    /// With --rebuild the proposed component is built from source here first, and approved only if that gives the same
    /// bytes: then the actor approves code that it has read.
    Approve(ApproveArgs),
    /// Reject a proposal in the name of the actor, signed by its admin
    Reject(DecideArgs),
    /// One proposal: what it changes, who has decided what, and what became of it; proven against the genesis
    Show(ShowArgs),
    /// Build, test and deploy a contract to a network on this machine each time that its source is saved
    ///
    /// Without a network (--network, E2L_NETWORK, ./e2l-demo) one is started as `e2l demo` does it, in target/e2l-network of the
    /// contract's crate, and ends with this command. On a network that runs already all peers must be on this machine: the
    /// contract is proposed in the name of --actor and approved in the name of every other one, each in a process of its own. A
    /// contract that is not another one than before, does not compile or fails its tests is not deployed.
    Dev(DevArgs),
    /// What needs no network.
    #[command(flatten)]
    Developer(DeveloperCommand),
}

/// A call.
#[derive(Debug, Clone, clap::Args)]
pub struct CallArgs {
    /// The function; `e2l chaincode list` shows them
    pub function: String,
    #[command(flatten)]
    argument: ArgumentArgs,
    /// The chaincode; may be left out where only one is active
    #[arg(long, value_name = "NAME")]
    pub chaincode: Option<String>,
}

/// A call that reads.
#[derive(Debug, Clone, clap::Args)]
pub struct QueryArgs {
    #[command(flatten)]
    call: CallArgs,
    /// Take one peer's word, instead of asking as many actors' peers as make a block final
    #[arg(long)]
    no_verify: bool,
}

/// What is proposed.
#[derive(Debug, Clone, clap::Args)]
pub struct ProposeArgs {
    /// The component that `e2l chaincode build` writes, or the package that `e2l chaincode package` writes
    #[arg(value_name = "FILE")]
    pub component: PathBuf,
    /// Name to deploy it under; its own unless given
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub(crate) life: Lifetime,
}

/// Which proposal is approved, and how it is checked before.
#[derive(Debug, Clone, clap::Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    pub(crate) proposal: DecideArgs,
    /// Build this source first, and approve only if it gives the proposed component
    #[arg(long, value_name = "SOURCE_DIR")]
    pub rebuild: Option<PathBuf>,
}

impl ChaincodeCommand {
    /// The role in which the call is made.
    pub fn role(&self) -> Role {
        match self {
            Self::Invoke(_) | Self::Propose(_) | Self::Approve(_) | Self::Reject(_) => Role::Admin,
            _ => Role::Client,
        }
    }
}

/// Runs a command that talks to a peer.
///
/// # Errors
/// No peer answers, there is no such function, or the call is refused.
pub async fn run(session: &Session, command: &ChaincodeCommand) -> CliResult<()> {
    match command {
        ChaincodeCommand::List => list(session).await,
        ChaincodeCommand::Invoke(args) => invoke(session, args).await,
        ChaincodeCommand::Query(args) => query(session, args).await,
        ChaincodeCommand::Propose(args) => propose::propose(session, args).await,
        ChaincodeCommand::Approve(args) => propose::approve(session, args).await,
        ChaincodeCommand::Reject(args) => {
            let id = proposal::resolve(session, &args.proposal).await?;
            proposal::decide(session, &id, false).await
        }
        ChaincodeCommand::Show(args) => {
            let id = proposal::resolve(session, &args.proposal).await?;
            proposal::show(session, &id).await
        }
        ChaincodeCommand::Dev(_) => Err(CliError::usage(
            "the loop finds or starts a network by itself",
            "report this as a defect",
        )),
        ChaincodeCommand::Developer(command) => command.run(session.format()),
    }
}

/// Finds the function, and encodes the argument as it describes.
async fn prepare(session: &Session, args: &CallArgs, kind: &str) -> CliResult<(String, Vec<u8>)> {
    let active = active(session).await?.chaincodes;
    let chaincode = choose(&active, args.chaincode.as_deref())?;
    let named = chaincode
        .functions
        .iter()
        .find(|function| function.name == args.function);
    let function = named.filter(|function| function.kind == kind).ok_or_else(|| {
        if named.is_some() {
            let other = if kind == "query" { "invoke" } else { "query" };
            return CliError::usage(
                format!("`{}` is not a function to {kind}", args.function),
                format!("use `e2l chaincode {other} {}`", args.function),
            );
        }
        let known = chaincode
            .functions
            .iter()
            .filter(|function| function.kind == kind);
        let known: Vec<&str> = known.map(|function| function.name.as_str()).collect();
        CliError::usage(
            format!(
                "chaincode `{}` has no function `{}`",
                chaincode.name, args.function
            ),
            format!("call one of: {}", known.join(", ")),
        )
    })?;
    let encoding = Encoding::parse(&function.argument)?;
    Ok((
        chaincode.name.clone(),
        args.argument.encode(encoding, &args.function)?,
    ))
}

fn choose<'a>(active: &'a [wire::Chaincode], named: Option<&str>) -> CliResult<&'a wire::Chaincode> {
    let names = || {
        active
            .iter()
            .map(|chaincode| chaincode.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (named, active) {
        (None, [only]) => Ok(only),
        (None, _) => Err(CliError::usage(
            format!("{} chaincodes are active", active.len()),
            format!("name one with --chaincode: {}", names()),
        )),
        (Some(name), _) => active
            .iter()
            .find(|chaincode| chaincode.name == name)
            .ok_or_else(|| {
                CliError::usage(
                    format!("no chaincode `{name}` is active"),
                    format!("name one of: {}", names()),
                )
            }),
    }
}

/// Text as it is, other bytes in hexadecimal.
fn shown(output: &[u8]) -> String {
    std::str::from_utf8(output).map_or_else(|_| hex::encode(output), str::to_owned)
}
