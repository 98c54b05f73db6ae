//! `e2l chaincode invoke`: calls that change the ledger.

use super::{CallArgs, prepare, shown};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Listing, Style, Table};
use crate::request::request;
use crate::session::Session;
use e2l_ledger::proof::VerifiedTransaction;
use e2l_ledger::{Call, ValidationCode};
use serde::Serialize;

/// What became of a call.
#[derive(Debug, Serialize)]
struct Outcome {
    tx_id: String,
    height: u64,
    index: u32,
    validation_code: &'static str,
    block_time_nano: i64,
    output: String,
    endorsed_by: Vec<String>,
    voters: usize,
}

pub(super) async fn invoke(session: &Session, args: &CallArgs) -> CliResult<()> {
    let (chaincode, argument) = prepare(session, args, "invoke").await?;
    let call = Call {
        chaincode,
        function: args.function.clone(),
        argument,
    };
    conclude(session, &request(session, call).await?)
}

fn conclude(session: &Session, proven: &VerifiedTransaction) -> CliResult<()> {
    let code = proven.result.code;
    let outcome = Outcome {
        tx_id: proven.result.id.to_string(),
        height: proven.block.header.height,
        index: proven.index,
        validation_code: code.as_str(),
        block_time_nano: proven.block.header.time_nano,
        output: shown(&proven.result.output),
        endorsed_by: proven.block.endorsed_by.clone(),
        voters: proven.block.voters,
    };
    print_outcome(session, &outcome)?;
    if code == ValidationCode::Valid {
        return Ok(());
    }
    Err(CliError::refused(
        format!(
            "the transaction is on the ledger as {code}, without effect: {}",
            outcome.output
        ),
        code.remedy(),
    ))
}

fn print_outcome(session: &Session, outcome: &Outcome) -> CliResult<()> {
    let good = outcome.validation_code == ValidationCode::Valid.as_str();
    let mut table = Table::new([
        Column::new("HEIGHT").right(),
        Column::new("INDEX").right(),
        Column::new("CODE"),
        Column::new("ENDORSED"),
        Column::new("OUTPUT").shrink(10),
    ]);
    table.push(vec![
        outcome.height.to_string().into(),
        outcome.index.to_string().into(),
        Cell::new(
            outcome.validation_code,
            if good { Style::Good } else { Style::Bad },
        ),
        format!(
            "{} of {}: {}",
            outcome.endorsed_by.len(),
            outcome.voters,
            outcome.endorsed_by.join(" ")
        )
        .into(),
        (&outcome.output).into(),
    ]);
    let columns = [
        "tx_id",
        "height",
        "index",
        "validation_code",
        "block_time_nano",
        "output",
        "endorsed_by",
        "voters",
    ];
    let listing = Listing {
        columns: &columns,
        items: std::slice::from_ref(outcome),
        table,
    };
    listing.print_one(session.format())
}
