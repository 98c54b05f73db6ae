//! `e2l cert renew`.

use super::{MadeTable, authority_of};
use crate::error::{CliError, CliResult};
use crate::settings::Settings;
use e2l_identity::{Authority, Validity, addresses_in, read_certificate};
use e2l_ledger::Certificate;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// Certificates that get a successor.
#[derive(Debug, Clone, clap::Args)]
pub struct RenewArgs {
    /// Certificates (PEM files), each with its key beside it under the same name, ending in `.key`
    #[arg(required = true, value_name = "CERTIFICATE")]
    pub certificates: Vec<PathBuf>,
    /// How long they hold, days
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
    pub days: i64,
    /// Directory of the authority that issues them: ca.pem and ca.key [default: actors/NAME/ca of the network]
    #[arg(long, value_name = "DIR")]
    pub authority: Option<PathBuf>,
}

/// Renews each certificate with a new key, in its place.
pub(super) fn run(args: &RenewArgs, settings: &Settings) -> CliResult<()> {
    // All are read before one is replaced.
    let old: Vec<(&PathBuf, Certificate)> = args
        .certificates
        .iter()
        .map(|path| Ok((path, read(path)?)))
        .collect::<CliResult<_>>()?;
    let mut table = MadeTable::default();
    for (path, certificate) in old {
        let actor = &certificate.member().actor;
        let authority = authority_of(settings, actor, args.authority.as_deref())?;
        renew(path, &certificate, &authority, args.days)?;
        table.push(
            certificate.member(),
            path.clone(),
            path.with_extension("key"),
            args.days,
        );
    }
    table.print(settings.format)
}

fn read(path: &Path) -> CliResult<Certificate> {
    let next = "name a member's certificate file (PEM)";
    if path.extension().is_some_and(|ending| ending == "key") {
        return Err(CliError::usage(format!("{} is a key", path.display()), next));
    }
    let der = read_certificate(path).map_err(|error| CliError::usage(error, next))?;
    Certificate::parse(&der).map_err(|error| CliError::usage(format!("{}: {error}", path.display()), next))
}

fn renew(path: &Path, old: &Certificate, authority: &Authority, days: i64) -> CliResult<()> {
    let validity = Validity::days(OffsetDateTime::now_utc(), days);
    authority
        .issue(old.network(), old.member(), validity, &addresses_in(old.der()))
        .and_then(|issued| issued.replace(path, &path.with_extension("key")))
        .map_err(|error| super::refuse(error, path))
}
