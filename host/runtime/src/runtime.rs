//! The engine.

use crate::admission::{AdmissionError, check};
use crate::admitted::Admitted;
use crate::error::RuntimeError;
use crate::host_state::HostState;
use crate::limits::{CallLimits, StaticLimits};
use crate::profile::config;
use crate::session::Session;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiles and runs contracts. Cheap to clone; shared by threads.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
}

impl Runtime {
    /// Sets the engine up.
    ///
    /// # Errors
    /// This machine cannot run it.
    pub fn new() -> Result<Self, RuntimeError> {
        let engine = config().and_then(|config| Engine::new(&config));
        let engine = engine.map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        Ok(Self { engine })
    }

    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// Checks a component and compiles it. Compilation takes some tens of milliseconds; its result lives in
    /// memory (docs/decisions/0005-compiled-code-cache.md).
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admit(&self, component: &[u8], limits: &StaticLimits) -> Result<Admitted, AdmissionError> {
        check(component, limits)?;
        let compiled = Component::from_binary(&self.engine, component).map_err(not_compiled)?;
        Admitted::new(self.engine.clone(), compiled)
    }

    /// Begins a block's calls to one chaincode.
    ///
    /// # Errors
    /// The engine fails.
    pub fn session<S: HostState>(
        &self,
        admitted: &Admitted,
        limits: CallLimits,
    ) -> Result<Session<S>, RuntimeError> {
        Session::new(admitted, limits)
    }
}

/// The compiler itself opens and maps no files: where the system is among the causes, there was no memory for its code.
fn not_compiled(error: wasmtime::Error) -> AdmissionError {
    let text = format!("{error:#}");
    let of_system = error.chain().any(|cause| cause.is::<std::io::Error>());
    if of_system || error.is::<wasmtime::OutOfMemory>() {
        AdmissionError::Host(text)
    } else {
        AdmissionError::Compile(text)
    }
}
