//! `e2l chaincode query`: calls that read.

use super::{QueryArgs, prepare, shown};
use crate::error::{CliError, CliResult};
use crate::output::{Format, stamp};
use crate::session::Session;
use e2l_client::{AgreementError, Said};

pub(super) async fn query(session: &Session, args: &QueryArgs) -> CliResult<()> {
    let (chaincode, argument) = prepare(session, &args.call, "query").await?;
    let function = &args.call.function;
    if args.no_verify {
        let reply = session
            .client()
            .query(&chaincode, function, argument.into())
            .await?;
        print_output(&reply.output, session.format())?;
        session.note(&format!(
            "as of height {}, {} UTC; one peer's word, not verified",
            reply.height,
            stamp(reply.time_nano)
        ));
        return Ok(());
    }
    let (voters, policy) = (session.voters(), session.config().finality);
    let required = policy.required(voters);
    let agreed = session
        .client()
        .query_agreed(required, &chaincode, function, argument.into())
        .await
        .map_err(disagreement)?;
    print_output(&agreed.output, session.format())?;
    session.note(&format!(
        "as of height {}, {} UTC, agreed by {} ({} of {voters} actors); not proven against the genesis",
        agreed.height,
        stamp(agreed.time_nano),
        agreed.actors.join(", "),
        agreed.actors.len()
    ));
    Ok(())
}

fn disagreement(error: AgreementError) -> CliError {
    let what = error.to_string();
    match error {
        AgreementError::Refused(error) => error.into(),
        AgreementError::Differ(said) => {
            let lines: String = said
                .iter()
                .map(|said| format!("\n       {}", statement(said)))
                .collect();
            CliError::refused(
                format!("{what}:{lines}"),
                "rely on neither before `e2l audit` has compared their ledgers; `e2l incidents` lists what a peer has \
                 found of itself",
            )
        }
        AgreementError::TooFew { .. } | AgreementError::Apart(_) => CliError::not_proven(
            what,
            "run it again when more peers answer (`e2l peer status --all`), or take one peer's word with --no-verify",
        ),
    }
}

/// Characters of an answer that are shown where answers differ.
const EXCERPT: usize = 160;

/// Who says what.
fn statement(said: &Said) -> String {
    let words = match &said.answer {
        Ok(reply) => {
            let text = shown(&reply.output);
            let start: String = text.chars().take(EXCERPT).collect();
            let more = if start.len() < text.len() { " ..." } else { "" };
            let header = hex::encode(&reply.header);
            format!(
                "says, as of height {} (block {}), in {} bytes: {start}{more}",
                reply.height,
                header.get(..12).unwrap_or(&header),
                reply.output.len()
            )
        }
        Err(words) => format!("refuses: {words}"),
    };
    crate::output::sanitise(&format!("{} {words}", said.actor)).into_owned()
}

/// JSON is shown as JSON, other text as it is, other bytes in hexadecimal.
fn print_output(output: &[u8], format: Format) -> CliResult<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let parsed: Option<serde_json::Value> = serde_json::from_slice(output).ok();
    let text = match (parsed, format) {
        (Some(value), Format::Table | Format::Json) => format!("{value:#}"),
        (Some(value), _) => value.to_string(),
        (None, _) => shown(output),
    };
    Ok(writeln!(out, "{text}")?)
}
