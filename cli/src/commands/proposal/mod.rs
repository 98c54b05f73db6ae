//! `e2l proposal`: how the actors change the network together.

mod create;
mod decide;
mod list;
mod read;
mod show;

pub use create::CreateCommand;
pub(crate) use create::{Lifetime, parse_policy, propose};
pub(crate) use decide::{decide, resolve};
pub(crate) use read::record;
pub(crate) use show::{changed_limits, show};

use crate::error::CliResult;
use crate::session::Session;
use e2l_ledger::Role;

/// What to do with proposals.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ProposalCommand {
    /// Propose a change of the network, signed by the actor's admin, whose actor approves with it
    ///
    /// It is in force from the next height on when as many actors have approved as the lifecycle policy demands.
    #[command(subcommand)]
    Create(CreateCommand),
    /// Approve a proposal in the name of the actor, signed by its admin
    ///
    /// What is signed is the digest of all that the proposal says: look at it first with `e2l proposal show`. Exit code 1
    /// if its validation code is not VALID.
    Approve(DecideArgs),
    /// Reject a proposal in the name of the actor, signed by its admin
    ///
    /// It is closed when so many have rejected it that the policy cannot be met any more.
    Reject(DecideArgs),
    /// Proposals that are open, and the last that were closed; proven against the genesis
    List,
    /// One proposal: what it changes, who has decided what, and what became of it; proven against the genesis
    Show(ShowArgs),
}

/// Which proposal is decided.
#[derive(Debug, Clone, clap::Args)]
pub struct DecideArgs {
    /// Its id, or the start of it
    #[arg(value_name = "PROPOSAL")]
    pub proposal: String,
}

/// Which proposal is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// Its id, or the start of it
    #[arg(value_name = "PROPOSAL")]
    pub proposal: String,
}

impl ProposalCommand {
    /// The role in which it is run.
    pub fn role(&self) -> Role {
        match self {
            Self::Create(_) | Self::Approve(_) | Self::Reject(_) => Role::Admin,
            Self::List | Self::Show(_) => Role::Client,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// No peer answers, what it sends is not proven, or the ledger refuses.
pub async fn run(session: &Session, command: &ProposalCommand) -> CliResult<()> {
    match command {
        ProposalCommand::Create(command) => create::run(session, command).await,
        ProposalCommand::Approve(args) => {
            let id = resolve(session, &args.proposal).await?;
            decide(session, &id, true).await
        }
        ProposalCommand::Reject(args) => {
            let id = resolve(session, &args.proposal).await?;
            decide(session, &id, false).await
        }
        ProposalCommand::List => list::list(session).await,
        ProposalCommand::Show(args) => {
            let id = resolve(session, &args.proposal).await?;
            show(session, &id).await
        }
    }
}
