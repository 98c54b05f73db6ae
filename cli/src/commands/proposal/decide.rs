//! Approvals and rejections.

use super::read::{index, record};
use super::show::awaited;
use crate::error::{CliError, CliResult};
use crate::output::{Style, Terminal};
use crate::request::request;
use crate::session::Session;
use e2l_ledger::governance::{Decision, GOVERNANCE, ProposalRecord, ProposalStatus, function};
use e2l_ledger::{Call, Canonical, Digest, ValidationCode};

/// The proposal that an id, or the start of one, names.
pub(crate) async fn resolve(session: &Session, text: &str) -> CliResult<Digest> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let (index, _) = index(session).await?;
    let all = index.open.iter().chain(&index.closed);
    let found: Vec<&Digest> = all.filter(|id| id.to_string().starts_with(text)).collect();
    match found.as_slice() {
        [only] if !text.is_empty() => Ok(**only),
        [] => Err(CliError::refused(
            format!("no proposal's id starts with `{text}`"),
            "name one that `e2l proposal list` shows",
        )),
        _ => Err(CliError::usage(
            format!("the ids of {} proposals start with `{text}`", found.len()),
            "give more digits: `e2l proposal list -o json` shows whole ids",
        )),
    }
}

/// Approves or rejects a proposal, and says what came of it.
pub(crate) async fn decide(session: &Session, id: &Digest, approves: bool) -> CliResult<()> {
    let function = if approves {
        function::APPROVE
    } else {
        function::REJECT
    };
    let call = Call {
        chaincode: GOVERNANCE.to_owned(),
        function: function.to_owned(),
        argument: Decision { proposal: *id }.encode(),
    };
    let word = if approves { "approved" } else { "rejected" };
    conclude(session, id, call, word).await
}

/// Makes a call about a proposal, and says what came of it.
pub(super) async fn conclude(session: &Session, id: &Digest, call: Call, word: &str) -> CliResult<()> {
    let done = request(session, call).await?;
    let code = done.result.code;
    if code != ValidationCode::Valid {
        let why = String::from_utf8_lossy(&done.result.output).into_owned();
        return Err(CliError::refused(
            format!("the ledger refuses, {code}: {}", crate::output::sanitise(&why)),
            code.remedy(),
        ));
    }
    let (record, block) = record(session, id).await?;
    println!("{id}");
    session.note(&format!(
        "{word} at height {}; {}",
        done.block.header.height,
        standing(session, &record, block.header.height)
    ));
    match record.outcome {
        ProposalStatus::Failed { code, why, .. } => Err(CliError::refused(
            format!("the proposal was approved and could not be put in force, {code}: {why}"),
            code.remedy(),
        )),
        _ => Ok(()),
    }
}

fn standing(session: &Session, record: &ProposalRecord, height: u64) -> String {
    let status = record.status_at(height);
    let painted = Terminal::stderr().paint(Style::Bold, &status).to_string();
    match awaited(session, record, height) {
        Some(actors) => format!("the proposal is {painted} and waits for {actors}"),
        None => format!("the proposal is {painted}"),
    }
}
