//! The durable Raft log, raw: it knows indexes and bytes, not what they mean.

use crate::database::{Database, durable_options};
use crate::error::StoreError;
use crate::seal::{SEAL, seal_with, unseal};
use parking_lot::RwLock;
use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DBRawIterator, Options, ReadOptions, WriteBatch};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const ENTRIES: &str = "entries";
const META: &str = "meta";
const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
/// Last purged index and the caller's marker.
const PURGED: &str = "purged";
/// First index of a log that was never purged.
const START: &str = "start";
/// Index that a pointer brings the log to, written before the ledger follows it.
const POINTED: &str = "pointed";
/// A height that the ledger had reached when what is purged was purged, or later.
const HEIGHT: &str = "height";
/// Whether this node is on its way back into the group.
const REJOINING: &str = "rejoining";

/// Durable storage of Raft's vote and entries. A cheap handle; all clones share one database.
#[derive(Clone)]
pub struct RaftLog(Arc<Inner>);

struct Inner {
    database: Database,
    bounds: RwLock<Bounds>,
}

#[derive(Clone, Copy, Default)]
struct Bounds {
    /// First and last index.
    entries: Option<(u64, u64)>,
    purged: Option<u64>,
}

impl Bounds {
    /// The index that an append must start with; `None` while any will do.
    fn next(&self) -> Option<u64> {
        match (self.entries, self.purged) {
            (Some((_, last)), _) => Some(last.saturating_add(1)),
            (None, purged) => purged.map(|index| index.saturating_add(1)),
        }
    }
}

/// Entries live minutes and are read back from memory: neither compression nor deep levels pay.
fn entries_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(64 << 10);
    table.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(4 << 20);
    options.set_max_write_buffer_number(2);
    options.set_level_zero_file_num_compaction_trigger(24);
    options.set_level_zero_slowdown_writes_trigger(48);
    options.set_level_zero_stop_writes_trigger(64);
    options.set_target_file_size_base(64 << 20);
    options.set_max_bytes_for_level_base(512 << 20);
    options
}

