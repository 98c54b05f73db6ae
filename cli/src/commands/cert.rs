//! `e2l cert`: authorities, and certificates from them.

mod renew;

pub use renew::RenewArgs;

use crate::commands::proposal::Lifetime;
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use crate::profile::Profile;
use crate::settings::{Place, Settings};
use e2l_identity::{Authority, IdentityError, Validity};
use e2l_ledger::{Member, Role, validate_name};
use serde::Serialize;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// What to do with certificates.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum CertCommand {
    /// Issue a certificate and key with the actor's certificate authority (needs its key, ca/ca.key)
    Issue(IssueArgs),
    /// Give members new certificates with new keys, in the place of those they have
    ///
    /// A daemon that runs on them takes the new ones within seconds, without a pause. The old ones hold until they
    /// expire, or until they are revoked.
    Renew(RenewArgs),
    /// Make a new certificate authority for the actor
    ///
    /// Nobody trusts it before the actors do so together: `e2l proposal create authorities`.
    Authority(AuthorityArgs),
    /// Propose to revoke certificates, signed by the actor's admin: the same as `e2l proposal create revoke`
    Revoke(RevokeArgs),
}

/// A new authority.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthorityArgs {
    /// Directory for ca.pem and ca.key (mode 0600); files that are there are never overwritten
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How long it holds, days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(i64).range(1..=36500))]
    pub days: i64,
}

/// What is revoked.
#[derive(Debug, Clone, clap::Args)]
pub struct RevokeArgs {
    /// Certificates (PEM files), or their digests
    #[arg(required = true, value_name = "CERTIFICATE")]
    pub certificates: Vec<String>,
    #[command(flatten)]
    pub life: Lifetime,
}

/// A new member of an actor.
#[derive(Debug, Clone, clap::Args)]
pub struct IssueArgs {
    /// What its holder may do
    #[arg(long, value_enum)]
    pub role: IssuedRole,
    /// Its name within the actor, also the CommonName
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: String,
    /// How long it holds, days
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
    pub days: i64,
    /// Directory for certificate, key (mode 0600) and genesis; files that are there are never overwritten
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Directory of the authority that issues it: ca.pem and ca.key [default: actors/NAME/ca of the network]
    #[arg(long, value_name = "DIR")]
    pub authority: Option<PathBuf>,
}

/// Roles that can be issued at any time. A peer is part of the configuration that all actors agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum IssuedRole {
    /// Submits events of one engine
    Collector,
    /// Reads
    Client,
    /// Signs calls and governance for its actor
    Admin,
}

