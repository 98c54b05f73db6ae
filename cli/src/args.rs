//! The command line as a whole.

use crate::bench::BenchArgs;
use crate::commands::audit::AuditArgs;
use crate::commands::cert::CertCommand;
use crate::commands::chaincode::ChaincodeCommand;
use crate::commands::events::EventsArgs;
use crate::commands::evidence::EvidenceArgs;
use crate::commands::history::HistoryArgs;
use crate::commands::incidents::IncidentsArgs;
use crate::commands::network::NetworkCommand;
use crate::commands::peer::PeerCommand;
use crate::commands::proposal::ProposalCommand;
use crate::commands::receipt::ReceiptArgs;
use crate::commands::verify::VerifyArgs;
use crate::demo::DemoArgs;
use crate::settings::Global;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  refused, not found, or the answer is no
  2  wrong usage or configuration, or nobody could be reached
  3  not proven: the answer is well-formed and lacks what is needed to decide

Settings are taken from flags, then E2L_* environment variables, then the profile (--profile).
Data goes to standard output, messages go to standard error.

Begin with `e2l demo`.";

/// Container and service events on a ledger that several organisations keep together
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "e2l", version, after_help = AFTER_HELP, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, infer_subcommands = false)]
pub struct Cli {
    /// Settings of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands, each a noun.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Start three actors' peers and a collector on this machine, and show what they record
    Demo(DemoArgs),
    /// Make a network: keys, certificates, genesis and configurations
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Read the ledger as a stream of events
    Events(EventsArgs),
    /// Read one container's or service's whole life
    History(HistoryArgs),
    /// Get proof of one transaction
    Receipt(ReceiptArgs),
    /// Check a receipt, a history or evidence against a genesis, with no network and no peer
    Verify(VerifyArgs),
    /// Check whole ledgers: hashes, signatures, certificates, sequences, endorsements; and compare actors
    Audit(AuditArgs),
    /// See who signed statements that contradict each other
    Evidence(EvidenceArgs),
    /// See which collectors there are, when each was heard last, and how it is
    Collectors,
    /// See what damage a peer has found in its own database, and from whom it repaired it
    Incidents(IncidentsArgs),
    /// See how peers are; have actors join and leave
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Change the network together: propose, approve, see what is proposed
    #[command(subcommand)]
    Proposal(ProposalCommand),
    /// Write, test, build, deploy and call chaincode
    #[command(subcommand)]
    Chaincode(ChaincodeCommand),
    /// Issue certificates
    #[command(subcommand)]
    Cert(CertCommand),
    /// Measure throughput, latency, CPU, memory and disk on a private network
    Bench(BenchArgs),
    /// Write a completion script for a shell to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write man pages into a directory
    Man {
        /// The directory; made if it does not exist
        directory: PathBuf,
    },
}
