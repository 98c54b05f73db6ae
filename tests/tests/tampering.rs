//! Thousands of random edits of a peer's files, in the process that reads them: every one is found before anything
//! is served, none makes the reader say something else, and what is damaged is made whole byte for byte.
//!
//! `E2L_TAMPER_EDITS` (default 2000) sets how many, `E2L_SEED` which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "tampering/blocks.rs"]
mod blocks;
#[path = "tampering/edits.rs"]
mod edits;
#[path = "tampering/raft.rs"]
mod raft;
#[path = "tampering/stage.rs"]
mod stage;
#[path = "tampering/start.rs"]
mod start;

use stage::Stage;

#[test]
fn no_edit_of_a_peers_files_is_served() {
    let (edits, seed) = (setting("E2L_TAMPER_EDITS", 2000), setting("E2L_SEED", 1));
    let mut random = fastrand::Rng::with_seed(seed);
    let stage = Stage::set();
    stage.nothing_is_wrong_without_edits();
    let in_place = blocks::tamper(&stage, &mut random, edits * 8 / 10);
    let at_start = start::tamper(&stage, &mut random, edits / 10);
    let in_log = raft::tamper(&stage, &mut random, edits / 10);
    println!(
        "seed {seed}: {in_place} edits found and mended in place, {at_start} at the start, {in_log} in Raft logs"
    );
    assert!(in_place + at_start + in_log >= edits);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
