//! One RocksDB database: how it is opened, read, written and synced, and when it stops writing.

use crate::condemned::condemn;
use crate::error::StoreError;
use crate::open_databases::OpenDatabase;
use crate::seal::{seal, unseal};
use crate::syncs::note_sync;
use parking_lot::RwLock;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, DBRecoveryMode, Options, WriteBatch, WriteOptions};
use std::path::{Path, PathBuf};

const REMEDY: &str = "a damaged ledger is set aside and restored from the other peers when the peer starts; a \
                      damaged Raft log needs `e2l-peer --rejoin` (docs/operations/recovery.md)";

pub(crate) struct Database {
    db: DB,
    dir: PathBuf,
    /// The first failed write or sync.
    poison: RwLock<Option<String>>,
    /// Dropped after the database: fields are dropped in order.
    _open: OpenDatabase,
}

/// Settings of every column that the bindings have no function for.
///
/// A file at the last level is not written anew, and compressed again, only because the snapshots of its time are gone
/// (`bottommost_file_compaction_delay`, in seconds: never). There always are some, so that was every file; little in it was
/// overwritten, and goes when it is merged with another.
///
/// A new key is looked for from the last one on (`memtable_insert_with_hint_prefix_extractor`, with a prefix that all keys
/// share): a block's keys come sorted, and neighbours cost a fraction of a descent from the top.
const COLUMN_SETTINGS: &str = "bottommost_file_compaction_delay=1000000000;\
                               memtable_insert_with_hint_prefix_extractor=rocksdb.FixedPrefix.0";

/// Settings that both databases need for their promises.
pub(crate) fn durable_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // The default, point-in-time recovery, silently drops acknowledged records behind a damaged one. This
    // mode forgives only an incomplete last record: a write that was never acknowledged as durable.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    options.set_avoid_unnecessary_blocking_io(true);
    options.set_bytes_per_sync(1 << 20);
    options.set_max_open_files(512);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

impl Database {
    pub(crate) fn open(
        dir: &Path,
        options: &Options,
        columns: Vec<(&'static str, Options)>,
    ) -> Result<Self, StoreError> {
        let open_error = |why: String| StoreError::Open {
            dir: dir.to_owned(),
            why,
        };
        std::fs::create_dir_all(dir).map_err(|error| open_error(error.to_string()))?;
        let columns: Result<Vec<_>, _> = columns
            .into_iter()
            .map(|(name, mut options)| {
                let options = options.get_options_from_string(COLUMN_SETTINGS)?;
                Ok(ColumnFamilyDescriptor::new(name, options))
            })
            .collect();
        let columns = columns.map_err(|error: rocksdb::Error| open_error(error.to_string()))?;
        let db =
            DB::open_cf_descriptors(options, dir, columns).map_err(|error| open_error(error.to_string()))?;
        Ok(Self {
            db,
            dir: dir.to_owned(),
            poison: RwLock::new(None),
            _open: OpenDatabase::new(),
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn column(&self, name: &'static str) -> Result<&ColumnFamily, StoreError> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| self.read_error(name, "the column family is missing"))
    }

    pub(crate) fn read_error(&self, column: &'static str, why: impl ToString) -> StoreError {
        StoreError::Read {
            dir: self.dir.clone(),
            column,
            why: why.to_string(),
        }
    }

    pub(crate) fn corrupt(
        &self,
        column: &'static str,
        record: impl ToString,
        why: impl ToString,
    ) -> StoreError {
        StoreError::Corrupt {
            dir: self.dir.clone(),
            column,
            record: record.to_string(),
            why: why.to_string(),
            remedy: REMEDY,
        }
    }

    /// The newest content of a sealed record with a readable key.
    pub(crate) fn get_named(&self, column: &'static str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let record = self
            .db
            .get_pinned_cf(self.column(column)?, key)
            .map_err(|error| self.read_error(column, error))?;
        record.map_or(Ok(None), |record| {
            unseal(column, key.as_bytes(), &record)
                .map(|content| Some(content.to_vec()))
                .ok_or_else(|| self.corrupt(column, key, "its checksum does not hold"))
        })
    }

    /// Adds a sealed record with a readable key to a batch.
    pub(crate) fn put_named(
        &self,
        batch: &mut WriteBatch,
        column: &'static str,
        key: &str,
        content: &[u8],
    ) -> Result<(), StoreError> {
        batch.put_cf(self.column(column)?, key, seal(column, key.as_bytes(), content));
        Ok(())
    }

    /// Removes a record; not synced.
    pub(crate) fn delete_now(&self, column: &'static str, key: &[u8]) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.column(column)?, key);
        self.write(batch, false)
    }

    /// Refuses when an earlier write or sync failed.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        match &*self.poison.read() {
            None => Ok(()),
            Some(why) => Err(self.poisoned(why.clone())),
        }
    }

    /// Writes a batch atomically; with `sync` it is durable on return.
    pub(crate) fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), StoreError> {
        self.check_writable()?;
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        if sync {
            note_sync();
        }
        self.db
            .write_opt(batch, &options)
            .map_err(|error| self.poison(format!("a write failed: {error}")))
    }

    /// Makes everything written before durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.check_writable()?;
        note_sync();
        self.db
            .flush_wal(true)
            .map_err(|error| self.poison(format!("a sync failed: {error}")))
    }

    fn poison(&self, why: String) -> StoreError {
        tracing::error!(dir = %self.dir.display(), why, "the database takes no more writes");
        // It would fail again after a restart: files that are damaged are no accident of this run.
        if why.contains("Corruption")
            && let Err(error) = condemn(&self.dir, &why)
        {
            tracing::error!(%error, "that it is damaged cannot be noted");
        }
        // After a failed fsync the kernel may have dropped the dirty pages: a retry that succeeds would
        // prove nothing. So the first failure is final.
        let why = self.poison.write().get_or_insert(why).clone();
        self.poisoned(why)
    }

    fn poisoned(&self, why: String) -> StoreError {
        StoreError::Poisoned {
            dir: self.dir.clone(),
            why,
        }
    }
}
