//! Work on ledgers without a peer, in processes of their own that `e2l audit` starts: one reads a stopped peer's files
//! and writes what it finds to standard output, one executes blocks from standard input again.

mod reader;
mod replayer;

pub use reader::{OfflineError, read_ledger};
pub use replayer::replay;

use e2l_ledger::{Genesis, GenesisFile};
use std::path::Path;

/// Reads a genesis that every actor has approved.
fn read_genesis(path: &Path) -> Result<Genesis, OfflineError> {
    let unusable = |why: String| OfflineError::Genesis {
        path: path.to_owned(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let file: GenesisFile = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    file.check().map_err(|error| unusable(error.to_string()))?;
    Ok(file.genesis)
}
