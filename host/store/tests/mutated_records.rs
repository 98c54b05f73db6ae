//! Records that somebody changed who knows how checksums are made: no reader panics, and none says what is not so. What
//! fuzzing would do for the decoders of records (docs/decisions/0011-fuzzing.md), through the database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Chain, all_log, genesis};
use e2l_ledger::{Block, LogEntry, StateKey};
use e2l_store::{Intruder, LedgerStore, RawRecord, StoreOptions};
use std::collections::BTreeSet;
use std::path::Path;

const BLOCKS: u64 = 20;
const EVENTS: u64 = 3;
const ROUNDS: u64 = 50;
/// Records changed before the files are opened again.
const AT_ONCE: usize = 40;
const COLUMNS: [(&str, bool); 6] = [
    ("headers", true),
    ("blocks", true),
    ("transactions", true),
    ("batches", true),
    ("tx_index", false),
    ("logs", false),
];

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// Changes a record's content as a fuzzer does; the first eight bytes of a sealed one are its checksum.
fn mutate(record: &mut RawRecord, sealed: bool, numbers: &mut Numbers) {
    let start = if sealed { 8 } else { 0 };
    let mut content = record.value.split_off(start.min(record.value.len()));
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(content.len() + 1);
        match numbers.below(6) {
            0 if at < content.len() => content[at] = numbers.byte(),
            1 => content.insert(at, numbers.byte()),
            2 if at < content.len() => drop(content.remove(at)),
            3 => content.truncate(at),
            // Lengths and counts at their ends.
            4 => {
                let end = content.len().min(at + 4);
                content[at..end].fill([0, 0xff, 0x7f][numbers.below(3)]);
            }
            _ => content.extend_from_within(..at.min(64)),
        }
    }
    record.value.append(&mut content);
}

fn open(dir: &Path) -> Option<LedgerStore> {
    LedgerStore::open(dir, &StoreOptions::default()).ok()
}

#[test]
fn mutated_records_are_never_read_as_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let genesis = genesis("test");
    store.initialize(&genesis).unwrap();
    let mut chain = Chain::new(&genesis);
    let blocks: Vec<Block> = (0..BLOCKS)
        .map(|_| chain.events(&store.tip().unwrap(), EVENTS, 120).write(&store))
        .collect();
    let entries = store.view().log_read(&all_log(), 0, usize::MAX).unwrap();
    drop(store);

    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut opened, mut refused) = (0, BTreeSet::new());
    for _ in 0..ROUNDS {
        let intruder = Intruder::open(dir.path()).unwrap();
        let mut undo = Vec::new();
        for _ in 0..AT_ONCE {
            let (column, sealed) = COLUMNS[numbers.below(COLUMNS.len())];
            let records = intruder.records(column).unwrap();
            let good = records[numbers.below(records.len())].clone();
            let newest = BLOCKS.to_be_bytes();
            // A ledger whose newest block is damaged does not open, and nothing else would be read.
            if matches!(column, "headers" | "blocks" | "transactions") && good.key.starts_with(&newest) {
                continue;
            }
            let mut bad = good.clone();
            mutate(&mut bad, sealed, &mut numbers);
            if sealed {
                intruder.put_with_checksum(&bad).unwrap();
            } else {
                intruder.put(&bad).unwrap();
            }
            undo.push(good);
        }
        drop(intruder);
        if let Some(store) = open(dir.path()) {
            opened += 1;
            refused.extend(compare(&store, &blocks, &entries));
        }
        let intruder = Intruder::open(dir.path()).unwrap();
        for good in undo.iter().rev() {
            intruder.put(good).unwrap();
        }
    }
    assert!(opened > ROUNDS / 2, "{opened} of {ROUNDS} ledgers opened");
    assert_eq!(refused.len(), usize::try_from(BLOCKS - 1).unwrap(), "{refused:?}");
    assert_eq!(compare(&open(dir.path()).unwrap(), &blocks, &entries), []);
}

/// Reads everything: the truth, or an error. Returns the heights that are not served.
fn compare(store: &LedgerStore, blocks: &[Block], entries: &[LogEntry]) -> Vec<u64> {
    let view = store.view();
    let mut refused = Vec::new();
    for block in blocks {
        let height = block.header.height;
        match view.block(height) {
            Ok(found) => assert!(found.as_ref() == Some(block), "another block {height}"),
            Err(_) => refused.push(height),
        }
        for (result, index) in block.results.iter().zip(0..) {
            if let Ok(Some(place)) = view.transaction(&result.id) {
                assert_eq!(place, (height, index), "a transaction elsewhere");
            }
        }
        // Whatever it says of indexes, it says without a panic.
        let _ = view.index_fault(block);
    }
    if let Ok(read) = view.log_read(&all_log(), 0, usize::MAX)
        && view.check_log(&all_log()).is_ok()
    {
        assert!(read == entries, "another history");
    }
    // References of another log mend nothing, and say so without a panic.
    if let Ok(references) = view.log_references(&all_log(), 0, usize::MAX) {
        let other = StateKey::log("events", b"c1");
        assert!(!store.rewrite_log(&view, &other, &references).unwrap_or(false));
    }
    refused
}
