//! Someone with write access to a ledger's files, for tests: edits records behind the peer's back, and knows how
//! their checksums are made.

use crate::columns::{
    BATCHES, BLOCKS, HEADERS, LOGS, META, STATE, TRANSACTIONS, TX_INDEX, VOTES, parse_transaction_key,
    transaction_key,
};
use crate::error::StoreError;
use crate::seal::{SEAL, seal};
use crate::transactions::falsify;
use rocksdb::{DB, IteratorMode, Options};
use std::path::{Path, PathBuf};

/// A record: its column, key and value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RawRecord {
    /// Name of the column family.
    pub column: String,
    /// The key.
    pub key: Vec<u8>,
    /// The value, checksum included.
    pub value: Vec<u8>,
}

/// Edits a ledger that no peer has open.
pub struct Intruder {
    db: DB,
    dir: PathBuf,
}

impl Intruder {
    /// All columns of a ledger.
    pub const COLUMNS: [&'static str; 9] = [
        HEADERS,
        BLOCKS,
        TRANSACTIONS,
        STATE,
        LOGS,
        TX_INDEX,
        BATCHES,
        VOTES,
        META,
    ];

    /// Columns whose records are sealed with a checksum and belong to one block each.
    pub const BLOCK_COLUMNS: [&'static str; 3] = [HEADERS, BLOCKS, TRANSACTIONS];

    /// Columns whose records are sealed with a checksum.
    pub const SEALED_COLUMNS: [&'static str; 6] = [HEADERS, BLOCKS, TRANSACTIONS, BATCHES, VOTES, META];

    /// Opens the files of a ledger.
    ///
    /// # Errors
    /// They are not a database, or a peer has it open.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let error = |why: rocksdb::Error| StoreError::Open {
            dir: dir.to_owned(),
            why: why.to_string(),
        };
        let options = Options::default();
        let columns = DB::list_cf(&options, dir).map_err(error)?;
        let db = DB::open_cf(&options, dir, columns).map_err(error)?;
        Ok(Self {
            db,
            dir: dir.to_owned(),
        })
    }

    fn failed(&self, why: impl ToString) -> StoreError {
        StoreError::Open {
            dir: self.dir.clone(),
            why: why.to_string(),
        }
    }

    /// All records of a column.
    ///
    /// # Errors
    /// There is no such column, or it cannot be read.
    pub fn records(&self, column: &str) -> Result<Vec<RawRecord>, StoreError> {
        let handle = self
            .db
            .cf_handle(column)
            .ok_or_else(|| self.failed("no such column"))?;
        let mut records = Vec::new();
        for item in self.db.iterator_cf(handle, IteratorMode::Start) {
            let (key, value) = item.map_err(|error| self.failed(error))?;
            records.push(RawRecord {
                column: column.to_owned(),
                key: key.into(),
                value: value.into(),
            });
        }
        Ok(records)
    }

    /// Writes a record as it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, record: &RawRecord) -> Result<(), StoreError> {
        let handle = self.db.cf_handle(&record.column);
        let handle = handle.ok_or_else(|| self.failed("no such column"))?;
        let written = self.db.put_cf(handle, &record.key, &record.value);
        written.map_err(|error| self.failed(error))
    }

    /// Removes a column with all its records, as one who deletes files does.
    ///
    /// # Errors
    /// There is no such column, or it cannot be removed.
    pub fn drop_column(&mut self, column: &str) -> Result<(), StoreError> {
        let dropped = self.db.drop_cf(column);
        dropped.map_err(|error| self.failed(error))
    }

    /// Writes a record with a checksum that holds.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put_with_checksum(&self, record: &RawRecord) -> Result<(), StoreError> {
        if !Self::SEALED_COLUMNS.contains(&record.column.as_str()) {
            return Err(self.failed("its records have no checksum"));
        }
        let content = record.value.get(SEAL..).unwrap_or_default();
        self.put(&RawRecord {
            value: seal(&record.column, &record.key, content),
            ..record.clone()
        })
    }

    /// Changes bytes of a stored transaction's argument, in a record that looks untouched.
    ///
    /// # Errors
    /// There is no such transaction, its argument does not hold `from`, or the record cannot be written.
    pub fn falsify(&self, (height, index): (u64, u32), from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        let key = transaction_key(height, index);
        let records = self.records(TRANSACTIONS)?.into_iter();
        // The last record that begins at the transaction or before it; its neighbours share it.
        let record = records
            .take_while(|record| record.key.as_slice() <= &key[..])
            .last();
        let found = record.and_then(|record| Some((parse_transaction_key(&record.key)?, record)));
        let Some(((_, first), mut record)) = found.filter(|((found, _), _)| *found == height) else {
            return Err(self.failed(format!(
                "there is no transaction at height {height} index {index}"
            )));
        };
        let content = record.value.get(SEAL..).unwrap_or_default();
        let falsified = falsify(content, (index - first) as usize, from, to);
        let falsified = falsified.map_err(|why| self.failed(why))?;
        record.value.splice(SEAL.., falsified);
        self.put_with_checksum(&record)
    }

    /// Removes a record.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn delete(&self, record: &RawRecord) -> Result<(), StoreError> {
        let handle = self.db.cf_handle(&record.column);
        let handle = handle.ok_or_else(|| self.failed("no such column"))?;
        let deleted = self.db.delete_cf(handle, &record.key);
        deleted.map_err(|error| self.failed(error))
    }
}
