//! Edits of what belongs to one block or one log: found where it is read, and mended in place.

use crate::edits::edit;
use crate::stage::{Stage, close, logs};
use e2l_ledger::Canonical;
use e2l_peer::inside::{Node, OpenLedger, Unsound, receipt, sound_block};
use e2l_store::{ActorVote, RawRecord};
use fastrand::Rng;
use std::collections::{BTreeSet, HashSet};

/// Columns and whether their records have checksums that an intruder can make anew.
const COLUMNS: [(&str, bool); 7] = [
    ("headers", true),
    ("blocks", true),
    ("transactions", true),
    ("votes", true),
    ("batches", true),
    ("tx_index", false),
    ("logs", false),
];
/// Edits before the files are opened again.
const AT_ONCE: u64 = 40;

/// What an edit must have damaged.
#[derive(Default)]
struct Expected {
    blocks: BTreeSet<u64>,
    indexes: usize,
    logs: usize,
}

/// Makes at least so many edits; returns how many.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64) -> u64 {
    let truth: Vec<_> = COLUMNS
        .map(|(column, _)| (column, stage.true_records(column)))
        .into();
    let votes = true_votes(stage);
    let mut made = 0;
    while made < edits {
        stage.renew();
        let intruder = stage.intruder();
        // One column alone, or all at once: damage in one may hide behind damage in another.
        let alone = random.bool().then(|| random.usize(..COLUMNS.len()));
        for _ in 0..AT_ONCE {
            let at = alone.unwrap_or_else(|| random.usize(..COLUMNS.len()));
            let (column, forge) = COLUMNS[at];
            let records = intruder.records(column).unwrap();
            // The newest block and the genesis are looked at when the peer is started: see `start`.
            let records: Vec<_> = records
                .into_iter()
                .filter(|record| !is_end(stage, column, &record.key))
                .collect();
            if records.is_empty() {
                continue;
            }
            edit(&intruder, &records, random, forge);
            made += 1;
        }
        // What differs in the end: an edit may undo another.
        let mut expected = Expected::default();
        for (column, records) in &truth {
            expected.add(column, &differing(records, &intruder.records(column).unwrap()));
        }
        drop(intruder);
        let open = stage.open();
        assert_eq!(open.restoring, None, "damage to single records needs no restore");
        let damaged = read_everything(stage, &open.node);
        assert!(
            expected.blocks.is_subset(&damaged),
            "not found: {:?} of {:?}",
            expected.blocks,
            damaged
        );
        mend(stage, &open, &damaged, &votes, &expected);
        close(open);
        let intruder = stage.intruder();
        for (column, records) in &truth {
            // A vote that was lost is one more than needed, if the others prove the height.
            if *column != "votes" {
                let found = intruder.records(column).unwrap();
                assert!(found == *records, "column {column} is not what it was");
            }
        }
    }
    made
}

fn is_end(stage: &Stage, column: &str, key: &[u8]) -> bool {
    let block_column = matches!(column, "headers" | "blocks" | "transactions" | "votes");
    let height = || key.first_chunk::<8>().copied().map(u64::from_be_bytes);
    block_column && height().is_none_or(|height| height == 0 || height >= stage.height)
}

/// Keys of records that are not as they were, or are no more.
fn differing(truth: &[RawRecord], found: &[RawRecord]) -> Vec<Vec<u8>> {
    let found: HashSet<&RawRecord> = found.iter().collect();
    let gone = truth.iter().filter(|record| !found.contains(record));
    gone.map(|record| record.key.clone()).collect()
}

impl Expected {
    fn add(&mut self, column: &str, keys: &[Vec<u8>]) {
        match column {
            "headers" | "blocks" | "transactions" => {
                let heights = keys.iter().filter_map(|key| key.first_chunk::<8>().copied());
                self.blocks.extend(heights.map(u64::from_be_bytes));
            }
            // Fewer are enough, if they prove the height.
            "votes" => {}
            "batches" | "tx_index" => self.indexes += keys.len(),
            _ => self.logs += keys.len(),
        }
    }
}

