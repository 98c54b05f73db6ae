//! What can go wrong with the disk.

use crate::sign_once::SignOnceError;
use e2l_ledger::Digest;
use std::path::PathBuf;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database does not open.
    #[error(
        "cannot open the database in {dir}: {why}; if another process has it open, stop that one; if files \
         are damaged, see docs/operations/recovery.md"
    )]
    Open {
        /// Directory of the database.
        dir: PathBuf,
        /// What RocksDB says.
        why: String,
    },
    /// A read failed.
    #[error("cannot read {column} in {dir}: {why}; check the disk, then restart the peer")]
    Read {
        /// Directory of the database.
        dir: PathBuf,
        /// Column family.
        column: &'static str,
        /// What RocksDB says.
        why: String,
    },
    /// A write or sync failed, now or before: nothing is written any more until the process is restarted.
    #[error(
        "writing to {dir} has stopped for good because {why}; what was acknowledged before is safe; check \
         disk and free space, then restart the peer"
    )]
    Poisoned {
        /// Directory of the database.
        dir: PathBuf,
        /// The first failure.
        why: String,
    },
    /// What is on the disk is not what was written.
    #[error("{column} record `{record}` in {dir} is corrupt: {why}; {remedy}")]
    Corrupt {
        /// Directory of the database.
        dir: PathBuf,
        /// Column family.
        column: &'static str,
        /// Which record: an index, a height, a name.
        record: String,
        /// What does not fit.
        why: String,
        /// What to do next.
        remedy: &'static str,
    },
    /// Raft entries must be appended without gaps or overlaps.
    #[error("Raft entry {given} cannot be appended: the next index of the log is {expected}")]
    NotContiguous {
        /// Index that would fit.
        expected: u64,
        /// Index that was given.
        given: u64,
    },
    /// Entries that were purged are applied for good and cannot be taken back.
    #[error(
        "the Raft log cannot be truncated from index {index}: entries up to {purged} are applied and purged"
    )]
    BelowPurged {
        /// Index that was asked for.
        index: u64,
        /// Last purged index.
        purged: u64,
    },
    /// The ledger has no genesis yet.
    #[error("the ledger in {0} has no genesis yet: initialize it first")]
    NotInitialized(PathBuf),
    /// The directory belongs to another network.
    #[error(
        "the ledger in {dir} belongs to network {stored}, the given genesis is that of {given}: use the \
         right genesis file, or another data directory"
    )]
    OtherGenesis {
        /// Directory of the database.
        dir: PathBuf,
        /// Digest of the stored genesis.
        stored: Digest,
        /// Digest of the given genesis.
        given: Digest,
    },
    /// A block that cannot be the next one; nothing was written. A defect of the caller.
    #[error("block {height} cannot be written: {why}")]
    BadBlock {
        /// Its height.
        height: u64,
        /// What does not fit.
        why: String,
    },
    /// Signing it would contradict, or go back behind, what was signed before.
    #[error(transparent)]
    SignOnce(#[from] SignOnceError),
}

impl StoreError {
    /// Whether what is on the disk is not what was written, so that trying again is of no use. Not so when
    /// another process has the database open, or the disk is full.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::Open { why, .. } => {
                // RocksDB names the lock's file; "block checksum mismatch" has nothing to do with it.
                !(why.contains("/LOCK:") || why.contains("No space") || why.contains("Permission"))
            }
            Self::Read { why, .. } => why.contains("Corruption") || why.contains("No such file"),
            _ => false,
        }
    }

    /// The height whose records are damaged or unreadable, where the error is about one.
    pub fn damaged_height(&self) -> Option<u64> {
        let Self::Corrupt { column, record, .. } = self else {
            return None;
        };
        // These columns' records are named so by this crate: `height 5`, `height 5 index 3`, or `5`.
        if !matches!(*column, "headers" | "blocks" | "transactions" | "votes") {
            return None;
        }
        let number = record.strip_prefix("height ").unwrap_or(record);
        number.split(' ').next()?.parse().ok()
    }

    /// A value of the state that is not what the ledger puts there.
    pub fn corrupt_state(key: &e2l_ledger::StateKey, why: String) -> Self {
        Self::Corrupt {
            dir: PathBuf::new(),
            column: "state",
            record: String::from_utf8_lossy(key.as_bytes()).into_owned(),
            why,
            remedy: "remove this peer's data directory and let it fetch the ledger from the other peers",
        }
    }

    /// A block that must be here, because one above it is, cannot be found.
    pub fn missing_block(height: u64) -> Self {
        Self::Corrupt {
            dir: PathBuf::new(),
            column: "blocks",
            record: height.to_string(),
            why: "it is missing, and blocks above it are here".to_owned(),
            remedy: "remove this peer's data directory and let it fetch the ledger from the other peers",
        }
    }
}
