//! An engine that finds compiled code in a directory.

use crate::error::RuntimeError;
use crate::profile::config;
use crate::runtime::Runtime;
use std::path::Path;
use wasmtime::{Cache, CacheConfig, Engine};

/// Native stack that compiled code may use here, bytes: what runs it are ordinary threads, and no other machine has to
/// come to the same end.
const STACK: usize = 512 << 10;

/// A [`Runtime`] for programs that are no peers: code that was compiled once, by this program or another, is found in a
/// directory. That code is native and trusted: the directory must be this program's alone
/// (docs/decisions/0030-collector-code-under-governance.md).
#[derive(Clone)]
pub struct CachedRuntime {
    /// The engine.
    pub runtime: Runtime,
    cache: Cache,
}

impl CachedRuntime {
    /// Sets the engine up. The directory is made when something is compiled.
    ///
    /// # Errors
    /// This machine cannot run it, or the directory's path is not absolute.
    pub fn new(directory: &Path) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let mut settings = CacheConfig::new();
        settings.with_directory(directory);
        let cache = Cache::new(settings).map_err(failed)?;
        let mut config = config().map_err(failed)?;
        config
            .max_wasm_stack(STACK)
            .async_stack_size(2 * STACK)
            .cache(Some(cache.clone()));
        let engine = Engine::new(&config).map_err(failed)?;
        Ok(Self {
            runtime: Runtime::of(engine),
            cache,
        })
    }

    /// Components that were compiled, because their code was not found.
    pub fn compiled(&self) -> usize {
        self.cache.cache_misses()
    }
}
