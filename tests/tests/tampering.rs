//! Thousands of random edits of a peer's files, in the process that reads them: every one is found before anything
//! is served, none makes the reader say something else, and what is damaged is made whole byte for byte by the parts
//! that do so in a running peer, from two other peers that run. The same without edits raises no alarm.
//!
//! `E2L_TAMPER_EDITS` (default 2000) sets how many, `E2L_SEED` which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "tampering/blocks.rs"]
mod blocks;
#[path = "tampering/clean.rs"]
mod clean;
#[path = "tampering/edits.rs"]
mod edits;
#[path = "tampering/files.rs"]
mod files;
#[path = "tampering/raft.rs"]
mod raft;
#[path = "tampering/reading.rs"]
mod reading;
#[path = "tampering/stage.rs"]
mod stage;
#[path = "tampering/start.rs"]
mod start;

use edits::Kinds;
use stage::Stage;

#[test]
fn no_edit_of_a_peers_files_is_served() {
    let (edits, seed) = (setting("E2L_TAMPER_EDITS", 2000), setting("E2L_SEED", 1));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kinds = Kinds::default();
    let stage = Stage::set();
    let (in_place, rounds) = blocks::tamper(&stage, &mut random, edits * 80 / 100, &mut kinds);
    let at_start = start::tamper(&stage, &mut random, edits * 8 / 100, &mut kinds);
    let in_log = raft::tamper(&stage, &mut random, edits * 7 / 100, &mut kinds);
    let in_files = files::tamper(&stage, &mut random, edits * 5 / 100, &mut kinds);
    clean::run(&stage, rounds, at_start + in_files / 2);
    println!(
        "seed {seed}: {in_place} edits found and mended in place, {at_start} at the start, {in_log} in Raft logs, \
         {in_files} of files; {rounds} clean rounds without an alarm"
    );
    println!("kinds of edits: {kinds}");
    assert!(in_place + at_start + in_log + in_files >= edits);
    if edits >= 2000 {
        kinds.assert_all();
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
