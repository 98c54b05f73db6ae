//! A copy of a ledger that nobody writes to, to be read without touching the original: opening a database writes.

use crate::error::StoreError;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::File;
use std::path::Path;

/// Copies the ledger in `dir` into `into`, which is new. Data files, which never change, are linked where both are on
/// one file system.
///
/// # Errors
/// A peer has it open; it cannot be read; the copy cannot be written.
pub fn copy_for_reading(dir: &Path, into: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Open {
        dir: dir.to_owned(),
        why: error.to_string(),
    };
    if is_locked(dir).map_err(failed)? {
        return Err(StoreError::Open {
            dir: dir.to_owned(),
            why: "a peer holds its lock".to_owned(),
        });
    }
    std::fs::create_dir_all(into).map_err(failed)?;
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (from, to) = (entry.path(), into.join(entry.file_name()));
        if !entry.file_type().map_err(failed)?.is_file() {
            continue;
        }
        let data = from.extension().is_some_and(|extension| extension == "sst");
        if !(data && std::fs::hard_link(&from, &to).is_ok()) {
            std::fs::copy(&from, &to).map_err(failed)?;
        }
    }
    Ok(())
}

/// Whether another process has the database open.
fn is_locked(dir: &Path) -> std::io::Result<bool> {
    let Ok(file) = File::open(dir.join("LOCK")) else {
        return Ok(false);
    };
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}
