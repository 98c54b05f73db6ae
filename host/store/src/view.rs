//! A consistent view of the ledger as of one height.

use crate::columns::{
    BATCHES, BLOCKS, HEADERS, STATE, TRANSACTIONS, TX_INDEX, batch_key, half, parse_transaction_key,
    transaction_key,
};
use crate::database::Database;
use crate::error::StoreError;
use crate::ledger_store::Tip;
use crate::records::Skeleton;
use crate::seal::unseal;
use crate::snapshot::OwnedSnapshot;
use crate::transactions::{StoredTransaction, TransactionChunk, read_transactions};
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::{Block, Canonical, Digest, Header, LogHead, Member, StateKey};
use lru::LruCache;
use parking_lot::Mutex;
use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Where a batch stands on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchPlace {
    /// Height of its block.
    pub height: u64,
    /// Index of its first transaction in the block.
    pub first_index: u32,
    /// Digest of its header.
    pub digest: Digest,
}

/// The ledger as it was right after the block of one height, whatever is written meanwhile. A cheap handle.
/// While it lives it keeps the database open, and the disk space of what it can still see.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    snapshot: OwnedSnapshot,
    tip: Option<Arc<Tip>>,
    skeletons: Arc<SkeletonCache>,
}

/// Skeletons read last; blocks never change, so all views share them.
pub(crate) struct SkeletonCache(Mutex<LruCache<u64, Arc<Skeleton>>>);

impl SkeletonCache {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(capacity)))
    }

    pub(crate) fn forget(&self, height: u64) {
        self.0.lock().pop(&height);
    }
}

impl View {
    pub(crate) fn take(
        database: Arc<Database>,
        tip: Option<Arc<Tip>>,
        skeletons: Arc<SkeletonCache>,
    ) -> Self {
        Self(Arc::new(Inner {
            snapshot: OwnedSnapshot::take(database),
            tip,
            skeletons,
        }))
    }

    pub(crate) fn tip(&self) -> Option<&Arc<Tip>> {
        self.0.tip.as_ref()
    }

    pub(crate) fn database(&self) -> &Database {
        self.0.snapshot.database()
    }

    pub(crate) fn read(
        &self,
        column: &'static str,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        let database = self.database();
        self.0
            .snapshot
            .snapshot()
            .get_pinned_cf(database.column(column)?, key)
            .map_err(|error| database.read_error(column, error))
    }

    /// Content of a sealed record, decoded.
    pub(crate) fn read_sealed<T>(
        &self,
        column: &'static str,
        key: &[u8],
        name: impl Fn() -> String,
        decode: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, StoreError> {
        let Some(record) = self.read(column, key)? else {
            return Ok(None);
        };
        let content = unseal(column, key, &record).ok_or("its checksum does not hold".to_owned());
        content
            .and_then(decode)
            .map(Some)
            .map_err(|why| self.database().corrupt(column, name(), why))
    }

    /// Records from `start` up to, without, `end`.
    pub(crate) fn iterate(
        &self,
        column: &'static str,
        start: &[u8],
        end: &[u8],
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end);
        let column = self.database().column(column)?;
        let mut iterator = self.0.snapshot.snapshot().raw_iterator_cf_opt(column, options);
        iterator.seek(start);
        Ok(iterator)
    }

    pub(crate) fn finish(
        &self,
        column: &'static str,
        iterator: &DBRawIterator<'_>,
    ) -> Result<(), StoreError> {
        iterator
            .status()
            .map_err(|error| self.database().read_error(column, error))
    }

    pub(crate) fn missing(&self, column: &'static str, height: u64) -> StoreError {
        self.database()
            .corrupt(column, format!("height {height}"), "it is missing")
    }

    /// Height of the newest block in this view; 0 with nothing but a genesis, or not even that.
    pub fn height(&self) -> u64 {
        self.tip().map_or(0, |tip| tip.height)
    }

