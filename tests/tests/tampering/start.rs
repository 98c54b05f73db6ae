//! Edits of what a peer rests on: the state, the newest block, what the store knows of itself. A start finds each, sets
//! the ledger aside and begins a new one; or what is lost is no more than a crash may lose, and the other peers know it.

use crate::edits::{Edited, Kinds, edit};
use crate::stage::{Stage, close};
use e2l_ledger::{Canonical, Vote};
use e2l_peer::inside::{OpenLedger, Unsound, sound_block};
use e2l_store::RawRecord;
use fastrand::Rng;

/// Columns edited here; of those of blocks only the newest.
const COLUMNS: [(&str, bool); 6] = [
    ("state", false),
    ("headers", true),
    ("blocks", true),
    ("transactions", true),
    ("meta", false),
    ("meta", false),
];
/// Records of `meta` without which there is no ledger.
const NEEDED: [&str; 2] = ["genesis", "tip"];

/// Makes so many edits, each with a start of its own; returns how many.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64, kinds: &mut Kinds) -> u64 {
    for _ in 0..edits {
        stage.renew();
        let intruder = stage.intruder();
        let (column, forge) = COLUMNS[random.usize(..COLUMNS.len())];
        let newest = stage.height.to_be_bytes();
        let is_here = |record: &RawRecord| match column {
            "state" => true,
            "meta" => !is_kept(&record.key),
            _ => record.key.starts_with(&newest),
        };
        let records = intruder.records(column).unwrap();
        let records: Vec<_> = records.into_iter().filter(is_here).collect();
        let edited = edit(&intruder, &records, stage.older_records(column), random, forge);
        kinds.count(column, edited.kind);
        drop(intruder);
        let open = stage.open();
        if open.restoring.is_some() {
            is_set_aside(stage, &open);
        } else if column == "meta" {
            is_no_loss(stage, &open, &edited);
        } else {
            // No root covers signatures inside a block; they are checked whenever it is read.
            assert!(
                matches!(column, "blocks" | "transactions"),
                "an edit of {column} is not found"
            );
            let read = sound_block(&open.node, stage.height);
            assert!(
                matches!(read, Err(Unsound::Damaged { .. })),
                "an edit of {column} is not found"
            );
        }
        close(open);
    }
    edits
}

/// Incidents, evidence, certificates and what is kept aside: see `blocks`.
fn is_kept(key: &[u8]) -> bool {
    let kinds: [&[u8]; 4] = [b"incident/", b"evidence/", b"quarantine/", b"certificate/"];
    kinds.iter().any(|kind| key.starts_with(kind))
}

/// Nothing of the old ledger is used, and it is evidence.
pub fn is_set_aside(stage: &Stage, open: &OpenLedger) {
    assert_eq!(
        open.node.newest().header.height,
        0,
        "nothing of the old ledger is used"
    );
    let kept = std::fs::read_dir(stage.scratch().join("damaged")).map_or(0, Iterator::count);
    assert_eq!(kept, 1, "the old ledger is evidence");
}

/// A record of the store's own was removed, or is an older valid one: what is shown is true all the same, and what
/// this peer has signed since is in the others' hands, who are asked before it signs again.
fn is_no_loss(stage: &Stage, open: &OpenLedger, edited: &Edited) {
    let names: Vec<String> = edited
        .keys
        .iter()
        .map(|key| String::from_utf8_lossy(key).into_owned())
        .collect();
    assert!(
        matches!(edited.kind, "deletion" | "rollback"),
        "a {} of {names:?} is not found",
        edited.kind
    );
    assert!(
        !names.iter().any(|name| NEEDED.contains(&name.as_str())),
        "{names:?} is not missed"
    );
    let signed = open.node.store.signed();
    for vote in &stage.own_votes {
        let (record, known) = match vote {
            Vote::Acknowledgement(_) => ("signed/acknowledgement", signed.ack),
            Vote::Endorsement(_) => ("signed/endorsement", signed.endorsement),
        };
        let is_behind = known.is_none_or(|(height, _)| height < vote.height());
        assert_eq!(
            is_behind,
            names.iter().any(|name| name == record),
            "what is lost of {record} is what the others know more of"
        );
    }
    for height in 1..=stage.height {
        let (block, proof) = sound_block(&open.node, height).unwrap().unwrap();
        assert!(
            block.encode() == stage.truth.block(height).encode(),
            "a lie is served"
        );
        proof.verify(&open.node.anchor).unwrap();
    }
}
