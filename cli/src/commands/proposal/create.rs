//! `e2l proposal create`.

use super::decide::conclude;
use crate::component::engine;
use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_ledger::governance::{Change, GOVERNANCE, GovernanceProposal, ProposedChange, Proposing, function};
use e2l_ledger::{Call, Canonical, Certificate, Digest, Limits, Policy};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Blocks that a proposal can be approved for, unless the user says otherwise.
const LIFETIME: u64 = 10_000;

/// Changes that can be proposed; contracts are proposed with `e2l chaincode propose`.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum CreateCommand {
    /// Change limits
    Limits {
        /// The new value of a limit; the names are those of `limits` in the genesis
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = parse_setting)]
        set: Vec<(String, u64)>,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Revoke certificates: what they signed before stays valid, what they sign later is refused
    Revoke {
        /// Certificates (PEM files), or their digests
        #[arg(required = true, value_name = "CERTIFICATE")]
        certificates: Vec<String>,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Set an actor's certificate authorities
    ///
    /// To rotate one, set the old and the new one together, renew the actor's certificates, and then set the new one
    /// alone: what only the old one has issued is not trusted any more from then on.
    Authorities {
        /// The actor
        of: String,
        /// Certificates of all its authorities (PEM files)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Change how many actors must agree
    Policies {
        /// Endorsements that make a block final: all, majority, or a number of actors
        #[arg(long, value_name = "POLICY", value_parser = parse_policy)]
        finality: Option<Policy>,
        /// Approvals that change contracts and configuration: all, majority, or a number of actors
        #[arg(long, value_name = "POLICY", value_parser = parse_policy, required_unless_present = "finality")]
        lifecycle: Option<Policy>,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Give an actor a vote, as soon as its peer is ready, or take it
    Vote {
        /// The actor
        of: String,
        /// Whether it is to vote
        #[arg(value_enum)]
        votes: Votes,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Change the engine that executes contracts to that of this release
    ///
    /// Peers of a release with another engine stop at the height at which it comes into force: install this one there
    /// first. Blocks below are executed again by the release that executed them.
    Engine {
        #[command(flatten)]
        life: Lifetime,
    },
    /// Set which executables collectors may have; with none named, any
    ///
    /// A collector's batches name the BLAKE3 of its executable (`b3sum $(which e2l-collector)`); from then on peers take those
    /// alone that name one of the list. It is an honest host's word: whoever owns a host can make it say anything.
    Executables {
        /// Executables (files), or their digests: all that are allowed from then on
        #[arg(value_name = "EXECUTABLE")]
        executables: Vec<String>,
        #[command(flatten)]
        life: Lifetime,
    },
    /// End a contract; its state stays on the ledger
    RemoveChaincode {
        /// Its name
        name: String,
        #[command(flatten)]
        life: Lifetime,
    },
}

/// How long a proposal is open, and why it is made.
#[derive(Debug, Clone, clap::Args)]
pub struct Lifetime {
    /// Blocks after which it can no longer be approved
    #[arg(long, value_name = "BLOCKS", default_value_t = LIFETIME)]
    pub expires_in: u64,
    /// Why, for those who are asked to approve
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

/// Whether an actor is to vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Votes {
    /// It gets a vote
    Yes,
    /// It loses its vote
    No,
}

/// Reads a policy.
///
/// # Errors
/// It is none of the words, and no number that actors can be counted by.
pub(crate) fn parse_policy(text: &str) -> Result<Policy, String> {
    match text {
        "all" => Ok(Policy::All),
        "majority" => Ok(Policy::Majority),
        _ => {
            let count = text.parse().ok().filter(|count| *count > 0);
            let count = count.ok_or("it must be all, majority, or a number of actors from 1 on")?;
            Ok(Policy::AtLeast(count))
        }
    }
}

fn parse_setting(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = value.replace('_', "");
    let value = value
        .parse()
        .map_err(|_| format!("`{value}` is not a whole number"))?;
    Ok((name.to_owned(), value))
}

pub(super) async fn run(session: &Session, command: &CreateCommand) -> CliResult<()> {
    let config = session.current_config().await?;
    let (change, life) = match command {
        CreateCommand::Limits { set, life } => (Change::Limits(with_settings(&config.limits, set)?), life),
        CreateCommand::Revoke { certificates, life } => (Change::Revoke(digests(certificates)?), life),
        CreateCommand::Authorities { of, files, life } => {
            let authorities = files
                .iter()
                .map(|file| authority(file))
                .collect::<CliResult<_>>()?;
            let actor = of.clone();
            (Change::Authorities { actor, authorities }, life)
        }
        CreateCommand::Policies {
            finality,
            lifecycle,
            life,
        } => {
            let (finality, lifecycle) = (
                finality.unwrap_or(config.finality),
                lifecycle.unwrap_or(config.lifecycle),
            );
            (Change::Policies { finality, lifecycle }, life)
        }
        CreateCommand::Vote { of, votes, life } => {
            let (actor, votes) = (of.clone(), *votes == Votes::Yes);
            (Change::Vote { actor, votes }, life)
        }
        CreateCommand::Engine { life } => (Change::Engine(engine()), life),
        CreateCommand::Executables { executables, life } => {
            let executables = executables.iter().map(|text| executable(text));
            (Change::Executables(executables.collect::<CliResult<_>>()?), life)
        }
        CreateCommand::RemoveChaincode { name, life } => (Change::RemoveChaincode(name.clone()), life),
    };
    propose(session, vec![change], Vec::new(), life).await
}

/// Proposes changes of the configuration that is in force, and prints the proposal's id.
pub(crate) async fn propose(
    session: &Session,
    changes: Vec<Change>,
    components: Vec<Vec<u8>>,
    life: &Lifetime,
) -> CliResult<()> {
    let config = session.current_config().await?;
    let height = session.status().await?.final_height;
    let changes = changes
        .into_iter()
        .map(|change| ProposedChange::of(&config, change));
    let proposal = GovernanceProposal {
        changes: changes.collect(),
        expires_at: height.saturating_add(life.expires_in.max(1)),
        note: life.note.clone(),
    };
    proposal
        .check_form()
        .map_err(|why| CliError::usage(why, "shorten it, or make several proposals"))?;
    // The ledger decides; this only says so before anything is sent.
    proposal
        .apply(&config)
        .map_err(|why| CliError::usage(why, "correct the proposal"))?;
    let id = proposal.id();
    let call = Call {
        chaincode: GOVERNANCE.to_owned(),
        function: function::PROPOSE.to_owned(),
        argument: Proposing { proposal, components }.encode(),
    };
    conclude(session, &id, call, "proposed").await
}

fn with_settings(limits: &Limits, set: &[(String, u64)]) -> CliResult<Limits> {
    let wrong = |why: String| CliError::usage(why, "`e2l proposal create limits --help`");
    let mut fields = serde_json::to_value(limits).map_err(|error| wrong(error.to_string()))?;
    for (name, value) in set {
        match fields.get_mut(name) {
            Some(field) => *field = (*value).into(),
            None => {
                let known = fields
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.as_str());
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(CliError::usage(
                    format!("`{name}` is not a limit"),
                    format!("name one of: {known}"),
                ));
            }
        }
    }
    serde_json::from_value(fields).map_err(|error| wrong(error.to_string()))
}

fn digests(named: &[String]) -> CliResult<BTreeSet<Digest>> {
    named.iter().map(|text| digest(text)).collect()
}

fn digest(text: &str) -> CliResult<Digest> {
    if let Ok(digest) = text.parse() {
        return Ok(digest);
    }
    let certificate = Certificate::parse(&authority(Path::new(text))?);
    let certificate = certificate.map_err(|error| {
        CliError::usage(
            format!("{text} is not a member's certificate: {error}"),
            "name a certificate file (PEM), or the digest of one",
        )
    })?;
    Ok(certificate.digest())
}

/// A program's digest, as `b3sum` prints it.
#[expect(
    clippy::disallowed_methods,
    reason = "a file's digest that other tools know has no domain"
)]
fn executable(text: &str) -> CliResult<Digest> {
    if let Ok(digest) = text.parse() {
        return Ok(digest);
    }
    let mut hasher = blake3::Hasher::new();
    std::fs::File::open(text)
        .and_then(|file| hasher.update_reader(file).map(|_| ()))
        .map_err(|error| {
            CliError::usage(
                format!("{text} is not an executable that can be read: {error}"),
                "name a file, or the digest that `b3sum` prints of it",
            )
        })?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// DER bytes of a certificate file.
fn authority(path: &Path) -> CliResult<Vec<u8>> {
    e2l_identity::read_certificate(path)
        .map_err(|error| CliError::usage(error, "name a certificate file (PEM)"))
}
