//! `e2l chaincode diff`: what changes from one contract to another.

use super::contract::load_contract;
use crate::commands::proposal;
use crate::component_diff::{Change, ComponentDiff};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use crate::session::Session;
use e2l_chaincode_builder::Package;
use e2l_ledger::{Digest, StateKey};
use std::path::PathBuf;

/// Two contracts.
#[derive(Debug, Clone, clap::Args)]
pub struct DiffArgs {
    /// A component or a package
    #[arg(required_unless_present = "proposal")]
    old: Option<PathBuf>,
    /// Another
    #[arg(required_unless_present = "proposal")]
    new: Option<PathBuf>,
    /// Instead: what is active, and what this proposal deploys in its place, each proven to be what the ledger has
    #[arg(long, value_name = "PROPOSAL", conflicts_with_all = ["old", "new"])]
    pub(crate) proposal: Option<String>,
}

/// Compares what a proposal deploys with what is active, and prints.
///
/// # Errors
/// There is no such proposal, it deploys nothing, or a component is not on the ledger.
pub async fn diff_proposal(session: &Session, proposal: &str) -> CliResult<()> {
    let id = proposal::resolve(session, proposal).await?;
    let (record, _) = proposal::record(session, &id).await?;
    let config = session.current_config().await?;
    let mut deploys = false;
    for definition in record.proposal.definitions() {
        deploys = true;
        let new = component(session, &definition.digest).await?;
        let Some(active) = config.chaincode(&definition.name) else {
            return Err(CliError::usage(
                format!(
                    "chaincode {} is new: there is nothing to compare it with",
                    definition.name
                ),
                "see `e2l proposal show`, and build its source with `e2l chaincode approve --rebuild`",
            ));
        };
        let old = component(session, &active.digest).await?;
        show(ComponentDiff::of_bytes(&old, &new)?, session.format())?;
    }
    if deploys {
        return Ok(());
    }
    Err(CliError::usage(
        format!("proposal {id} deploys no contract"),
        "see `e2l proposal show` for what it changes",
    ))
}

/// A component as the ledger has it.
async fn component(session: &Session, digest: &Digest) -> CliResult<Vec<u8>> {
    let found = session
        .verifier()?
        .state_value(&StateKey::component(digest))
        .await?;
    found.0.ok_or_else(|| {
        CliError::refused(
            format!("the component {digest} is not on the ledger: it came with the genesis"),
            "compare files: e2l chaincode diff OLD NEW",
        )
    })
}

/// Compares and prints.
///
/// # Errors
/// A file cannot be read, or is no contract that peers would run.
pub(super) fn diff(args: &DiffArgs, format: Format) -> CliResult<()> {
    let (Some(old), Some(new)) = (&args.old, &args.new) else {
        return Err(CliError::usage(
            "two contracts are compared",
            "name two files, or --proposal",
        ));
    };
    let ((old, old_package), (new, new_package)) = (load_contract(old)?, load_contract(new)?);
    let mut diff = ComponentDiff::between(&old, &new)?;
    if let (Some(old), Some(new)) = (old_package, new_package) {
        diff.changes.extend(source_changes(&old, &new));
    }
    show(diff, format)
}

fn show(diff: ComponentDiff, format: Format) -> CliResult<()> {
    if format == Format::Table && diff.changes.is_empty() {
        eprintln!("the same: digest {}", diff.new.digest);
        return Ok(());
    }
    let table = table(&diff);
    let columns = ["what", "name", "change", "old", "new"];
    if format == Format::Json {
        let listing = Listing {
            columns: &columns,
            items: &[diff],
            table,
        };
        return listing.print_one(format);
    }
    let listing = Listing {
        columns: &columns,
        items: &diff.changes,
        table,
    };
    listing.print(format)
}

/// What a person sees: one line a change.
fn table(diff: &ComponentDiff) -> Table {
    let mut table = Table::new([
        Column::new("WHAT"),
        Column::new("CHANGE"),
        Column::new("OLD").shrink(12),
        Column::new("NEW").shrink(12),
    ]);
    for change in &diff.changes {
        let style = match change.change {
            "added" => Style::Good,
            "removed" => Style::Bad,
            _ => Style::Warn,
        };
        let what = match &change.name {
            Some(name) => format!("{} {name}", change.what),
            None => change.what.to_owned(),
        };
        table.push(vec![
            Cell::new(what, Style::Bold),
            Cell::new(change.change, style),
            change.old.as_deref().unwrap_or_default().into(),
            change.new.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

/// Files of the source, with their sizes.
fn source_changes(old: &Package, new: &Package) -> Vec<Change> {
    let (old, new) = (old.source.files(), new.source.files());
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let size = |content: &Vec<u8>| format!("{} bytes", content.len());
    let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    changed
        .map(|path| {
            Change::of(
                "source",
                Some(path.clone()),
                old.get(path).map(size),
                new.get(path).map(size),
            )
        })
        .collect()
}
