//! How often this process has made the log of one of its databases durable.

use std::sync::atomic::{AtomicU64, Ordering};

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// Times that a write-ahead log was synced, of all databases of this process. What RocksDB syncs by itself, tables and
/// manifests, is not counted.
pub fn syncs() -> u64 {
    SYNCS.load(Ordering::Relaxed)
}

pub(crate) fn note_sync() {
    SYNCS.fetch_add(1, Ordering::Relaxed);
}
