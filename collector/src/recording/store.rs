//! Components on this host's disk, and their compiled code: a directory of this collector alone.

use super::compiler::{compile, static_limits};
use super::component::Component;
use e2l_ledger::{Digest, Domain, Limits, Member};
use e2l_runtime::{AdmissionError, CachedRuntime, RuntimeError};
use parking_lot::Mutex;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}; check the disk and the owner of `spool_dir`")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process that compiles fails.
    #[error("the component cannot be compiled on this host: {0}; have the actors approve another one")]
    Compiler(String),
    /// It is no contract.
    #[error("{0}; have the actors approve another component")]
    Admission(#[from] AdmissionError),
    /// The engine fails.
    #[error("{0}; see what this host lacks")]
    Runtime(#[from] RuntimeError),
    /// Not there.
    #[error("component {0} is not on this host yet: a peer must be reached for it")]
    Missing(Digest),
}

impl CodeError {
    /// For `map_err`.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// See the module.
pub struct CodeStore {
    directory: PathBuf,
    /// Made when it is first needed: most collectors may never run a component.
    engine: Mutex<Option<CachedRuntime>>,
}

impl CodeStore {
    /// In a spool's directory. Nothing is made before a component comes.
    ///
    /// # Errors
    /// The working directory is not known.
    pub fn new(spool: &Path) -> Result<Self, CodeError> {
        let directory = std::path::absolute(spool.join("code")).map_err(CodeError::io("find", spool))?;
        Ok(Self {
            directory,
            engine: Mutex::new(None),
        })
    }

    /// Whether a component is here, unharmed.
    pub fn has(&self, digest: &Digest) -> bool {
        self.read(digest).is_ok()
    }

    /// Keeps a component, and forgets others, but for those that are named.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, component: &[u8], others: &[Digest]) -> Result<(), CodeError> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory);
        made.map_err(CodeError::io("create", &self.directory))?;
        let digest = Domain::Chaincode.hash(component);
        let path = self.path(&digest);
        let new = path.with_extension("new");
        std::fs::write(&new, component)
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(CodeError::io("write", &path))?;
        self.forget(|known| *known == digest || others.contains(known));
        Ok(())
    }

    fn forget(&self, keep: impl Fn(&Digest) -> bool) {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten();
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let digest = name.and_then(|name| name.strip_suffix(".wasm")?.parse().ok());
            if digest.is_some_and(|digest| !keep(&digest)) {
                // What stays is only in the way of the disk.
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    /// Gets a component that is here ready: compiled by another process unless its code is here too.
    ///
    /// # Errors
    /// It is not here, or cannot be compiled.
    pub async fn load(
        &self,
        digest: Digest,
        limits: &Limits,
        collector: &Member,
    ) -> Result<Component, CodeError> {
        let component = self.read(&digest)?;
        let compiled = self.directory.join("compiled");
        compile(&self.path(&digest), &compiled).await?;
        let engine = self.engine(&compiled)?;
        let before = engine.compiled();
        let admitted = engine.runtime.admit(&component, &static_limits())?;
        if engine.compiled() > before {
            tracing::warn!(%digest, "compiled code was not found where it was left: this process compiled it itself");
        }
        Component::new(digest, (engine.runtime, admitted), limits, collector)
    }

    fn engine(&self, compiled: &Path) -> Result<CachedRuntime, CodeError> {
        let mut engine = self.engine.lock();
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        Ok(engine.insert(CachedRuntime::new(compiled)?).clone())
    }

    fn read(&self, digest: &Digest) -> Result<Vec<u8>, CodeError> {
        let bytes = std::fs::read(self.path(digest)).map_err(|_| CodeError::Missing(*digest))?;
        if Domain::Chaincode.hash(&bytes) == *digest {
            return Ok(bytes);
        }
        Err(CodeError::Missing(*digest))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }
}
