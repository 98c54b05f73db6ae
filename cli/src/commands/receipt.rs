//! `e2l receipt`: proof of one transaction.

use crate::error::{CliError, CliResult};
use crate::output::{Format, stamp};
use crate::proof_file::ProofFile;
use crate::session::Session;
use e2l_client::{ClientError, VerifyError};
use e2l_ledger::Digest;
use std::io::Write;
use std::path::PathBuf;

/// Which transaction.
#[derive(Debug, Clone, clap::Args)]
pub struct ReceiptArgs {
    /// Id of the transaction, as `e2l events` and `e2l history` show it
    #[arg(value_name = "TX_ID")]
    pub id: Digest,
    /// Write the receipt to this file, for `e2l verify`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// The peer knows no such final transaction, which is no proof that there is none; or what it sends does not prove it.
pub async fn run(session: &Session, args: &ReceiptArgs) -> CliResult<()> {
    let received = session.verifier()?.receipt(&args.id).await;
    let (receipt, proven) = received.map_err(|error| not_received(&args.id, error))?;
    let file = ProofFile::of_receipt(session.network(), &receipt, &proven).resting_on(session.anchor());
    if let Some(path) = &args.out {
        file.write(path)?;
        session.note(&format!(
            "the receipt is in {}: check it anywhere with `e2l verify {} --genesis genesis.json`",
            path.display(),
            path.display()
        ));
    }
    let mut out = std::io::stdout().lock();
    if session.format() == Format::Table {
        let block = &proven.block;
        let what = match &proven.call {
            Some(call) => format!("{}.{}", call.chaincode, call.function),
            None => "a statement refused as a whole".to_owned(),
        };
        writeln!(out, "transaction   {}", proven.result.id)?;
        writeln!(out, "what          {what}: {}", proven.result.code)?;
        match &proven.call {
            Some(_) => writeln!(out, "signed by     {}", proven.sender)?,
            // A bad signature may be why it was refused: nobody is to be accused of it.
            None => writeln!(out, "claims to be  from {}; not checked", proven.sender)?,
        }
        writeln!(
            out,
            "where         height {}, index {}, {} UTC",
            block.header.height,
            proven.index,
            stamp(block.header.time_nano)
        )?;
        writeln!(
            out,
            "endorsed by   {} ({} of {})",
            block.endorsed_by.join(", "),
            block.endorsed_by.len(),
            block.voters
        )?;
        session.note("verified against the genesis");
        return Ok(());
    }
    let text =
        serde_json::to_string(&file).map_err(|error| CliError::usage(error, "report this as a defect"))?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// No root commits to which transactions there are not: that a peer finds none is its word, and its index may lack it.
fn not_received(id: &Digest, error: VerifyError) -> CliError {
    match error {
        VerifyError::Client(ClientError::NotFound { address, .. }) => CliError::not_proven(
            format!(
                "the peer at {address} says that no final transaction has the id {id}; that is not proven"
            ),
            "ask another actor's peer with --actor NAME; `e2l events` reads every block, and verifies it",
        ),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_peer_finds_nothing_proves_nothing() {
        let answer = ClientError::NotFound {
            address: "a:1".to_owned(),
            message: "it knows none".to_owned(),
        };
        let error = not_received(&Digest::ZERO, answer.into());
        assert_eq!(error.exit(), crate::Exit::NotProven);
        assert!(
            error.to_string().contains("says that no final transaction"),
            "{error}"
        );
    }
}
