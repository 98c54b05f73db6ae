//! Edits of what a peer rests on: the state, the newest block, what the store knows of itself. A start finds each, sets
//! the ledger aside and begins a new one; nothing of the old one is served.

use crate::edits::edit;
use crate::stage::{Stage, close};
use e2l_peer::inside::{Unsound, sound_block};
use fastrand::Rng;

/// Columns edited here; of those of blocks only the newest, and of the store's own those that a start relies on.
const COLUMNS: [(&str, bool); 5] = [
    ("state", false),
    ("headers", true),
    ("blocks", true),
    ("transactions", true),
    ("meta", false),
];
const NAMES: [&[u8]; 3] = [b"genesis", b"tip", b"signed/endorsement"];

/// Makes so many edits, each with a start of its own; returns how many.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64) -> u64 {
    for _ in 0..edits {
        stage.renew();
        let intruder = stage.intruder();
        let (column, forge) = COLUMNS[random.usize(..COLUMNS.len())];
        let records = intruder.records(column).unwrap();
        let newest = stage.height.to_be_bytes();
        let records: Vec<_> = records
            .into_iter()
            .filter(|record| match column {
                "state" => true,
                "meta" => NAMES.contains(&record.key.as_slice()),
                _ => record.key.starts_with(&newest),
            })
            .collect();
        let keys = edit(&intruder, &records, random, forge);
        drop(intruder);
        let open = stage.open();
        if matches!(column, "blocks" | "transactions") && open.restoring.is_none() {
            // No root covers signatures inside a block; they are checked whenever it is read.
            let read = sound_block(&open.node, stage.height);
            assert!(
                matches!(read, Err(Unsound::Damaged { .. })),
                "an edit of {column} is not found"
            );
        } else if column == "meta" && open.restoring.is_none() {
            // What was signed is also in the others' hands: they are asked before anything is signed again.
            assert_eq!(keys, [b"signed/endorsement".to_vec()]);
            assert_eq!(open.node.store.signed().endorsement, None);
        } else {
            assert!(
                open.restoring.is_some(),
                "an edit of {column} at {keys:02x?} is not found"
            );
            assert_eq!(
                open.node.newest().header.height,
                0,
                "nothing of the old ledger is used"
            );
            let kept = std::fs::read_dir(stage.scratch().join("damaged"))
                .unwrap()
                .count();
            assert_eq!(kept, 1, "the old ledger is evidence");
        }
        close(open);
    }
    edits
}
