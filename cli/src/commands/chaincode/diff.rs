//! `e2l chaincode diff`: what changes from one contract to another.

use super::contract::load_contract;
use crate::commands::proposal;
use crate::component::Component;
use crate::component_diff::{Change, ComponentDiff};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use crate::session::Session;
use e2l_chaincode_builder::Package;
use e2l_ledger::governance::{Change as Proposed, GovernanceProposal};
use e2l_ledger::{ChaincodeDefinition, Digest, Domain, Limits, StateKey};
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
    /// Instead: what is active, and what this proposal deploys in its place, each proven to be what the actors have decided on
    #[arg(long, value_name = "PROPOSAL", conflicts_with_all = ["old", "new"])]
    pub(crate) proposal: Option<String>,
}

/// Compares what a proposal deploys with what is active, and prints; limits that it changes too.
///
/// # Errors
/// There is no such proposal, it deploys nothing, or what it deploys is nowhere.
pub async fn diff_proposal(session: &Session, proposal: &str) -> CliResult<()> {
    let id = proposal::resolve(session, proposal).await?;
    let (record, _) = proposal::record(session, &id).await?;
    let config = session.current_config().await?;
    // Said once, with the first contract.
    let mut limits = limit_changes(&config.limits, &record.proposal);
    let mut deploys = false;
    for definition in record.proposal.definitions() {
        deploys = true;
        let mut diff = compare(session, config.chaincode(&definition.name), definition).await?;
        diff.changes.append(&mut limits);
        show(diff, session.format())?;
    }
    if deploys {
        return Ok(());
    }
    Err(CliError::usage(
        format!("proposal {id} deploys no contract"),
        "see `e2l proposal show` for what it changes",
    ))
}

/// Compares what a definition deploys with what is active under its name, if anything is.
async fn compare(
    session: &Session,
    active: Option<&ChaincodeDefinition>,
    proposed: &ChaincodeDefinition,
) -> CliResult<ComponentDiff> {
    let new = component(session, &proposed.digest).await?.ok_or_else(|| {
        CliError::refused(
            format!("the proposed component {} is not on the ledger", proposed.digest),
            "get it from the proposer, and compare files: e2l chaincode diff OLD NEW",
        )
    })?;
    let new = Component::admit(new, "the proposed component")?;
    let Some(active) = active else {
        session.note(&format!(
            "chaincode {} is new: everything is added",
            proposed.name
        ));
        return ComponentDiff::first(&new);
    };
    match component(session, &active.digest).await? {
        Some(old) => ComponentDiff::between(&Component::admit(old, "the active component")?, &new),
        None => ComponentDiff::with_unknown(active, &new),
    }
}

/// A component as the ledger has it, or as an actor's peer on this machine was given it: what came with the genesis is
/// on no ledger. It has the digest either way.
async fn component(session: &Session, digest: &Digest) -> CliResult<Option<Vec<u8>>> {
    let (found, _) = session
        .verifier()?
        .state_value(&StateKey::component(digest))
        .await?;
    Ok(found.or_else(|| beside_the_peer(session, digest)))
}

/// What cannot be read there, or was altered, is as good as missing: others have it too.
fn beside_the_peer(session: &Session, digest: &Digest) -> Option<Vec<u8>> {
    let file = session.chaincode_dir()?.join(format!("{digest}.wasm"));
    let bytes = std::fs::read(file).ok()?;
    (Domain::Chaincode.hash(&bytes) == *digest).then_some(bytes)
}

/// Limits that a proposal changes.
fn limit_changes(now: &Limits, proposal: &GovernanceProposal) -> Vec<Change> {
    let mut changes = proposal.changes.iter().rev();
    let limits = changes.find_map(|proposed| match &proposed.change {
        Proposed::Limits(limits) => Some(limits),
        _ => None,
    });
    let changed = limits.map(|then| proposal::changed_limits(now, then));
    let changed = changed.into_iter().flatten();
    changed
        .map(|(name, now, then)| {
            Change::of("limit", Some(name), Some(now.to_string()), Some(then.to_string()))
        })
        .collect()
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
    if let Some(what) = &diff.not_compared {
        eprintln!("not compared: {what}");
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
