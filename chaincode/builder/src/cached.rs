//! Builds that are not repeated, for tests.

use crate::build::{build_tree, toolchain};
use crate::built::Built;
use crate::error::BuildError;
use crate::source_tree::{SourceTree, fail};
use e2l_ledger::Domain;
use std::io::Write;
use std::path::Path;

/// Builds the contract in `source`, or takes the component that an earlier call built from the same files with
/// the same compiler and left in `directory`; what several contracts depend on is compiled once. For tests: what is
/// in `directory` is believed.
///
/// # Errors
/// See [`BuildError`].
pub fn build_once(source: &Path, directory: &Path) -> Result<Built, BuildError> {
    let tree = SourceTree::read(source)?;
    let toolchain = toolchain(&tree, source)?;
    let key = [
        tree.digest().as_bytes().as_slice(),
        toolchain.rustc.as_bytes(),
        toolchain.host.as_bytes(),
    ]
    .concat();
    let path = directory.join(format!("contract-{}.wasm", Domain::Value.hash(&key)));
    if let Ok(component) = std::fs::read(&path) {
        let digest = Domain::Chaincode.hash(&component);
        return Ok(Built {
            component,
            digest,
            toolchain,
        });
    }
    let built = build_tree(&tree, Some(&directory.join("contracts")))?;
    // Renamed into place: another test program may read it at any moment.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(fail(directory))?;
    file.write_all(&built.component).map_err(fail(&path))?;
    file.persist(&path).map_err(|error| fail(&path)(error.error))?;
    Ok(built)
}
