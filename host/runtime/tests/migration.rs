//! A contract's `migrate`: once, with limits of its own, all or nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::state::MemoryState;
use common::{Block, LIMITS, built, context, deep, failure, output};
use e2l_runtime::{Admitted, CallLimits, Failure, Outcome, Runtime, RuntimeError, StaticLimits};
use std::sync::OnceLock;

/// The tests' contract, which does in `migrate` what a call has written down.
fn upgrades() -> &'static Admitted {
    static ADMITTED: OnceLock<Admitted> = OnceLock::new();
    ADMITTED.get_or_init(|| {
        let component = built("tests/contracts/upgrades");
        let admitted = Runtime::new()
            .unwrap()
            .admit(&component, &StaticLimits::default());
        admitted.unwrap_or_else(|error| panic!("{error}"))
    })
}

fn told(what: &str, limits: CallLimits) -> Block {
    let mut block = Block::new(upgrades(), limits);
    assert_eq!(output(block.invoke("set", format!("migrate={what}"))), "");
    block
}

fn unchanged(before: &MemoryState, after: &MemoryState) {
    assert_eq!(after.values, before.values);
    assert_eq!(after.logs, before.logs);
}

#[test]
fn a_migration_writes_keys_and_logs_and_learns_what_it_replaces() {
    deep(|| {
        assert!(upgrades().migrates() && upgrades().prepares());
        let mut block = told("append", LIMITS);
        assert_eq!(output(block.migrate("1.0.0")), "from `1.0.0`");
        assert_eq!(block.state.values[b"migrated".as_slice()], b"1.0.0");
        assert_eq!(block.state.logs[b"log".as_slice()], [b"entry".to_vec()]);
    });
}

#[test]
fn after_a_preparation_a_migration_writes_keys_only() {
    deep(|| {
        let mut block = told("ok", LIMITS);
        assert_eq!(output(block.migrate_keys("1.0.0")), "from `1.0.0`");
        assert_eq!(block.state.values[b"migrated".as_slice()], b"1.0.0");
        let mut block = told("append", LIMITS);
        let before = block.state.clone();
        assert_eq!(failure(&block.migrate_keys("1.0.0")), Failure::IllegalAccess);
        unchanged(&before, &block.state);
    });
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    deep(|| {
        for (what, expected) in [
            ("trap", Failure::Trapped),
            ("burn", Failure::OutOfFuel),
            ("write 256", Failure::WriteLimit),
        ] {
            let mut block = told(what, LIMITS);
            let before = block.state.clone();
            let outcome = block.migrate("1.0.0");
            assert_eq!(failure(&outcome), expected, "{what}");
            assert!(outcome.fuel() <= LIMITS.fuel);
            unchanged(&before, &block.state);
        }
        let mut block = told("refuse", LIMITS);
        let before = block.state.clone();
        let outcome = block.migrate("1.0.0");
        assert!(matches!(&outcome, Outcome::Rejected { message, .. } if message.contains("refuses")));
        unchanged(&before, &block.state);
        assert_eq!(output(told("write 255", LIMITS).migrate("")), "from ``");
    });
}

#[test]
fn only_a_contract_that_has_a_migration_is_asked() {
    deep(|| {
        let mut block = Block::hostile();
        let state = block.state.begin(b"");
        let error = block
            .session
            .migrate(state, &context(), "")
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, RuntimeError::NoMigration), "{error}");
    });
}
