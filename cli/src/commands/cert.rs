//! `e2l cert issue`: certificates from an actor's own authority.

use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Listing, Style, Table};
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

/// Runs the command.
///
/// # Errors
/// The authority's key is not here, or the files exist.
pub fn run(command: &CertCommand, settings: &Settings) -> CliResult<()> {
    let CertCommand::Issue(args) = command;
    let Place::Network(network) = &settings.place else {
        return Err(CliError::usage(
            "a profile holds no certificate authority",
            "use --network DIR, the directory that holds actors/NAME/ca",
        ));
    };
    let actor = network.actor(settings.actor.as_deref())?;
    let authority = Authority::load(actor, &network.actor_dir(actor).join("ca")).map_err(|error| {
        CliError::usage(
            error,
            "run this where the actor keeps its ca.key; keep that key off other machines",
        )
    })?;
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
    add_context(args, network.path(), actor, role)?;
    print(settings, &member, args, stem)
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
fn add_context(args: &IssueArgs, network: &Path, actor: &str, role: Role) -> CliResult<()> {
    let (from, to) = (network.join("genesis.json"), args.out.join("genesis.json"));
    if !to.exists() {
        std::fs::copy(&from, &to).map_err(|error| CliError::file("write", &to, &error))?;
    }
    if role == Role::Collector {
        return Ok(());
    }
    crate::deploy::write_profile(&args.out, actor, role).map(|_: Profile| ())
}

fn print(settings: &Settings, member: &Member, args: &IssueArgs, stem: &str) -> CliResult<()> {
    let made = Made {
        member: member.to_string(),
        certificate: args.out.join(format!("{stem}.pem")),
        key: args.out.join(format!("{stem}.key")),
        days: args.days,
    };
    let mut table = Table::new([
        Column::new("MEMBER"),
        Column::new("CERTIFICATE"),
        Column::new("KEY"),
        Column::new("DAYS").right(),
    ]);
    table.push(vec![
        Cell::new(&made.member, Style::Bold),
        made.certificate.display().to_string().into(),
        made.key.display().to_string().into(),
        made.days.to_string().into(),
    ]);
    let listing = Listing {
        columns: &["member", "certificate", "key", "days"],
        items: &[made],
        table,
    };
    listing.print_one(settings.format)
}
