//! `e2l proposal show`.

use super::read::record;
use crate::error::CliResult;
use crate::output::{Format, sanitise};
use crate::session::Session;
use e2l_ledger::governance::{Change, ProposalRecord, ProposalStatus};
use e2l_ledger::{Digest, Limits};
use serde_json::{Value, json};
use std::io::Write;

/// Actors that have still to decide, `None` if nothing waits for them.
pub(crate) fn awaited(session: &Session, record: &ProposalRecord, height: u64) -> Option<String> {
    let config = session.config();
    let actors: Vec<&str> = record.undecided(&config).collect();
    (record.is_open(height) && !actors.is_empty()).then(|| actors.join(", "))
}

/// A proposal as JSON.
pub(super) fn view(session: &Session, id: &Digest, record: &ProposalRecord, height: u64) -> Value {
    let decided = |approves: bool| {
        let of = record.votes.iter().filter(|(_, vote)| vote.approves == approves);
        of.map(|(actor, _)| actor.clone()).collect::<Vec<_>>()
    };
    let config = session.config();
    let awaits: Vec<&str> = match record.is_open(height) {
        true => record.undecided(&config).collect(),
        false => Vec::new(),
    };
    json!({
        "id": id,
        "status": record.status_at(height),
        "changes": record.proposal.changes,
        "proposer": record.proposer.to_string(),
        "approved_by": decided(true),
        "rejected_by": decided(false),
        "awaits": awaits,
        "expires_at": record.proposal.expires_at,
        "note": record.proposal.note,
        "votes": record.votes,
        "outcome": record.outcome,
    })
}

/// Shows one proposal.
pub(crate) async fn show(session: &Session, id: &Digest) -> CliResult<()> {
    let (record, block) = record(session, id).await?;
    session.current_config().await?;
    let height = block.header.height;
    let mut out = std::io::stdout().lock();
    if session.format() != Format::Table {
        writeln!(out, "{}", view(session, id, &record, height))?;
        return Ok(());
    }
    writeln!(out, "proposal      {id}")?;
    writeln!(out, "proposed by   {}", record.proposer)?;
    writeln!(out, "status        {}", record.status_at(height))?;
    if let ProposalStatus::Failed { code, why, .. } = &record.outcome {
        writeln!(out, "              {code}: {}", sanitise(why))?;
    }
    if !record.proposal.note.is_empty() {
        writeln!(out, "note          {}", sanitise(&record.proposal.note))?;
    }
    writeln!(out, "expires       after height {}", record.proposal.expires_at)?;
    for proposed in &record.proposal.changes {
        writeln!(out, "change        {}", sanitise(&proposed.change.to_string()))?;
        for line in details(session, &proposed.change, record.is_open(height)) {
            writeln!(out, "              {}", sanitise(&line))?;
        }
    }
    for (actor, vote) in &record.votes {
        let word = if vote.approves { "approved" } else { "rejected" };
        writeln!(
            out,
            "{word:<13} {actor}, signed by {} at height {} (transaction {})",
            vote.member,
            vote.height,
            vote.transaction.short()
        )?;
    }
    if let Some(actors) = awaited(session, &record, height) {
        writeln!(out, "waits for     {actors}")?;
    }
    session.note(&format!("as of height {height}, proven against the genesis"));
    Ok(())
}

/// What a change says beyond its name; compared with what is in force, if it can still come into force.
fn details(session: &Session, change: &Change, open: bool) -> Vec<String> {
    let config = session.config();
    match change {
        Change::Chaincode(definition) => {
            let now = config.chaincode(&definition.name);
            let mut lines = vec![format!("digest {}", definition.digest)];
            if let Some(now) = now.filter(|now| open && now.digest != definition.digest) {
                lines.push(format!(
                    "instead of version {} ({})",
                    now.version,
                    now.digest.short()
                ));
            }
            lines
        }
        Change::Limits(limits) if open => changed_limits(&config.limits, limits)
            .into_iter()
            .map(|(name, now, then)| format!("{name}: {now} becomes {then}"))
            .collect(),
        Change::Executables(executables) => executables.iter().map(Digest::to_string).collect(),
        Change::Revoke(certificates) => certificates.iter().map(Digest::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Limits that differ: name, value now, value then.
pub(crate) fn changed_limits(now: &Limits, then: &Limits) -> Vec<(String, Value, Value)> {
    let fields = |limits: &Limits| serde_json::to_value(limits).unwrap_or_default();
    let (now, then) = (fields(now), fields(then));
    let fields = now.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| then[*name] != **value)
        .map(|(name, value)| (name.clone(), value.clone(), then[name].clone()))
        .collect()
}
