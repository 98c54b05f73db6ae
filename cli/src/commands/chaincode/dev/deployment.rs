//! A contract comes to a development network as to any other: one actor proposes it, the others approve. Each does so in a
//! process of its own, which reads that actor's key alone.

use super::place::DevPlace;
use super::report::Report;
use crate::actor_process::chaincode_as;
use crate::commands::chaincode::contract::write_file;
use crate::commands::proposal::record;
use crate::component::Component;
use crate::error::{CliError, CliResult};
use e2l_ledger::Digest;
use e2l_ledger::governance::{ProposalRecord, ProposalStatus};
use std::ffi::OsStr;
use std::time::Duration;

/// Blocks that a proposal of the loop can be approved for: what is left behind by accident soon counts no more.
const LIFETIME: &str = "1000";

/// How often the loop looks whether a contract is prepared.
const RECHECK: Duration = Duration::from_millis(100);

/// What has come into force.
pub(super) struct Deployed {
    pub proposal: Digest,
    /// First height that it is executed at.
    pub from_height: u64,
}

/// Has all actors put a component in force under a name.
///
/// # Errors
/// The ledger refuses, its preparation or migration fails, or no peer answers; what was proposed is withdrawn then.
pub(super) async fn deploy(
    place: &DevPlace,
    component: &Component,
    name: &str,
    report: &Report,
) -> CliResult<Deployed> {
    let config = place.session.current_config().await?;
    let actors = place.actors(&config);
    let Some((proposer, others)) = actors.split_first() else {
        return Err(CliError::usage("no actor votes", "name another network"));
    };
    let id = propose(place, component, name, proposer).await?;
    report.line("proposed", &format!("by {proposer}: {id}"));
    match approve(place, &id, others).await {
        Ok(approved) => {
            if !approved.is_empty() {
                report.line("approved", &format!("by {}", approved.join(", ")));
            }
            in_force(&id, &prepared(place, &id, report).await?)
        }
        Err(error) => {
            withdraw(place, &id, others).await;
            Err(error)
        }
    }
}

async fn propose(place: &DevPlace, component: &Component, name: &str, actor: &str) -> CliResult<Digest> {
    let directory = tempfile::tempdir().map_err(|error| {
        let temporary = std::env::temp_dir();
        CliError::file("write to", &temporary, &error)
    })?;
    let file = directory.path().join("component.wasm");
    write_file(&file, &component.bytes)?;
    let arguments: [&OsStr; 8] = [
        "propose".as_ref(),
        file.as_ref(),
        "--name".as_ref(),
        name.as_ref(),
        "--note".as_ref(),
        "e2l chaincode dev".as_ref(),
        "--expires-in".as_ref(),
        LIFETIME.as_ref(),
    ];
    let said = chaincode_as(place.directory(), actor, &arguments).await?;
    said.parse().map_err(|_| {
        CliError::usage(
            format!("`e2l chaincode propose` answers with `{said}`, which is no proposal's id"),
            "report this as a defect",
        )
    })
}

/// Has actors approve until nothing more is needed; returns those that have.
async fn approve<'a>(place: &DevPlace, id: &Digest, others: &'a [String]) -> CliResult<Vec<&'a str>> {
    let mut approved = Vec::new();
    for actor in others {
        if !is_open(place, id).await? {
            break;
        }
        decide(place, id, actor, "approve").await?;
        approved.push(actor.as_str());
    }
    Ok(approved)
}

async fn decide(place: &DevPlace, id: &Digest, actor: &str, word: &str) -> CliResult<()> {
    let id = id.to_string();
    let arguments: [&OsStr; 2] = [word.as_ref(), id.as_ref()];
    chaincode_as(place.directory(), actor, &arguments).await.map(drop)
}

async fn is_open(place: &DevPlace, id: &Digest) -> CliResult<bool> {
    let (record, block) = record(&place.session, id).await?;
    Ok(record.is_open(block.header.height))
}

/// Closes a proposal that came to nothing, as far as that is possible: an actor may have only eight open ones.
async fn withdraw(place: &DevPlace, id: &Digest, others: &[String]) {
    for actor in others {
        if !is_open(place, id).await.unwrap_or(false) {
            return;
        }
        // One that has approved cannot reject any more; the next one may.
        let _ = decide(place, id, actor, "reject").await;
    }
}

/// The proposal's record when its contract is no longer being prepared.
async fn prepared(place: &DevPlace, id: &Digest, report: &Report) -> CliResult<ProposalRecord> {
    let mut told = false;
    loop {
        let (record, block) = record(&place.session, id).await?;
        if !matches!(record.outcome, ProposalStatus::Preparing { .. }) {
            return Ok(record);
        }
        if !std::mem::replace(&mut told, true) {
            report.line("prepares", &record.status_at(block.header.height));
        }
        tokio::time::sleep(RECHECK).await;
    }
}

fn in_force(id: &Digest, record: &ProposalRecord) -> CliResult<Deployed> {
    match &record.outcome {
        ProposalStatus::Active { from_height } => Ok(Deployed {
            proposal: *id,
            from_height: *from_height,
        }),
        ProposalStatus::Failed { code, why, .. } => Err(CliError::refused(
            format!("the proposal was approved and could not be put in force, {code}: {why}"),
            code.remedy(),
        )),
        _ => Err(CliError::refused(
            format!(
                "the proposal {id} is {}",
                record.status_at(record.proposal.expires_at)
            ),
            format!("see `e2l proposal show {id}`"),
        )),
    }
}
