//! Edits of the Raft log and vote: a peer whose promises may be lost does not start.

use crate::edits::edit;
use crate::stage::{Stage, close, copy};
use e2l_store::{Intruder, RawRecord, wait_until_closed};
use fastrand::Rng;
use std::time::Duration;

/// Records whose loss is none: they only save work.
const DISPENSABLE: [&[u8]; 3] = [b"committed", b"pointed", b"rejoining"];

/// Makes so many edits, each with a start of its own; returns how many.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64) -> u64 {
    stage.renew();
    let mut open = stage.open();
    let log = stage.scratch().join("raft");
    for _ in 0..edits {
        std::fs::remove_dir_all(&log).unwrap();
        copy(&stage.pristine().join("raft"), &log);
        let intruder = Intruder::open(&log).unwrap();
        let column = if random.bool() { "entries" } else { "meta" };
        let records: Vec<RawRecord> = intruder.records(column).unwrap();
        let keys = edit(&intruder, &records, random, false);
        let gone = |key: &Vec<u8>| {
            !intruder
                .records(column)
                .unwrap()
                .iter()
                .any(|record| record.key == *key)
        };
        let harmless = keys
            .iter()
            .all(|key| DISPENSABLE.contains(&key.as_slice()) && gone(key));
        drop(intruder);
        match open.compare_log(stage.options(), false) {
            Ok(_) => assert!(harmless, "an edit of {column} at {keys:02x?} is not found"),
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
