//! Rounds of faults around a collector that reads a real engine. In each, containers live and die while something is
//! killed, stopped, overrun or full. Afterwards every transition of every container, as the engine's own inspection has it,
//! is on the ledger once, observed or inferred, with the times and exit code of inspection, or a gap covers it.
//!
//! `E2L_ROUNDS` (default 15) sets how many, `E2L_SEED` which. Needs root; see `PrivateEngine`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "collector_faults/check.rs"]
mod check;
#[path = "collector_faults/fault.rs"]
mod fault;
#[path = "collector_faults/stage.rs"]
mod stage;
#[path = "collector_faults/truth.rs"]
mod truth;

use fault::Fault;
use stage::Stage;
use std::collections::BTreeMap;

#[test]
fn no_fault_loses_a_transition_silently() {
    let (rounds, seed) = (setting("E2L_ROUNDS", 15), setting("E2L_SEED", 1));
    let Some(mut stage) = Stage::set("no_fault_loses_a_transition_silently", seed) else {
        return;
    };
    let mut kinds: BTreeMap<Fault, u64> = BTreeMap::new();
    for round in 0..rounds {
        let fault = Fault::of_round(round, &mut stage.random);
        println!("seed {seed}, round {round}: {fault:?}");
        fault.happen(&mut stage);
        stage.check(&format!("seed {seed}, round {round}, {fault:?}"));
        *kinds.entry(fault).or_default() += 1;
    }
    let summary = stage.summary();
    println!("seed {seed}: {rounds} rounds, {kinds:?}; {summary}");
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
