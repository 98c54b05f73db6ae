//! Moving a damaged database out of the way, whole: it is evidence, and nothing of it is used again.

use crate::error::StoreError;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Moves `dir` into `into`, under `name`; returns where it is now. Durable on return. Nobody may have it open.
///
/// # Errors
/// It cannot be moved, as when `into` is on another file system.
pub fn set_aside(dir: &Path, into: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| StoreError::Open {
        dir: dir.to_owned(),
        why: format!("it cannot be set aside in {}: {error}", into.display()),
    };
    std::fs::create_dir_all(into).map_err(failed)?;
    let target = into.join(name);
    std::fs::rename(dir, &target).map_err(failed)?;
    for parent in [dir.parent(), Some(into)].into_iter().flatten() {
        File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(failed)?;
    }
    Ok(target)
}
