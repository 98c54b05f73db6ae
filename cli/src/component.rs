//! What a chaincode component says of itself, after the same admission that every peer makes.

use crate::error::{CliError, CliResult};
use e2l_chaincode_builder::{Described, PackagedFunction};
use e2l_ledger::{Digest, Domain, EngineProfile};
use e2l_runtime::{
    Description, FunctionDescription, REQUIRED_STACK_BYTES, Runtime, StaticLimits, engine_profile,
};
use std::path::Path;

/// A component that peers will run.
pub struct Component {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its digest, as the ledger names it.
    pub digest: Digest,
    /// Its name, as it says.
    pub name: String,
    /// Its version, as it says.
    pub version: String,
    /// Its functions, as it says.
    pub functions: Vec<FunctionDescription>,
}

impl Component {
    /// Reads and admits a component.
    ///
    /// # Errors
    /// It cannot be read, or peers would refuse it.
    pub fn load(path: &Path) -> CliResult<Self> {
        let bytes = std::fs::read(path)
            .map_err(|error| CliError::file("read the chaincode component", path, &error))?;
        Self::admit(bytes, &path.display().to_string())
    }

    /// Admits a component that comes from `place`, for messages.
    ///
    /// # Errors
    /// Peers would refuse it.
    pub fn admit(bytes: Vec<u8>, place: &str) -> CliResult<Self> {
        let runtime = Runtime::new()
            .map_err(|error| CliError::usage(error, "use a processor and system that wasmtime supports"))?;
        let description = describe(&runtime, &bytes).map_err(|why| {
            CliError::refused(
                format!("{place} is not a contract that peers would run: {why}"),
                "build one with `e2l chaincode build` or `make chaincode`",
            )
        })?;
        Ok(Self {
            digest: Domain::Chaincode.hash(&bytes),
            bytes,
            name: description.name,
            version: description.version,
            functions: description.functions,
        })
    }

    /// What it says of itself, as a package's manifest has it.
    pub fn described(&self) -> Described {
        let functions = self.functions.iter().map(|function| PackagedFunction {
            name: function.name.clone(),
            kind: function.kind.to_string(),
            argument: function.argument.to_string(),
            summary: function.summary.clone(),
        });
        Described {
            name: self.name.clone(),
            version: self.version.clone(),
            functions: functions.collect(),
        }
    }
}

/// Runs the contract's own description, on a thread with the stack that contracts may use up.
fn describe(runtime: &Runtime, bytes: &[u8]) -> Result<Description, String> {
    let run = || {
        let admitted = runtime
            .admit(bytes, &StaticLimits::default())
            .map_err(|error| error.to_string())?;
        admitted.describe().map_err(|error| error.to_string())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(REQUIRED_STACK_BYTES)
            .spawn_scoped(scope, run);
        let thread = thread.map_err(|error| format!("cannot start a thread for it: {error}"))?;
        thread
            .join()
            .map_err(|_| "describing itself crashed".to_owned())?
    })
}

/// The engine of this release, as a network's configuration names it.
pub fn engine() -> EngineProfile {
    let mine = engine_profile();
    EngineProfile {
        engine: mine.engine,
        architecture: mine.architecture,
        configuration: Digest(mine.configuration_digest),
    }
}
