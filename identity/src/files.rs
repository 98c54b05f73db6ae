//! Files that appear whole or not at all.

use crate::error::IdentityError;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a secret: mode 0600, never over a file that is there.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), IdentityError> {
    write(path, content, 0o600)
}

/// Writes what everyone may read: mode 0644, never over a file that is there.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), IdentityError> {
    write(path, content, 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), IdentityError> {
    create(path, content, mode).map_err(|source| IdentityError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Puts a new file of this mode in the place of another, at once: whoever opens it sees the old one or the new one, whole.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), IdentityError> {
    let replaced = beside(path, content, mode).and_then(|temporary| std::fs::rename(temporary, path));
    replaced
        .and_then(|()| File::open(parent(path))?.sync_all())
        .map_err(|source| IdentityError::Write {
            path: path.to_owned(),
            source,
        })
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Writes beside the target and links it into place, which fails if the target exists.
fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    std::fs::create_dir_all(parent(path))?;
    let temporary = beside(path, content, mode)?;
    let placed = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary)?;
    placed?;
    File::open(parent(path))?.sync_all()
}

/// Writes a file beside the target, durably, and says where.
fn beside(path: &Path, content: &[u8], mode: u32) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let temporary = parent(path).join(format!(".{name}.{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    if let Err(error) = file.write_all(content).and_then(|()| file.sync_all()) {
        std::fs::remove_file(&temporary)?;
        return Err(error);
    }
    Ok(temporary)
}
