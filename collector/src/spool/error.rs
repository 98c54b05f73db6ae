//! What can be wrong with a spool.

use std::io;
use std::path::PathBuf;

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}; check the disk and the owner, then start the collector again")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk has no room.
    #[error("the disk of {path} is full: make room, the collector goes on by itself")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another collector uses it.
    #[error("the spool {0} is in use by another collector: give every collector a spool of its own")]
    Locked(PathBuf),
    /// Its content is damaged.
    #[error(
        "the spool is damaged in {path} at byte {offset}: {why}; restore it, or move the directory away: the \
         collector then opens a new incarnation and records a gap"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// It belongs to another collector or network.
    #[error("the spool {path} belongs to {found}, this collector is {expected}: correct `spool_dir`")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        expected: String,
    },
}

impl SpoolError {
    /// For `map_err`.
    pub(super) fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// For `map_err` of what takes room on the disk.
    pub(super) fn writing(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { what, path, source },
        }
    }
}
