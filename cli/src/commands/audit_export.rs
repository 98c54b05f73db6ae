//! A ledger as files, for a verifier that shares no code with this one.

use super::audit::Finding;
use crate::error::{CliError, CliResult};
use e2l_ledger::GenesisFile;
use std::path::{Path, PathBuf};

/// Writes `genesis.json`, the components that it names as far as they are on this machine (`DIGEST.wasm`; all others are on the
/// ledger), and for each height `NNNNNNNNNN.block` (canonical encoding of the block) and
/// `NNNNNNNNNN.final` (of the proof that its header is final): docs/format/proofs.md, "Exports".
#[derive(Debug, Clone)]
pub struct Export {
    directory: PathBuf,
}

impl Export {
    /// Makes the directory and writes the genesis, with the components of it that lie in `components`.
    ///
    /// # Errors
    /// There are files in it: blocks of two ledgers must not be mixed. It cannot be written.
    pub fn begin(directory: &Path, genesis: &GenesisFile, components: Option<&Path>) -> CliResult<Self> {
        let failed = |error: std::io::Error| CliError::file("write", directory, &error);
        std::fs::create_dir_all(directory).map_err(failed)?;
        if std::fs::read_dir(directory).map_err(failed)?.next().is_some() {
            return Err(CliError::usage(
                format!("{} is not empty", directory.display()),
                "name a new directory",
            ));
        }
        let text = serde_json::to_vec_pretty(genesis)
            .map_err(|error| CliError::usage(error, "report this as a defect"))?;
        std::fs::write(directory.join("genesis.json"), text).map_err(failed)?;
        for definition in &genesis.genesis.config.chaincodes {
            let name = format!("{}.wasm", definition.digest);
            let here = components.map(|components| components.join(&name));
            if let Some(file) = here.filter(|file| file.is_file()) {
                std::fs::copy(&file, directory.join(&name))
                    .map_err(|error| CliError::file("copy", &file, &error))?;
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Writes a block.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, height: u64, block: &[u8], proof: &[u8]) -> Result<(), Finding> {
        for (kind, bytes) in [("block", block), ("final", proof)] {
            let path = self.directory.join(format!("{height:010}.{kind}"));
            std::fs::write(&path, bytes).map_err(|error| {
                Finding::Unreachable(format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}
