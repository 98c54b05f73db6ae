//! Builds a contract from the command line, for the Makefile; people use `e2l chaincode build`.

use anyhow::{Context, Result};
use clap::Parser;
use std::io::Write;
use std::path::PathBuf;

/// Builds a contract's source into a component.
#[derive(Parser)]
struct Arguments {
    /// Directory of the contract's crate.
    source: PathBuf,
    /// Where the component goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let built = e2l_chaincode_builder::build(&arguments.source)?;
    let directory = arguments.output.parent().unwrap_or(std::path::Path::new("."));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&built.component)?;
    file.persist(&arguments.output)
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    writeln!(
        std::io::stdout(),
        "{} ({} bytes, digest {})",
        arguments.output.display(),
        built.component.len(),
        built.digest
    )?;
    Ok(())
}
