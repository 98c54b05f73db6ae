//! `e2l chaincode diff`: what changes from one contract to another.

use super::contract::load_contract;
use crate::component_diff::{Change, ComponentDiff};
use crate::error::CliResult;
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use e2l_chaincode_builder::Package;
use std::path::PathBuf;

/// Two contracts.
#[derive(Debug, Clone, clap::Args)]
pub struct DiffArgs {
    /// A component or a package
    old: PathBuf,
    /// Another
    new: PathBuf,
}

/// Compares and prints.
///
/// # Errors
/// A file cannot be read, or is no contract that peers would run.
pub(super) fn diff(args: &DiffArgs, format: Format) -> CliResult<()> {
    let ((old, old_package), (new, new_package)) = (load_contract(&args.old)?, load_contract(&args.new)?);
    let mut diff = ComponentDiff::between(&old, &new)?;
    if let (Some(old), Some(new)) = (old_package, new_package) {
        diff.changes.extend(source_changes(&old, &new));
    }
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