    /// Value of a state key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(STATE, key.as_bytes())?.map(|value| value.to_vec()))
    }

    /// State from `start` up to, without, `end`, in the order of the keys' bytes; at most `limit` pairs.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn scan(
        &self,
        start: &StateKey,
        end: &StateKey,
        limit: usize,
    ) -> Result<Vec<(StateKey, Vec<u8>)>, StoreError> {
        let mut pairs = Vec::new();
        if start >= end {
            return Ok(pairs);
        }
        let mut iterator = self.iterate(STATE, start.as_bytes(), end.as_bytes())?;
        while pairs.len() < limit
            && let Some((key, value)) = iterator.item()
        {
            pairs.push((StateKey::from_bytes(key.to_vec()), value.to_vec()));
            iterator.next();
        }
        self.finish(STATE, &iterator)?;
        Ok(pairs)
    }

    /// All of the state, in the order of the keys' bytes. Whoever rebuilds the state map from it compares
    /// the root with the header's: that is the check that nothing was altered.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn for_each_state(&self, mut f: impl FnMut(&StateKey, &[u8])) -> Result<(), StoreError> {
        // Keys start with a small prefix byte.
        let mut iterator = self.iterate(STATE, &[], &[0xff])?;
        while let Some((key, value)) = iterator.item() {
            f(&StateKey::from_bytes(key.to_vec()), value);
            iterator.next();
        }
        self.finish(STATE, &iterator)
    }

    /// Counts state keys after `after`, at most `limit`; returns the last one counted, `None` at the end, and how many.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_state(
        &self,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<(Option<StateKey>, usize), StoreError> {
        let first = after.map_or_else(Vec::new, |after| [after.as_bytes(), &[0]].concat());
        let mut iterator = self.iterate(STATE, &first, &[0xff])?;
        let (mut last, mut count) = (None, 0);
        while count < limit
            && let Some((key, _)) = iterator.item()
        {
            last = Some(StateKey::from_bytes(key.to_vec()));
            count += 1;
            iterator.next();
        }
        self.finish(STATE, &iterator)?;
        Ok((last, count))
    }

    /// Head of a log; the empty head where there is none.
    ///
    /// # Errors
    /// It is corrupt or cannot be read.
    pub fn log_head(&self, log: &StateKey) -> Result<LogHead, StoreError> {
        let Some(value) = self.read(STATE, log.as_bytes())? else {
            return Ok(LogHead::default());
        };
        LogHead::decode(&value).map_err(|error| {
            let name = format!("log {}", String::from_utf8_lossy(log.local()));
            self.database().corrupt(STATE, name, error)
        })
    }

    /// Header of a height; `None` above this view.
    ///
    /// # Errors
    /// It is corrupt or cannot be read.
    pub fn header(&self, height: u64) -> Result<Option<Header>, StoreError> {
        if self.tip().is_none_or(|tip| height > tip.height) {
            return Ok(None);
        }
        let header = self.read_sealed(
            HEADERS,
            &height.to_be_bytes(),
            || format!("height {height}"),
            |content| Header::decode(content).map_err(|error| error.to_string()),
        )?;
        header.map(Some).ok_or_else(|| self.missing(HEADERS, height))
    }

    /// Header of a height within this view, checked against the header above it or the tip.
    fn chained_header(&self, height: u64) -> Result<Option<Header>, StoreError> {
        let Some(header) = self.header(height)? else {
            return Ok(None);
        };
        let named = match self.header(height + 1)? {
            Some(above) => Some(above.previous),
            None => self.tip().map(|tip| tip.header_digest),
        };
        if named == Some(header.digest()) {
            return Ok(Some(header));
        }
        let why = "its digest is not the one that the chain above it names";
        Err(self.database().corrupt(HEADERS, format!("height {height}"), why))
    }

    /// The skeleton of a block, checked against its header.
    pub(crate) fn skeleton(&self, height: u64) -> Result<Arc<Skeleton>, StoreError> {
        if let Some(skeleton) = self.0.skeletons.0.lock().get(&height) {
            return Ok(Arc::clone(skeleton));
        }
        let header = self
            .header(height)?
            .ok_or_else(|| self.missing(HEADERS, height))?;
        let skeleton = Arc::new(self.read_skeleton(&header)?);
        self.0.skeletons.0.lock().put(height, Arc::clone(&skeleton));
        Ok(skeleton)
    }

    fn read_skeleton(&self, header: &Header) -> Result<Skeleton, StoreError> {
        let height = header.height;
        let decode = |content: &[u8]| {
            let skeleton = Skeleton::decode(content).map_err(|error| error.to_string())?;
            if skeleton.matches(header) {
                return Ok(skeleton);
            }
            Err("it is not the block that the header commits to".to_owned())
        };
        self.read_sealed(
            BLOCKS,
            &height.to_be_bytes(),
            || format!("height {height}"),
            decode,
        )?
        .ok_or_else(|| self.missing(BLOCKS, height))
    }

    /// The block of a height, byte for byte as it was written, with every hash checked up to the header
    /// chain; `None` above this view and for the genesis, which has no proposal.
    ///
    /// # Errors
    /// It is corrupt or cannot be read.
    pub fn block(&self, height: u64) -> Result<Option<Block>, StoreError> {
        if height == 0 {
            return Ok(None);
        }
        let Some(header) = self.chained_header(height)? else {
            return Ok(None);
        };
        let skeleton = self.read_skeleton(&header)?;
        let transactions = self.transactions(height)?;
        let corrupt = |why| {
            self.database()
                .corrupt(TRANSACTIONS, format!("height {height}"), why)
        };
        let block = skeleton.assemble(header, transactions).map_err(corrupt)?;
        if block.is_consistent() {
            return Ok(Some(block));
        }
        Err(corrupt(
            "its results are not those that the header commits to".to_owned(),
        ))
    }

    fn transactions(&self, height: u64) -> Result<Vec<StoredTransaction>, StoreError> {
        let corrupt = |index: usize, why: String| {
            self.database()
                .corrupt(TRANSACTIONS, format!("height {height} index {index}"), why)
        };
        let (start, end) = (transaction_key(height, 0), transaction_key(height + 1, 0));
        let mut iterator = self.iterate(TRANSACTIONS, &start, &end)?;
        let mut transactions = Vec::new();
        while let Some((key, record)) = iterator.item() {
            let index = transactions.len();
            if parse_transaction_key(key).is_none_or(|(_, found)| found as usize != index) {
                return Err(corrupt(index, "it is missing".to_owned()));
            }
            let content = unseal(TRANSACTIONS, key, record)
                .ok_or_else(|| corrupt(index, "its checksum does not hold".to_owned()))?;
            transactions.extend(read_transactions(content).map_err(|why| corrupt(index, why))?);
            iterator.next();
        }
        self.finish(TRANSACTIONS, &iterator)?;
        Ok(transactions)
    }

    /// A transaction of a block, with those that share its record.
    pub(crate) fn transaction_chunk(&self, height: u64, index: u32) -> Result<TransactionChunk, StoreError> {
        let corrupt = |why: &str| {
            let name = format!("height {height} index {index}");
            self.database().corrupt(TRANSACTIONS, name, why)
        };
        let (start, end) = (transaction_key(height, 0), transaction_key(height + 1, 0));
        let mut iterator = self.iterate(TRANSACTIONS, &start, &end)?;
        iterator.seek_for_prev(transaction_key(height, index));
        let Some((key, record)) = iterator.item() else {
            self.finish(TRANSACTIONS, &iterator)?;
            return Err(corrupt("it is missing"));
        };
        let first = parse_transaction_key(key)
            .map(|(_, first)| first)
            .filter(|first| *first <= index);
        let first = first.ok_or_else(|| corrupt("it is missing"))?;
        let content =
            unseal(TRANSACTIONS, key, record).ok_or_else(|| corrupt("its checksum does not hold"))?;
        let transactions = read_transactions(content).map_err(|why| corrupt(&why))?;
        let chunk = TransactionChunk::new(height, first, transactions);
        match chunk.get(height, index) {
            Some(_) => Ok(chunk),
            None => Err(corrupt("it is missing")),
        }
    }

    /// Height and index of a transaction, or of the refusal of an envelope, by its id. Of several refusals
    /// of the same envelope the first counts.
    ///
    /// # Errors
    /// A record is corrupt or cannot be read.
    pub fn transaction(&self, id: &Digest) -> Result<Option<(u64, u32)>, StoreError> {
        let Some(place) = self.read(TX_INDEX, &half(id))? else {
            return Ok(None);
        };
        let corrupt = |why: &str| self.database().corrupt(TX_INDEX, id, why);
        let (height, index) =
            parse_transaction_key(&place).ok_or_else(|| corrupt("it is no place in the ledger"))?;
        let header = match height {
            0 => None,
            height => self.header(height)?,
        };
        if header.is_none_or(|header| index >= header.transactions) {
            return Err(corrupt("it leads to a place that the ledger does not have"));
        }
        let skeleton = self.skeleton(height)?;
        let stored = skeleton.envelope(index).map(|envelope| envelope.result_id(index));
        let stored = stored.ok_or_else(|| corrupt("it leads to a place that the ledger does not have"))?;
        if stored == *id {
            return Ok(Some((height, index)));
        }
        // Anyone can ask for an id that begins like another.
        if half(&stored) == half(id) {
            return Ok(None);
        }
        Err(corrupt("it leads to a transaction with another id"))
    }

    /// Where an executed batch stands.
    ///
    /// # Errors
    /// The record is corrupt or cannot be read.
    pub fn batch(
        &self,
        sender: &Member,
        incarnation: u64,
        sequence: u64,
    ) -> Result<Option<BatchPlace>, StoreError> {
        let key = batch_key(sender, incarnation, sequence);
        let name = || format!("{sender} incarnation {incarnation} sequence {sequence}");
        self.read_sealed(BATCHES, &key, name, |content| {
            borsh::from_slice(content).map_err(|error| error.to_string())
        })
    }

    /// The first height whose block time is at or after `time_nano` (nanoseconds since the Unix epoch);
    /// `None` if all are before. Block time never decreases with height.
    ///
    /// # Errors
    /// A header is corrupt or cannot be read.
    pub fn header_at_or_after(&self, time_nano: i64) -> Result<Option<u64>, StoreError> {
        let Some(tip) = self.tip().filter(|tip| tip.header.time_nano >= time_nano) else {
            return Ok(None);
        };
        let (mut low, mut high) = (0, tip.height);
        while low < high {
            let middle = low + (high - low) / 2;
            let header = self
                .header(middle)?
                .ok_or_else(|| self.missing(HEADERS, middle))?;
            if header.time_nano < time_nano {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Some(low))
    }
}
