//! `e2l evidence`: who contradicted themselves.

use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Listing, Table};
use crate::proof_file::ProofFile;
use crate::session::Session;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What to do with it.
#[derive(Debug, Clone, clap::Args)]
pub struct EvidenceArgs {
    /// Write each piece to a file in this directory, for `e2l verify`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

const FIELDS: [&str; 3] = ["guilty", "what", "statements"];

/// Runs the command.
///
/// # Errors
/// No peer answers, a piece does not hold, or a file cannot be written.
pub async fn run(session: &Session, args: &EvidenceArgs) -> CliResult<()> {
    let verifier = session.verifier()?;
    let found = verifier.evidence().await?;
    let mut table = Table::new([
        Column::new("GUILTY"),
        Column::new("WHAT").shrink(20),
        Column::new("STATEMENTS"),
    ]);
    let mut items: Vec<Value> = Vec::new();
    for (number, (evidence, guilt)) in (1..).zip(&found) {
        let (one, other) = guilt.statements;
        table.push(vec![
            Cell::from(guilt.member.to_string()),
            Cell::from(guilt.what.clone()),
            Cell::from(format!("{} and {}", one.short(), other.short())),
        ]);
        items.push(json!({
            "guilty": guilt.member.to_string(),
            "what": guilt.what,
            "statements": [one, other],
        }));
        if let Some(directory) = &args.out {
            std::fs::create_dir_all(directory).map_err(|error| CliError::file("make", directory, &error))?;
            let file =
                ProofFile::of_evidence(session.network(), evidence, guilt).resting_on(session.anchor());
            file.write(&directory.join(format!("evidence-{number}.json")))?;
        }
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &items,
        table,
    };
    listing.print(session.format())?;
    session.note(&match found.len() {
        0 => "no contradiction has been found".to_owned(),
        count => format!("{count} proven against the genesis; `e2l evidence --out DIR` writes the proofs"),
    });
    Ok(())
}
