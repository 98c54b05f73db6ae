//! A spool's directory, held by one collector.

use super::error::SpoolError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory and the lock on it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    lock: Arc<File>,
}

impl Directory {
    /// Makes it if it is not there, and locks it.
    ///
    /// # Errors
    /// It cannot be made, or another collector holds it.
    pub fn lock(path: &Path) -> Result<Self, SpoolError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(SpoolError::io("create", path))?;
        let file = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&file);
        let lock = lock.map_err(SpoolError::io("open", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock: Arc::new(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(SpoolError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(SpoolError::io("lock", &file)(source)),
        }
    }

    /// The same directory, under the same lock.
    pub fn share(&self) -> Self {
        Self {
            path: self.path.clone(),
            lock: Arc::clone(&self.lock),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
