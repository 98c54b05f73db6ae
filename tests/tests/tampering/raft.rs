//! Edits of the Raft log and vote: a peer whose promises may be lost does not start.

use crate::edits::{Kinds, Older, edit};
use crate::stage::{Stage, close};
use e2l_store::{Intruder, RawRecord, wait_until_closed};
use e2l_tests::copy_dir;
use fastrand::Rng;
use std::time::Duration;

/// Records whose loss is none: they only save work.
pub const DISPENSABLE: [&[u8]; 3] = [b"committed", b"pointed", b"rejoining"];

/// Makes so many edits, each with a start of its own; returns how many.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64, kinds: &mut Kinds) -> u64 {
    stage.renew();
    let mut open = stage.open();
    let log = stage.scratch().join("raft");
    for _ in 0..edits {
        std::fs::remove_dir_all(&log).unwrap();
        copy_dir(&stage.pristine().join("raft"), &log);
        let intruder = Intruder::open(&log).unwrap();
        let column = if random.bool() { "entries" } else { "meta" };
        let records: Vec<RawRecord> = intruder.records(column).unwrap();
        // An older valid vote alone is the one edit that is not found here (docs/decisions/0013-rejoin.md); older
        // files are in `files`.
        let edited = edit(&intruder, &records, &Older::new(), random, false);
        kinds.count(&format!("raft {column}"), edited.kind);
        let gone = |key: &Vec<u8>| {
            !intruder
                .records(column)
                .unwrap()
                .iter()
                .any(|record| record.key == *key)
        };
        let harmless = edited
            .keys
            .iter()
            .all(|key| DISPENSABLE.contains(&key.as_slice()) && gone(key));
        drop(intruder);
        match open.compare_log(stage.options(), false) {
            Ok(_) => assert!(
                harmless,
                "an edit of {column} at {:02x?} is not found",
                edited.keys
            ),
            Err(error) => {
                let said = format!("{error:#}");
                assert!(said.contains("--rejoin"), "it must say what to do: {said}");
            }
        }
    }
    // One that is gone as a whole is no new one.
    std::fs::remove_dir_all(&log).unwrap();
    let error = open.compare_log(stage.options(), false).unwrap_err();
    assert!(format!("{error:#}").contains("--rejoin"));
    // The documented way back starts, and says that it may not vote.
    std::fs::remove_dir_all(&log).unwrap();
    assert!(open.compare_log(stage.options(), true).unwrap().rejoining);
    assert!(
        open.compare_log(stage.options(), false).unwrap().rejoining,
        "until it is back"
    );
    close(open);
    assert!(wait_until_closed(Duration::ZERO));
    edits
}
