//! Chaincode components as files, each named by its digest.

use e2l_execution::Components;
use e2l_ledger::Digest;
use std::io;
use std::path::PathBuf;

/// A directory of `<digest>.wasm` files.
pub struct ComponentDirectory(PathBuf);

impl ComponentDirectory {
    /// The components in a directory.
    pub fn new(directory: PathBuf) -> Self {
        Self(directory)
    }
}

impl Components for ComponentDirectory {
    fn component(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.0.join(format!("{digest}.wasm"))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
