//! Memory and background work of the ledger's database.

use crate::columns::{BATCHES, BLOCKS, HEADERS, LOGS, META, STATE, TRANSACTIONS, TX_INDEX, VOTES};
use crate::database::durable_options;
use rocksdb::{BlockBasedIndexType, BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, Options};

/// How much the ledger's database may use. The defaults stay below 64 MiB of memory in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes of uncompressed blocks, indexes and filters kept for reading. Default 16 MiB.
    pub block_cache_bytes: usize,
    /// Bytes of new records kept in memory before they become files. While files are written it can be
    /// twice as much. Default 12 MiB, at least 2 MiB.
    pub write_buffer_bytes: usize,
    /// Threads for writing and compacting files. Default 2.
    pub background_jobs: u16,
    /// Block skeletons (envelope headers) kept for reading logs. A skeleton of one batch takes 1 KB, of a
    /// thousand requests 500 KB. Default 16, at least 1.
    pub cached_skeletons: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 16 << 20,
            write_buffer_bytes: 12 << 20,
            background_jobs: 2,
            cached_skeletons: 16,
        }
    }
}

/// Size of blocks in files: larger ones compress better, smaller ones cost less to look one record up.
const COLUMNS: [(&str, Shape); 9] = [
    (
        TRANSACTIONS,
        Shape {
            share: 24,
            block: 16 << 10,
            bloom: false,
            appended: true,
            packed: true,
        },
    ),
    (
        LOGS,
        Shape {
            share: 20,
            block: 8 << 10,
            bloom: false,
            appended: false,
            packed: false,
        },
    ),
    (
        TX_INDEX,
        Shape {
            share: 24,
            block: 8 << 10,
            bloom: true,
            appended: false,
            packed: false,
        },
    ),
    (
        STATE,
        Shape {
            share: 17,
            block: 8 << 10,
            bloom: true,
            appended: false,
            packed: false,
        },
    ),
    (
        BLOCKS,
        Shape {
            share: 5,
            block: 16 << 10,
            bloom: false,
            appended: true,
            packed: false,
        },
    ),
    (
        HEADERS,
        Shape {
            share: 2,
            block: 8 << 10,
            bloom: false,
            appended: true,
            packed: false,
        },
    ),
    (
        BATCHES,
        Shape {
            share: 3,
            block: 8 << 10,
            bloom: true,
            appended: false,
            packed: false,
        },
    ),
    (
        VOTES,
        Shape {
            share: 3,
            block: 8 << 10,
            bloom: false,
            appended: true,
            packed: false,
        },
    ),
    (
        META,
        Shape {
            share: 2,
            block: 4 << 10,
            bloom: false,
            appended: false,
            packed: false,
        },
    ),
];

/// Names of the ledger's columns.
pub(crate) fn column_names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _)| *name)
}

#[derive(Clone, Copy)]
struct Shape {
    /// Percent of the write buffers.
    share: usize,
    /// Bytes of a block in a file.
    block: usize,
    /// Whether most look-ups of absent keys must not touch a file.
    bloom: bool,
    /// Whether new keys are always behind all others.
    appended: bool,
    /// Whether most of a record is compressed already.
    packed: bool,
}

/// Bytes of a part of a file's index or filter.
const METADATA_BLOCK: usize = 4 << 10;

/// The fastest of the library's usual levels.
const ZSTD_LEVEL: i32 = 1;

impl StoreOptions {
    pub(crate) fn database(&self) -> Options {
        let mut options = durable_options();
        // Small columns keep the log of large ones alive until they are flushed for their age.
        options.set_max_total_wal_size((self.write_buffer_bytes as u64).max(2 << 20) * 3);
        options.set_max_background_jobs(i32::from(self.background_jobs.max(1)) + 1);
        options
    }

    pub(crate) fn columns(&self) -> Vec<(&'static str, Options)> {
        let cache = Cache::new_lru_cache(self.block_cache_bytes);
        let buffers = self.write_buffer_bytes.max(2 << 20);
        COLUMNS
            .iter()
            .map(|(name, shape)| (*name, shape.options(&cache, buffers)))
            .collect()
    }
}

impl Shape {
    fn options(self, cache: &Cache, buffers: usize) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_block_size(self.block);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        // A merged file's whole index or filter has megabytes, which one look-up after the other would read, check and
        // push out of the cache again: parts of a few kilobytes stay.
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        table.set_partition_filters(true);
        table.set_metadata_block_size(METADATA_BLOCK);
        table.set_pin_top_level_index_and_filter(true);
        if self.bloom {
            table.set_bloom_filter(10.0, false);
        }
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        if self.packed {
            options.set_compression_type(DBCompressionType::None);
        } else if self.appended {
            // Files of keys that only grow are never merged, only moved down: they are compressed once, for good.
            options.set_compression_type(DBCompressionType::Zstd);
            options.set_compression_options(-14, ZSTD_LEVEL, 0, 0);
        } else {
            options.set_compression_type(DBCompressionType::Lz4);
            // Each file has keys from everywhere: levels would rewrite all of a column for every few files, which costs
            // more the longer the ledger is.
            options.set_compaction_style(DBCompactionStyle::Universal);
        }
        options.set_write_buffer_size((buffers / 100 * self.share).max(64 << 10));
        options.set_max_write_buffer_number(2);
        options
    }
}
