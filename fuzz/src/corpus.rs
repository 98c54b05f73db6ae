//! Every input of the corpus, and every seed with each of its bytes changed, passes its target.

use crate::{TARGETS, seeds};
use std::path::Path;

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn the_whole_corpus_passes() {
    for (target, run) in TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus().join(target)).expect(target) {
            run(&std::fs::read(entry.expect("an entry").path()).expect("an input"));
            inputs += 1;
        }
        assert!(inputs > 0, "{target} has no corpus");
    }
}

#[test]
fn the_corpus_has_the_seeds_of_today() {
    for (target, name, bytes) in seeds() {
        let stored = std::fs::read(corpus().join(target).join(&name));
        assert!(
            stored.is_ok_and(|stored| stored == bytes),
            "{target}/{name} is stale: run cargo run --manifest-path fuzz/Cargo.toml --example seeds"
        );
    }
}

/// Cheap structure that a fuzzer needs long to find: two inputs of a kind crossed, and single bytes changed.
#[test]
fn no_cross_of_two_seeds_proves_anything_else() {
    let seeds = seeds();
    for (target, run) in TARGETS {
        let of_target: Vec<&Vec<u8>> = seeds
            .iter()
            .filter(|seed| seed.0 == target)
            .map(|seed| &seed.2)
            .collect();
        for (number, one) in of_target.iter().enumerate() {
            let other = of_target[(number + 1) % of_target.len()];
            for cut in (0..one.len().min(other.len())).step_by(37) {
                run(&[&one[..cut], &other[cut..]].concat());
            }
        }
    }
}
