//! A block of the disk that is taken beforehand, so that a full disk can be recorded on a full disk.

use super::error::SpoolError;
use e2l_ledger::Domain;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file.
const NAME: &str = "reserve";
/// Starts what is recorded.
const MAGIC: [u8; 8] = *b"E2Lfull1";
/// Magic, moment, batch, checksum.
const RECORD: usize = 8 + 8 + 8 + 16;
/// Bytes of the file: a block of most file systems.
const BYTES: usize = 4096;

/// What is recorded of a full disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullDisk {
    /// Since when, nanoseconds since the Unix epoch.
    pub since_nano: i64,
    /// Every batch up to this one is final.
    pub final_batch: u64,
}

/// See the module. Its bytes are overwritten in place, which takes no room where the file system does not copy on write.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    file: File,
}

impl Reserve {
    /// Opens the reserve of a directory, or takes it. Says what an earlier run recorded.
    ///
    /// # Errors
    /// It cannot be read, or there is no room for it.
    pub fn open(directory: &Path) -> Result<(Self, Option<FullDisk>), SpoolError> {
        let path = directory.join(NAME);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(SpoolError::writing("open", &path))?;
        let reserve = Self { path, file };
        let mut bytes = [0; RECORD];
        // One that is shorter was being taken: nothing is recorded in it.
        let found = reserve.file.read_exact_at(&mut bytes, 0).is_ok();
        let recorded = found.then(|| read(&bytes)).flatten();
        let taken = reserve
            .file
            .metadata()
            .map_err(SpoolError::io("read", &reserve.path))?;
        if taken.len() < BYTES as u64 {
            reserve.write(&[0; BYTES])?;
        }
        Ok((reserve, recorded))
    }

    /// Records that the disk is full.
    ///
    /// # Errors
    /// Even that cannot be written.
    pub fn record(&self, full: FullDisk) -> Result<(), SpoolError> {
        let mut bytes = Vec::with_capacity(RECORD);
        bytes.extend(MAGIC);
        bytes.extend(full.since_nano.to_le_bytes());
        bytes.extend(full.final_batch.to_le_bytes());
        let sum = checksum(&bytes);
        bytes.extend(sum);
        self.write(&bytes)
    }

    /// The disk is no longer full, and the spool says so.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn clear(&self) -> Result<(), SpoolError> {
        self.write(&[0; RECORD])
    }

    fn write(&self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.file
            .write_all_at(bytes, 0)
            .and_then(|()| self.file.sync_data())
            .map_err(SpoolError::writing("write", &self.path))
    }
}

fn read(bytes: &[u8; RECORD]) -> Option<FullDisk> {
    let (record, sum) = bytes.split_at(RECORD - 16);
    if record[..8] != MAGIC || checksum(record) != *sum {
        return None;
    }
    Some(FullDisk {
        since_nano: i64::from_le_bytes(record[8..16].try_into().ok()?),
        final_batch: u64::from_le_bytes(record[16..24].try_into().ok()?),
    })
}

fn checksum(record: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Domain::Value.hash(record).as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_there_after_a_restart_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let full = FullDisk {
            since_nano: 7,
            final_batch: 9,
        };
        let (reserve, found) = Reserve::open(directory.path()).unwrap();
        assert_eq!(found, None);
        reserve.record(full).unwrap();
        let (reserve, found) = Reserve::open(directory.path()).unwrap();
        assert_eq!(found, Some(full));
        assert_eq!(
            std::fs::metadata(&reserve.path).unwrap().len(),
            BYTES as u64,
            "it was taken beforehand"
        );
        reserve.clear().unwrap();
        assert_eq!(Reserve::open(directory.path()).unwrap().1, None);
    }
}
