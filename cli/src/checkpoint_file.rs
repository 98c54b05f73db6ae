//! The last checkpoint as a file: a proof file that an audit writes and moves on, and that readings rely on.

use crate::error::{CliError, CliResult};
use crate::proof_file::{FileError, ProofFile, ProofKind};
use e2l_client::Checkpoint;
use e2l_ledger::proof::{Anchor, FinalHeaderProof};
use std::io::ErrorKind;
use std::path::Path;

/// Reads a checkpoint; `None` if there is no such file.
///
/// # Errors
/// It cannot be read, is no checkpoint, or proves nothing in this network.
pub fn read(path: &Path, anchor: &Anchor) -> CliResult<Option<Checkpoint>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| CliError::file("read", path, &error))?,
    };
    let no_checkpoint = |why: String| {
        CliError::usage(
            format!("{} is no checkpoint of this network: {why}", path.display()),
            "name a file that `e2l audit --checkpoint FILE` has written",
        )
    };
    let file: ProofFile = serde_json::from_str(&text).map_err(|error| no_checkpoint(error.to_string()))?;
    if file.kind != ProofKind::Checkpoint {
        return Err(no_checkpoint(format!("it is of kind {:?}", file.kind)));
    }
    let proven = file
        .verify(anchor)
        .and_then(|()| Ok(file.only::<FinalHeaderProof>()?.verify(anchor)?));
    let block = proven.map_err(|error: FileError| no_checkpoint(error.to_string()))?;
    Ok(Some(Checkpoint {
        height: block.header.height,
        header: block.header.digest(),
    }))
}

/// Writes a checkpoint, in the place of an older one, whole or not at all.
///
/// # Errors
/// The proof does not hold; the file cannot be written.
pub fn write(path: &Path, anchor: &Anchor, proof: &FinalHeaderProof) -> CliResult<()> {
    let block = proof
        .verify(anchor)
        .map_err(|error| CliError::refused(error, "audit again"))?;
    ProofFile::of_checkpoint(*anchor.network(), proof, &block)
        .resting_on(anchor)
        .replace(path)
}
