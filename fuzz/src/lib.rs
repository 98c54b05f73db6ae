//! What must hold for any bytes: one function per target, which panics when it does not. libFuzzer calls them with
//! bytes of its own (`fuzz_targets/`), the tests of `corpus` with the corpus.

mod borrowed;
// Not in `tests/`: for those cargo would link every target anew.
#[cfg(test)]
mod corpus;
mod reconcile;
mod seeds;
mod targets;
mod truth;

// Where the borrowed modules look for each other.
use borrowed::{built, entry_value, error, recent, reserved, source_tree, tar, toolchain};

pub use seeds::{Seed, seeds};
pub use targets::collector::{engine_event, spool};
pub use targets::encodings::{DECODERS, decode, event};
pub use targets::governance::{governance, package};
pub use targets::proofs::{
    ancestry, audit, config_change, evidence, final_header, log_page, proof_file, receipt, sender_head,
};
pub use targets::signatures::{certificate, genesis, vote};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 18] = [
    ("decode", decode),
    ("event", event),
    ("certificate", certificate),
    ("final_header", final_header),
    ("receipt", receipt),
    ("log_page", log_page),
    ("sender_head", sender_head),
    ("ancestry", ancestry),
    ("evidence", evidence),
    ("proof_file", proof_file),
    ("genesis", genesis),
    ("audit", audit),
    ("vote", vote),
    ("spool", spool),
    ("engine_event", engine_event),
    ("config_change", config_change),
    ("governance", governance),
    ("package", package),
];
