//! What a peer's files take on the disk, by what they are for.

use serde::Serialize;
use std::path::Path;

/// Bytes of a peer's data directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiskUse {
    /// The Raft log, all of it.
    pub raft: u64,
    /// The ledger's tables.
    pub tables: u64,
    /// The ledger's write-ahead log.
    pub wal: u64,
    /// Everything else: manifests, options, logs.
    pub other: u64,
}

impl DiskUse {
    /// What lies in a peer's data directory.
    pub fn of(data: &Path) -> Self {
        let mut found = Self::default();
        found.add(data, false);
        found
    }

    fn add(&mut self, directory: &Path, raft: bool) {
        use std::os::unix::fs::MetadataExt;
        let Ok(entries) = std::fs::read_dir(directory) else {
            return;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            // Removed by its owner meanwhile, as a compaction does.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                self.add(&path, raft || path.file_name().is_some_and(|name| name == "raft"));
                continue;
            }
            // RocksDB reserves room for its write-ahead log beforehand; only what is written counts.
            let bytes = meta.len().min(meta.blocks() * 512);
            let kind = path.extension().and_then(|extension| extension.to_str());
            *match kind {
                _ if raft => &mut self.raft,
                Some("sst" | "blob") => &mut self.tables,
                Some("log") => &mut self.wal,
                _ => &mut self.other,
            } += bytes;
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.raft + self.tables + self.wal + self.other
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            raft: self.raft.saturating_sub(earlier.raft),
            tables: self.tables.saturating_sub(earlier.tables),
            wal: self.wal.saturating_sub(earlier.wal),
            other: self.other.saturating_sub(earlier.other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_what_they_are_for() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        for (file, size) in [
            ("raft/000004.log", 5000),
            ("raft/000005.sst", 6000),
            ("ledger/000007.sst", 7000),
            ("ledger/000008.log", 8000),
            ("ledger/MANIFEST-000001", 9000),
        ] {
            let path = data.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![7; size]).unwrap();
        }
        let found = DiskUse::of(data);
        let expected = DiskUse {
            raft: 11_000,
            tables: 7000,
            wal: 8000,
            other: 9000,
        };
        assert_eq!(found, expected);
        assert_eq!(found.total(), 35_000);
        assert_eq!(found.since(&expected), DiskUse::default());
    }
}
