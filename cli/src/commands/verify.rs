//! `e2l verify`: proofs checked with no network and no peer.

use crate::error::{CliError, CliResult};
use crate::network_dir::read_genesis;
use crate::output::Format;
use crate::proof_file::{FileError, ProofFile, ProofKind};
use e2l_ledger::proof::Anchor;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

/// Longest file that is read, bytes.
const MAX_FILE: u64 = 256 << 20;

/// What is checked, and against what.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// File with a receipt, a history, evidence or a checkpoint
    pub file: PathBuf,
    /// The network's genesis: all that is trusted
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Exit 1 when the proof is false, 2 when a file cannot be read, 3 when it lacks what is needed to decide.
pub fn run(args: &VerifyArgs, format: Format) -> CliResult<()> {
    let anchor = Anchor::new(&read_genesis(&args.genesis)?).map_err(|error| {
        CliError::usage(
            format!("{} cannot be trusted: {error}", args.genesis.display()),
            "get the genesis that all actors have signed",
        )
    })?;
    let file = read(args)?;
    file.verify(&anchor).map_err(|error| judge(args, error))?;
    let mut out = std::io::stdout().lock();
    if format == Format::Table {
        writeln!(out, "valid: {}", sentence(&file))?;
    } else {
        let verdict = serde_json::json!({ "valid": true, "kind": file.kind, "claim": file.claim });
        writeln!(out, "{verdict}")?;
    }
    Ok(())
}

fn read(args: &VerifyArgs) -> CliResult<ProofFile> {
    let path = &args.file;
    let length = std::fs::metadata(path)
        .map_err(|error| CliError::file("read", path, &error))?
        .len();
    if length > MAX_FILE {
        return Err(CliError::usage(
            format!(
                "{} has {length} bytes, at most {MAX_FILE} are read",
                path.display()
            ),
            "name a file that `e2l receipt` or `e2l history --out` has written",
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file("read", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::usage(
            format!("{} is not a proof file: {error}", path.display()),
            "name a file that `e2l receipt` or `e2l history --out` has written",
        )
    })
}

fn judge(args: &VerifyArgs, error: FileError) -> CliError {
    let name = args.file.display();
    match error {
        FileError::Proof(error) if error.is_undecided() => CliError::not_proven(
            format!("{name} is not proven: {error}"),
            "ask whoever sent it for a proof with all endorsements",
        ),
        error => CliError::refused(
            format!("{name} is NOT valid: {error}"),
            "do not rely on it; keep it, and ask whoever sent it",
        ),
    }
}

/// What was proven, for people.
fn sentence(file: &ProofFile) -> String {
    let claim = &file.claim;
    let text = |key: &str| claim[key].as_str().unwrap_or_default().to_owned();
    let endorsers = || {
        let actors = claim["endorsed_by"].as_array().into_iter().flatten();
        let actors: Vec<&str> = actors.filter_map(Value::as_str).collect();
        format!(
            "endorsed by {} ({} of {})",
            actors.join(", "),
            actors.len(),
            claim["voters"]
        )
    };
    match file.kind {
        ProofKind::Receipt if claim["call"].is_null() => format!(
            "statement {}, which claims to be from {} (not checked), was refused as a whole at height {} index {}, {}; {}",
            text("tx_id"),
            text("claimed_sender"),
            claim["height"],
            claim["index"],
            text("validation_code"),
            endorsers()
        ),
        ProofKind::Receipt => format!(
            "transaction {} of {} is on the ledger at height {} index {}, {}; {}",
            text("tx_id"),
            text("sender"),
            claim["height"],
            claim["index"],
            text("validation_code"),
            endorsers()
        ),
        ProofKind::History => format!(
            "{} has exactly these {} events, as of height {}; {}",
            text("id"),
            claim["events"].as_array().map_or(0, Vec::len),
            claim["as_of_height"],
            endorsers()
        ),
        ProofKind::Evidence => format!("{} {}", text("guilty"), text("what")),
        ProofKind::Checkpoint => {
            format!("block {} is {}; {}", claim["height"], text("block"), endorsers())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_statement_accuses_nobody() {
        let receipt = |claim| ProofFile {
            kind: ProofKind::Receipt,
            version: 1,
            network: e2l_ledger::Digest::ZERO,
            claim,
            proofs: Vec::new(),
            configurations: Vec::new(),
        };
        let refused = receipt(serde_json::json!({
            "tx_id": "ab", "claimed_sender": "user/admin/admin", "call": null, "height": 4, "index": 0,
            "validation_code": "BAD_CREATOR_SIGNATURE",
        }));
        let words = sentence(&refused);
        assert!(
            words.contains("claims to be from user/admin/admin (not checked)"),
            "{words}"
        );
        let executed = receipt(serde_json::json!({
            "tx_id": "ab", "sender": "user/admin/admin", "call": {}, "height": 4, "index": 0,
        }));
        let words = sentence(&executed);
        assert!(
            words.contains("transaction ab of user/admin/admin is on the ledger"),
            "{words}"
        );
    }
}