fn true_votes(stage: &Stage) -> Vec<Vec<ActorVote>> {
    stage.renew();
    let open = stage.open();
    let votes = (1..=stage.height)
        .map(|height| open.node.store.votes(height).unwrap())
        .collect();
    close(open);
    votes
}

/// Reads all there is as the API does: the truth, or an error. Returns the heights that are damaged.
fn read_everything(stage: &Stage, node: &Node) -> BTreeSet<u64> {
    let mut damaged = BTreeSet::new();
    for (height, block) in (1..).zip(&stage.blocks) {
        match sound_block(node, height) {
            Ok(found) => {
                let (found, proof) = found.expect("a block below the newest is never said not to be");
                assert!(
                    found.encode() == block.encode(),
                    "a lie about block {height} is served"
                );
                proof.verify(&node.anchor).unwrap();
            }
            Err(Unsound::Damaged { height: found, .. }) => {
                damaged.insert(found);
                damaged.insert(height);
            }
            Err(Unsound::Unproven(_)) => {
                damaged.insert(height);
            }
        }
    }
    for id in stage.transactions() {
        // Anything but the truth is an error: this peer has not checked since its start that its index is whole.
        match receipt(node, &id) {
            Ok(Some(receipt)) => assert_eq!(receipt.verify(&node.anchor).unwrap().result.id, id),
            Ok(None) => panic!("a transaction is said not to be"),
            Err(_) => {}
        }
    }
    damaged
}

/// Mends all as the repairer does, the truth being another peer's.
fn mend(
    stage: &Stage,
    open: &OpenLedger,
    damaged: &BTreeSet<u64>,
    votes: &[Vec<ActorVote>],
    expected: &Expected,
) {
    let store = &open.node.store;
    for height in damaged {
        let at = usize::try_from(*height).unwrap() - 1;
        store.quarantine_block(*height, "test").unwrap();
        store.discard_damaged_votes(*height).unwrap();
        store.save_votes(&votes[at]).unwrap();
        store.rewrite_block(&stage.blocks[at]).unwrap();
    }
    open.node.renew_views();
    let mut indexes = 0;
    for (height, block) in (1..).zip(&stage.blocks) {
        let (found, _) = sound_block(&open.node, height).unwrap().unwrap();
        assert!(found.encode() == block.encode());
        if store.view().index_fault(block).unwrap().is_some() {
            indexes += 1;
            store.rewrite_indexes(block).unwrap();
            assert_eq!(store.view().index_fault(block).unwrap(), None);
        }
    }
    assert!(
        expected.indexes == 0 || indexes > 0 || !damaged.is_empty(),
        "an index was edited, and nobody saw it"
    );
    mend_logs(stage, open, expected);
}

fn mend_logs(stage: &Stage, open: &OpenLedger, expected: &Expected) {
    let mut found = 0;
    let view = open.node.store.view();
    let damaged: Vec<_> = logs(open)
        .into_iter()
        .filter(|log| view.check_log(log).is_err())
        .collect();
    if damaged.is_empty() {
        assert_eq!(expected.logs, 0, "a log was edited, and nobody saw it");
        return;
    }
    let truth = stage.true_references(&damaged);
    for (log, references) in damaged.iter().zip(truth) {
        found += 1;
        let mut wrong = references.clone();
        if let Some(first) = wrong.first_mut().and_then(|reference| reference.first_mut()) {
            *first ^= 1;
            assert!(
                !open.node.store.rewrite_log(&view, log, &wrong).unwrap(),
                "lies mend nothing"
            );
        }
        assert!(open.node.store.rewrite_log(&view, log, &references).unwrap());
        open.node.store.view().check_log(log).unwrap();
    }
    assert!(found > 0);
}