impl IssuedRole {
    fn role(self) -> Role {
        match self {
            Self::Collector => Role::Collector,
            Self::Client => Role::Client,
            Self::Admin => Role::Admin,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    validate_name(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

#[derive(Debug, Serialize)]
struct Made {
    member: String,
    certificate: PathBuf,
    key: PathBuf,
    days: i64,
}

/// What was made, as it is printed.
#[derive(Default)]
struct MadeTable(Vec<Made>);

impl MadeTable {
    fn push(&mut self, member: impl ToString, certificate: PathBuf, key: PathBuf, days: i64) {
        self.0.push(Made {
            member: member.to_string(),
            certificate,
            key,
            days,
        });
    }

    /// Prints the only one; as JSON it is not put in a list.
    fn print_one(self, format: Format) -> CliResult<()> {
        self.listed(|listing| listing.print_one(format))
    }

    fn print(self, format: Format) -> CliResult<()> {
        self.listed(|listing| listing.print(format))
    }

    fn listed(self, print: impl FnOnce(&Listing<'_, Made>) -> CliResult<()>) -> CliResult<()> {
        let mut table = Table::new([
            Column::new("MEMBER"),
            Column::new("CERTIFICATE"),
            Column::new("KEY"),
            Column::new("DAYS").right(),
        ]);
        for made in &self.0 {
            table.push(vec![
                Cell::new(&made.member, Style::Bold),
                made.certificate.display().to_string().into(),
                made.key.display().to_string().into(),
                made.days.to_string().into(),
            ]);
        }
        print(&Listing {
            columns: &["member", "certificate", "key", "days"],
            items: &self.0,
            table,
        })
    }
}

/// Runs a command that needs no peer.
///
/// # Errors
/// The authority's key is not here, or the files exist.
pub fn run(command: &CertCommand, settings: &Settings) -> CliResult<()> {
    match command {
        CertCommand::Issue(args) => issue(args, settings),
        CertCommand::Renew(args) => renew::run(args, settings),
        CertCommand::Authority(args) => make_authority(args, settings),
        CertCommand::Revoke(_) => Err(CliError::usage(
            "a revocation is proposed to the network",
            "use `e2l proposal create revoke`",
        )),
    }
}

fn network(settings: &Settings) -> CliResult<&NetworkDir> {
    match &settings.place {
        Place::Network(network) => Ok(network),
        Place::Profile(_) => Err(CliError::usage(
            "a profile holds no certificate authority",
            "use --network DIR, the directory that holds actors/NAME/ca, or name the authority's directory",
        )),
    }
}

/// The authority in a directory, else the one that the actor has in the network's directory.
fn authority_of(settings: &Settings, actor: &str, directory: Option<&Path>) -> CliResult<Authority> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => {
            let network = network(settings)?;
            network.actor_dir(network.actor(Some(actor))?).join("ca")
        }
    };
    Authority::load(actor, &directory).map_err(|error| {
        CliError::usage(
            error,
            "run this where the actor keeps its ca.key; keep that key off other machines",
        )
    })
}

fn make_authority(args: &AuthorityArgs, settings: &Settings) -> CliResult<()> {
    let actor = network(settings)?.actor(settings.actor.as_deref())?;
    let validity = Validity::days(OffsetDateTime::now_utc(), args.days);
    Authority::create(actor, validity)
        .and_then(|authority| authority.save(&args.out))
        .map_err(|error| refuse(error, &args.out))?;
    let mut table = MadeTable::default();
    table.push(
        format!("{actor} authority"),
        args.out.join("ca.pem"),
        args.out.join("ca.key"),
        args.days,
    );
    table.print_one(settings.format)
}

fn issue(args: &IssueArgs, settings: &Settings) -> CliResult<()> {
    let network = network(settings)?;
    let actor = network.actor(settings.actor.as_deref())?;
    let authority = authority_of(settings, actor, args.authority.as_deref())?;
    let role = args.role.role();
    let member = Member {
        actor: actor.to_owned(),
        role,
        name: args.name.clone(),
    };
    let trust_domain = &network.genesis().genesis.config.network;
    let validity = Validity::days(OffsetDateTime::now_utc(), args.days);
    let stem = role.as_str();
    authority
        .issue(trust_domain, &member, validity, &[])
        .and_then(|issued| issued.write(&args.out, stem))
        .map_err(|error| refuse(error, &args.out))?;
    add_context(args, network, actor, role)?;
    let mut table = MadeTable::default();
    let file = |ending: &str| args.out.join(format!("{stem}.{ending}"));
    table.push(&member, file("pem"), file("key"), args.days);
    table.print_one(settings.format)
}

fn refuse(error: IdentityError, out: &Path) -> CliError {
    match error {
        IdentityError::Write { path, source } => CliError::file("write", &path, &source),
        other => CliError::usage(
            other,
            format!(
                "correct it and try again; nothing was written to {}",
                out.display()
            ),
        ),
    }
}

/// What the holder needs besides: the genesis, and for people a profile.
fn add_context(args: &IssueArgs, network: &NetworkDir, actor: &str, role: Role) -> CliResult<()> {
    let from = network.path().join("genesis.json");
    let to = args.out.join("genesis.json");
    if !to.exists() {
        std::fs::copy(&from, &to).map_err(|error| CliError::file("write", &to, &error))?;
    }
    if role == Role::Collector {
        return Ok(());
    }
    let joined = network.joined_peer(actor)?;
    crate::deploy::write_profile(&args.out, actor, role, joined).map(|_: Profile| ())
}
