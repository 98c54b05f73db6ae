//! What the ledger's database takes, as it says itself.

use crate::database::Database;
use crate::error::StoreError;
use crate::options::column_names;
use rocksdb::properties::{BLOCK_CACHE_USAGE, CUR_SIZE_ALL_MEM_TABLES, LIVE_SST_FILES_SIZE};

/// Bytes in memory and in files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreMemory {
    /// New records in memory, those included that are being written to files.
    pub buffers: u64,
    /// Blocks, indexes and filters kept for reading.
    pub cache: u64,
    /// Table files.
    pub files: u64,
}

impl StoreMemory {
    pub(crate) fn of(database: &Database) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for name in column_names() {
            let column = database.column(name)?;
            let value = |property| {
                let value = database.db().property_int_value_cf(column, property);
                value
                    .map(Option::unwrap_or_default)
                    .map_err(|error| database.read_error(name, error))
            };
            found.buffers += value(CUR_SIZE_ALL_MEM_TABLES)?;
            found.files += value(LIVE_SST_FILES_SIZE)?;
            // All columns share one cache.
            found.cache = value(BLOCK_CACHE_USAGE)?;
        }
        Ok(found)
    }
}
