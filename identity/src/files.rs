//! Files that appear whole or not at all.

use crate::error::IdentityError;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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

/// Writes beside the target and links it into place, which fails if the target exists.
fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| std::fs::hard_link(&temporary, path));
    std::fs::remove_file(&temporary)?;
    placed?;
    File::open(directory)?.sync_all()
}
