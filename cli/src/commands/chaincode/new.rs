//! `e2l chaincode new`: the crate of a new contract.

use crate::error::{CliError, CliResult};
use e2l_chaincode_builder::{ScaffoldError, scaffold};
use std::io::Write;
use std::path::PathBuf;

/// A contract to be.
#[derive(Debug, Clone, clap::Args)]
pub struct NewArgs {
    /// The contract's name: lower-case letters, digits and hyphens
    name: String,
    /// The crate's directory, new or empty [default: NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the crate.
///
/// # Errors
/// The name cannot be used, something is in the directory, or a file cannot be written.
pub(super) fn new(args: &NewArgs) -> CliResult<()> {
    let directory = args.dir.clone().unwrap_or_else(|| (&args.name).into());
    let files = scaffold(&args.name, &directory).map_err(|error| match error {
        ScaffoldError::Write { path, source } => CliError::file("write", &path, &source),
        ScaffoldError::NotEmpty(_) => CliError::usage(error, "name another directory with --dir"),
        _ => CliError::usage(error, "choose another name, such as `counter`"),
    })?;
    let mut out = std::io::stdout().lock();
    for file in files {
        writeln!(out, "{}", directory.join(file).display())?;
    }
    eprintln!("next: cd {} && e2l chaincode test", directory.display());
    Ok(())
}
