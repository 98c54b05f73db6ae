//! `e2l chaincode build`: a component from a contract's source.

use super::BuildArgs;
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
struct BuiltView {
    component: PathBuf,
    digest: String,
    bytes: usize,
}

/// Builds a component.
///
/// # Errors
/// The source does not compile, or the tools for it are missing.
pub fn build(args: &BuildArgs, format: Format) -> CliResult<()> {
    let made = e2l_chaincode_builder::build(&args.source).map_err(|error| {
        CliError::usage(
            error,
            "correct the source; `make setup` installs what building needs",
        )
    })?;
    if let Some(directory) = args.out.parent() {
        std::fs::create_dir_all(directory).map_err(|error| CliError::file("create", directory, &error))?;
    }
    std::fs::write(&args.out, &made.component).map_err(|error| CliError::file("write", &args.out, &error))?;
    let built = BuiltView {
        component: args.out.clone(),
        digest: made.digest.to_string(),
        bytes: made.component.len(),
    };
    let mut table = Table::new([
        Column::new("COMPONENT"),
        Column::new("BYTES").right(),
        Column::new("DIGEST"),
    ]);
    table.push(vec![
        built.component.display().to_string().into(),
        built.bytes.to_string().into(),
        Cell::new(&built.digest, Style::Accent),
    ]);
    let listing = Listing {
        columns: &["component", "bytes", "digest"],
        items: &[built],
        table,
    };
    listing.print_one(format)
}