impl RaftLog {
    /// Opens or creates the log in its own directory and reads all of it: every checksum, that no index is
    /// missing, and that it starts where the last purge ended.
    ///
    /// # Errors
    /// Does not open on any corruption, naming record and remedy. An incomplete last write that was never
    /// flushed is dropped.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let mut options = durable_options();
        options.set_max_total_wal_size(64 << 20);
        options.set_max_background_jobs(2);
        let cache = Cache::new_lru_cache(4 << 20);
        let mut meta = Options::default();
        meta.set_write_buffer_size(1 << 20);
        let columns = vec![(ENTRIES, entries_options(&cache)), (META, meta)];
        let log = Self(Arc::new(Inner {
            database: Database::open(dir, &options, columns)?,
            bounds: RwLock::default(),
        }));
        let bounds = log.verify()?;
        *log.0.bounds.write() = bounds;
        Ok(log)
    }

    fn verify(&self) -> Result<Bounds, StoreError> {
        self.vote()?;
        self.committed()?;
        self.pointed()?;
        self.height()?;
        self.is_rejoining()?;
        let purged = self.purged()?.map(|(index, _)| index);
        let expected = match purged {
            Some(index) => Some(index.saturating_add(1)),
            None => self.start()?,
        };
        // Below the marker there may be leftovers of a purge that was not compacted yet.
        let mut iterator = self.iterator(u64::MAX)?;
        iterator.seek(expected.unwrap_or(0).to_be_bytes());
        let mut entries: Option<(u64, u64)> = None;
        while iterator.valid() {
            let next = entries.map_or(expected, |(_, last)| Some(last.saturating_add(1)));
            let index = self.read(&iterator, next)?.0;
            entries = Some((entries.map_or(index, |(first, _)| first), index));
            iterator.next();
        }
        iterator
            .status()
            .map_err(|error| self.0.database.read_error(ENTRIES, error))?;
        Ok(Bounds { entries, purged })
    }

    fn iterator(&self, end: u64) -> Result<DBRawIterator<'_>, StoreError> {
        let database = &self.0.database;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end.to_be_bytes());
        options.fill_cache(false);
        Ok(database
            .db()
            .raw_iterator_cf_opt(database.column(ENTRIES)?, options))
    }

    /// The entry under the iterator, checked to be the expected one.
    fn read(
        &self,
        iterator: &DBRawIterator<'_>,
        expected: Option<u64>,
    ) -> Result<(u64, Vec<u8>), StoreError> {
        let corrupt = |record: u64, why: String| self.0.database.corrupt(ENTRIES, record, why);
        let (key, record) = iterator
            .item()
            .ok_or_else(|| corrupt(expected.unwrap_or(0), "it is missing".to_owned()))?;
        let index = <[u8; 8]>::try_from(key).map(u64::from_be_bytes);
        let index = index.map_err(|_| corrupt(expected.unwrap_or(0), format!("its key is {key:02x?}")))?;
        match expected {
            Some(expected) if expected != index => Err(corrupt(
                expected,
                format!("it is missing: the next entry is {index}"),
            )),
            None => Err(corrupt(
                index,
                "there is an entry, and no record of where the log starts".to_owned(),
            )),
            Some(_) => unseal(ENTRIES, key, record)
                .map(|payload| (index, payload.to_vec()))
                .ok_or_else(|| corrupt(index, "its checksum does not hold".to_owned())),
        }
    }

    fn save(&self, name: &'static str, content: &[u8], sync: bool) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        self.0.database.put_named(&mut batch, META, name, content)?;
        self.0.database.write(batch, sync)
    }

    /// The vote, if one was ever saved.
    ///
    /// # Errors
    /// A vote that cannot be read is an error, never "no vote": voting twice in one term elects two leaders.
    pub fn vote(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.database.get_named(META, VOTE)
    }

    /// Saves the vote; durable on return.
    ///
    /// # Errors
    /// The write or sync failed, now or before.
    pub fn save_vote(&self, vote: &[u8]) -> Result<(), StoreError> {
        self.save(VOTE, vote, true)
    }

    /// Notes, before the ledger is brought to a pointer, the index at which it will stand: the log itself follows
    /// after it. Durable on return.
    ///
    /// # Errors
    /// The write or sync failed, now or before.
    pub fn point_to(&self, index: u64) -> Result<(), StoreError> {
        self.save(POINTED, &index.to_be_bytes(), true)
    }

    fn pointed(&self) -> Result<Option<u64>, StoreError> {
        self.number_named(POINTED)
    }

    /// Highest index that this log is known to have held, or was about to be brought to.
    ///
    /// # Errors
    /// A record is corrupt or cannot be read.
    pub fn reach(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.last_index().max(self.purged_index()).max(self.pointed()?))
    }

    /// A height that the ledger had reached when what is purged was purged, or later; `None` for a log that no node
    /// was started on.
    ///
    /// # Errors
    /// The record is corrupt or cannot be read.
    pub fn height(&self) -> Result<Option<u64>, StoreError> {
        self.number_named(HEIGHT)
    }

    /// Notes a height that the ledger has reached, before what it covers is purged: a ledger that does not reach it
    /// would lack what is here no more. Lower ones change nothing. Durable on return.
    ///
    /// # Errors
    /// The write or sync failed, now or before.
    pub fn note_height(&self, height: u64) -> Result<(), StoreError> {
        if self.height()?.is_some_and(|noted| noted >= height) {
            return Ok(());
        }
        self.save(HEIGHT, &height.to_be_bytes(), true)
    }

    /// Whether this node may not vote, because it lost what it had promised and is on its way back.
    ///
    /// # Errors
    /// The record is corrupt or cannot be read.
    pub fn is_rejoining(&self) -> Result<bool, StoreError> {
        Ok(self.0.database.get_named(META, REJOINING)?.as_deref() == Some(&[1]))
    }

    /// Says whether this node is on its way back; durable on return.
    ///
    /// # Errors
    /// The write or sync failed, now or before.
    pub fn set_rejoining(&self, rejoining: bool) -> Result<(), StoreError> {
        self.save(REJOINING, &[u8::from(rejoining)], true)
    }

    /// The committed log id as last saved; a crash may lose the newest ones.
    ///
    /// # Errors
    /// It is corrupt or cannot be read.
    pub fn committed(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.database.get_named(META, COMMITTED)
    }

    /// Saves the committed log id; not synced.
    ///
    /// # Errors
    /// The write failed, now or before.
    pub fn save_committed(&self, committed: &[u8]) -> Result<(), StoreError> {
        self.save(COMMITTED, committed, false)
    }

    /// Appends entries without gaps. They can be read at once and are **not durable** until
    /// [`flush`](Self::flush) returns. The first entry of a log that was never purged may have any index.
    ///
    /// # Errors
    /// Indexes that do not follow; a write that failed, now or before.
    pub fn append(&self, entries: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        let database = &self.0.database;
        let column = database.column(ENTRIES)?;
        let mut bounds = self.0.bounds.write();
        let next = bounds.next().unwrap_or(*first);
        let size = entries.iter().map(|(_, payload)| payload.len() + SEAL + 24).sum();
        let mut batch = WriteBatch::with_capacity_bytes(size);
        let mut record = Vec::new();
        for (expected, (index, payload)) in (next..).zip(entries) {
            if *index != expected {
                return Err(StoreError::NotContiguous {
                    expected,
                    given: *index,
                });
            }
            let key = index.to_be_bytes();
            seal_with(ENTRIES, &key, &mut record, |record| {
                record.extend_from_slice(payload)
            });
            batch.put_cf(column, key, &record);
        }
        if bounds.next().is_none() {
            database.put_named(&mut batch, META, START, &first.to_be_bytes())?;
        }
        database.write(batch, false)?;
        bounds.entries = Some((bounds.entries.map_or(*first, |(first, _)| first), *last));
        Ok(())
    }

    /// Syncs: when it returns, everything appended before is durable. Appends may go on meanwhile.
    ///
    /// # Errors
    /// The sync failed, now or before: what was appended since the last flush may be lost.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.0.database.sync()
    }

    /// The entries of `range` that the log has, without gaps.
    ///
    /// # Errors
    /// A corrupt or missing entry.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let (wanted, mut iterator) = {
            // An iterator sees the log as it is when it is made: nothing is appended or truncated between
            // reading the bounds and that, and nothing waits while it reads.
            let bounds = self.0.bounds.read();
            let Some((first, last)) = bounds.entries else {
                return Ok(Vec::new());
            };
            let wanted = range.start.max(first)..range.end.min(last.saturating_add(1));
            let iterator = self.iterator(wanted.end)?;
            (wanted, iterator)
        };
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        iterator.seek(wanted.start.to_be_bytes());
        let mut entries = Vec::new();
        for index in wanted {
            entries.push(self.read(&iterator, Some(index))?);
            iterator.next();
        }
        iterator
            .status()
            .map_err(|error| self.0.database.read_error(ENTRIES, error))?;
        Ok(entries)
    }

    /// Index of the first entry.
    pub fn first_index(&self) -> Option<u64> {
        self.0.bounds.read().entries.map(|(first, _)| first)
    }

    /// Index up to which the log was purged.
    pub fn purged_index(&self) -> Option<u64> {
        self.0.bounds.read().purged
    }

    /// Index of the last entry; not of a purged one.
    pub fn last_index(&self) -> Option<u64> {
        self.0.bounds.read().entries.map(|(_, last)| last)
    }

    /// Removes entry `index` and all after it; durable on return. Nothing happens when there are none.
    ///
    /// # Errors
    /// `index` was purged; a write that failed, now or before.
    pub fn truncate_from(&self, index: u64) -> Result<(), StoreError> {
        let mut bounds = self.0.bounds.write();
        if let Some(purged) = bounds.purged.filter(|purged| index <= *purged) {
            return Err(StoreError::BelowPurged { index, purged });
        }
        let Some((first, last)) = bounds.entries.filter(|(_, last)| index <= *last) else {
            return Ok(());
        };
        let mut batch = WriteBatch::default();
        let column = self.0.database.column(ENTRIES)?;
        batch.delete_range_cf(
            column,
            index.max(first).to_be_bytes(),
            last.saturating_add(1).to_be_bytes(),
        );
        self.0.database.write(batch, true)?;
        bounds.entries = (index > first).then(|| (first, index - 1));
        Ok(())
    }

    /// Removes all entries up to and including `index`, which may lie beyond the last one, and stores
    /// `marker` (the purged log id), atomically; durable on return. Nothing happens at or below an earlier
    /// purge.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn purge_to(&self, index: u64, marker: &[u8]) -> Result<(), StoreError> {
        let database = &self.0.database;
        let mut bounds = self.0.bounds.write();
        if bounds.purged.is_some_and(|purged| index <= purged) {
            return Ok(());
        }
        let column = database.column(ENTRIES)?;
        let mut batch = WriteBatch::default();
        if let Some((first, _)) = bounds.entries.filter(|(first, _)| *first <= index) {
            batch.delete_range_cf(column, first.to_be_bytes(), index.saturating_add(1).to_be_bytes());
        }
        let mut content = index.to_be_bytes().to_vec();
        content.extend_from_slice(marker);
        database.put_named(&mut batch, META, PURGED, &content)?;
        // Durable before files go: entries that are gone under an older marker would be a hole.
        database.write(batch, true)?;
        bounds.purged = Some(index);
        bounds.entries = bounds
            .entries
            .filter(|(_, last)| *last > index)
            .map(|(first, last)| (first.max(index.saturating_add(1)), last));
        drop(bounds);
        // Whole files go without being compacted. It only saves work: failing is no loss. Here, unlike
        // above, RocksDB takes the end as part of the range.
        let files = database
            .db()
            .delete_file_in_range_cf(column, 0_u64.to_be_bytes(), index.to_be_bytes());
        if let Err(error) = files {
            tracing::warn!(%error, index, "files of purged Raft entries stay until compaction");
        }
        Ok(())
    }

    /// The last purged index and the marker that was stored with it.
    ///
    /// # Errors
    /// It is corrupt or cannot be read.
    pub fn purged(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let Some(content) = self.0.database.get_named(META, PURGED)? else {
            return Ok(None);
        };
        let (index, marker) = content
            .split_first_chunk::<8>()
            .ok_or_else(|| self.0.database.corrupt(META, PURGED, "it is too short"))?;
        Ok(Some((u64::from_be_bytes(*index), marker.to_vec())))
    }

    fn start(&self) -> Result<Option<u64>, StoreError> {
        self.number_named(START)
    }

    fn number_named(&self, name: &'static str) -> Result<Option<u64>, StoreError> {
        let content = self.0.database.get_named(META, name)?;
        content.map_or(Ok(None), |content| {
            <[u8; 8]>::try_from(content.as_slice())
                .map(|index| Some(u64::from_be_bytes(index)))
                .map_err(|_| self.0.database.corrupt(META, name, "it is not a number"))
        })
    }
}
