//! `e2l chaincode build`: a component from a contract's source.

use super::contract::{SourceArgs, build_contract, function_names, out_path, write_file};
use crate::error::CliResult;
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use serde::Serialize;
use std::path::PathBuf;

/// A build.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The component to write [default: target/chaincode/NAME.wasm]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct BuiltView {
    component: PathBuf,
    name: String,
    version: String,
    functions: Vec<String>,
    bytes: usize,
    digest: String,
}

/// Builds a component.
///
/// # Errors
/// The source does not compile, the tools for it are missing, or peers would refuse the component.
pub(super) fn build(args: &BuildArgs, format: Format) -> CliResult<()> {
    let made = build_contract(&args.source.directory(), None)?.component;
    let out = out_path(args.out.as_deref(), &made.name, &made.name, "wasm")?;
    write_file(&out, &made.bytes)?;
    let view = BuiltView {
        component: out,
        name: made.name.clone(),
        version: made.version.clone(),
        functions: made
            .functions
            .iter()
            .map(|function| function.name.clone())
            .collect(),
        bytes: made.bytes.len(),
        digest: made.digest.to_string(),
    };
    let mut table = Table::new([
        Column::new("COMPONENT"),
        Column::new("NAME"),
        Column::new("VERSION"),
        Column::new("FUNCTIONS").shrink(12),
        Column::new("BYTES").right(),
        Column::new("DIGEST"),
    ]);
    table.push(vec![
        view.component.display().to_string().into(),
        Cell::new(&view.name, Style::Bold),
        (&view.version).into(),
        function_names(&made).into(),
        view.bytes.to_string().into(),
        Cell::new(&view.digest, Style::Accent),
    ]);
    let listing = Listing {
        columns: &["component", "name", "version", "functions", "bytes", "digest"],
        items: &[view],
        table,
    };
    listing.print_one(format)
}
