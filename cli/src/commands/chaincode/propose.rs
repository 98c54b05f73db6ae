//! `e2l chaincode propose` and `approve`.

use super::contract::load_contract;
use super::{ApproveArgs, ProposeArgs};
use crate::commands::proposal;
use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_ledger::governance::Change;
use e2l_ledger::{ChaincodeDefinition, Digest, Domain};
use std::path::Path;

pub(super) async fn propose(session: &Session, args: &ProposeArgs) -> CliResult<()> {
    let (component, _) = load_contract(&args.component)?;
    let definition = ChaincodeDefinition {
        name: args.name.clone().unwrap_or(component.name),
        version: component.version,
        digest: Domain::Chaincode.hash(&component.bytes),
    };
    session.note(&format!(
        "chaincode {} version {}, digest {}",
        definition.name, definition.version, definition.digest
    ));
    let change = Change::Chaincode(definition);
    proposal::propose(session, vec![change], vec![component.bytes], &args.life).await
}

pub(super) async fn approve(session: &Session, args: &ApproveArgs) -> CliResult<()> {
    let id = proposal::resolve(session, &args.proposal.proposal).await?;
    if let Some(source) = &args.rebuild {
        rebuild(session, &id, source).await?;
    }
    proposal::decide(session, &id, true).await
}

/// Builds the source, which must give the one component that the proposal deploys.
async fn rebuild(session: &Session, id: &Digest, source: &Path) -> CliResult<()> {
    let (record, _) = proposal::record(session, id).await?;
    let mut definitions = record.proposal.definitions();
    let (Some(definition), None) = (definitions.next(), definitions.next()) else {
        return Err(CliError::usage(
            "the proposal does not deploy exactly one contract",
            "approve it without --rebuild, after `e2l proposal show`",
        ));
    };
    session.note(&format!("building {}", source.display()));
    let built = e2l_chaincode_builder::build(source)
        .map_err(|error| CliError::usage(error, "name the directory of the contract's crate"))?;
    let found = built.digest;
    if found == definition.digest {
        session.note(&format!(
            "the source gives the proposed component, digest {found}"
        ));
        return Ok(());
    }
    Err(CliError::refused(
        format!(
            "{} gives a component with digest {found}, proposed is {}: nothing was approved",
            source.display(),
            definition.digest
        ),
        "get the source that was proposed from its author, or reject the proposal",
    ))
}
