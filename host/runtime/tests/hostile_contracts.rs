//! Whatever a contract does, the call ends with an outcome of its own, the same every time, and harms no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Block, LIMITS, admitted, component, context, deep, failure, output};
use e2l_runtime::{CallLimits, Failure, Outcome, Runtime, RuntimeError, StaticLimits};

/// Every way to fail: function, argument, how it ends, and a word of the explanation.
const FAILURES: [(&str, &str, Failure, &str); 14] = [
    ("loop", "", Failure::OutOfFuel, "fuel"),
    ("spend", "1000000", Failure::OutOfFuel, "fuel"),
    ("bomb", "", Failure::OutOfMemory, "33554432 bytes"),
    // One growth over the limit, and one over what a memory can have at all.
    ("grow", "600", Failure::OutOfMemory, "33554432 bytes"),
    ("grow", "65536", Failure::OutOfMemory, "33554432 bytes"),
    ("recurse", "10000000", Failure::StackOverflow, "stack"),
    ("panic", "", Failure::Trapped, "unreachable"),
    ("oversized", "65537", Failure::OutputTooLarge, "65537 bytes"),
    ("oversized", "9000000", Failure::OutputTooLarge, "9000000 bytes"),
    ("many-writes", "254", Failure::WriteLimit, "256 writes"),
    ("many-bytes", "1048576", Failure::WriteLimit, "1048576 bytes"),
    ("long-key", "1025", Failure::IllegalAccess, "1025 bytes"),
    ("long-key", "10000000", Failure::IllegalAccess, "10000000 bytes"),
    ("beyond-argument", "123", Failure::IllegalAccess, "0 to 4"),
];

fn assert_fails(outcome: &Outcome, expected: Failure, word: &str, call: &str) {
    match outcome {
        Outcome::Failed { kind, detail, fuel } => {
            assert_eq!(*kind, expected, "{call}: {detail}");
            assert!(detail.contains(word), "{call}: {detail}");
            assert!((1..=LIMITS.fuel).contains(fuel), "{call}: {fuel}");
        }
        other => panic!("{call}: {other:?}"),
    }
}

#[test]
fn each_failure_has_its_kind_leaves_nothing_behind_and_harms_no_neighbour() {
    deep(|| {
        let mut block = Block::hostile();
        let mut expected = 1;
        let first = block.assert_counts(expected);
        for (function, argument, kind, word) in FAILURES {
            assert_fails(&block.invoke(function, argument), kind, word, function);
            expected += 1;
            // A fresh instance costs what the first one did, up to the length of the counter.
            let fuel = block.assert_counts(expected);
            assert!(fuel.abs_diff(first) < 1_000, "{function}: {fuel} after {first}");
        }
        let calls = &block.state.logs[b"calls".as_slice()];
        assert_eq!(calls.len() as u64, expected);
        assert!(calls.iter().all(|call| call == b"harmless"));
        assert!(!block.state.values.contains_key(b"mark".as_slice()));
    });
}

#[test]
fn outcome_and_fuel_are_the_same_in_another_engine_and_after_other_calls() {
    deep(|| {
        let runtime = Runtime::new().unwrap();
        let elsewhere = runtime.admit(component(), &StaticLimits::default()).unwrap();
        let mut used = Block::hostile();
        assert!(matches!(used.invoke("taint", ""), Outcome::Accepted { .. }));
        for (function, argument, ..) in FAILURES {
            let alone = Block::hostile().invoke(function, argument);
            let mut fresh = Block::new(&elsewhere, LIMITS);
            assert_eq!(fresh.invoke(function, argument), alone, "{function} elsewhere");
            assert_eq!(fresh.invoke(function, argument), alone, "{function} again");
            assert_eq!(used.invoke(function, argument), alone, "{function} after others");
            used.invoke("taint", "");
        }
    });
}

#[test]
fn a_sequence_of_calls_costs_the_same_fuel_everywhere() {
    deep(|| {
        let calls = [
            ("count", "a"),
            ("taint", ""),
            ("count", "b"),
            ("panic", ""),
            ("count", "c"),
            ("reject", "no"),
            ("touchy", "trap"),
            ("count", "d"),
            ("nan", ""),
        ];
        let run = |mut block: Block| -> Vec<Outcome> {
            calls
                .iter()
                .map(|(function, argument)| block.invoke(function, argument))
                .collect()
        };
        let elsewhere = Runtime::new()
            .unwrap()
            .admit(component(), &StaticLimits::default());
        assert_eq!(
            run(Block::hostile()),
            run(Block::new(&elsewhere.unwrap(), LIMITS))
        );
    });
}

#[test]
fn what_is_just_within_the_limits_is_accepted() {
    deep(|| {
        for (function, argument) in [
            ("oversized", "65536"),
            ("many-writes", "253"),
            ("long-key", "1024"),
            ("recurse", "10000"),
            ("spend", "1000"),
            ("grow", "100"),
        ] {
            let outcome = Block::hostile().invoke(function, argument);
            assert!(
                matches!(outcome, Outcome::Accepted { .. }),
                "{function}: {outcome:?}"
            );
        }
    });
}

#[test]
fn instructions_and_host_calls_spend_from_one_purse() {
    deep(|| {
        let whole = Block::hostile().invoke("spend", "20000").fuel();
        assert!(whole < LIMITS.fuel, "{whole}");
        let with = |fuel| Block::new(admitted(), CallLimits { fuel, ..LIMITS }).invoke("spend", "20000");
        assert!(matches!(with(whole), Outcome::Accepted { fuel, .. } if fuel == whole));
        let failed = with(whole - 1);
        assert_eq!((failure(&failed), failed.fuel()), (Failure::OutOfFuel, whole - 1));
    });
}

#[test]
fn where_a_recursion_ends_does_not_show() {
    deep(|| {
        // The depth depends a little on the frames of the host's own code, which other builds have otherwise.
        let outcome = Block::hostile().invoke("recurse", "10000000");
        assert_eq!(outcome.fuel(), LIMITS.fuel);
    });
}

#[test]
fn a_rejection_has_its_message_and_no_writes() {
    deep(|| {
        let mut block = Block::hostile();
        block.assert_counts(1);
        match block.invoke("reject", "not today") {
            Outcome::Rejected { message, fuel, .. } => {
                assert_eq!(message, "not today");
                assert!(fuel > 0);
            }
            other => panic!("{other:?}"),
        }
        match block.invoke("reject-at-length", "40000") {
            // Cut between two characters of two bytes each.
            Outcome::Rejected { message, .. } => assert_eq!(message, "ä".repeat(LIMITS.output_bytes / 2)),
            other => panic!("{other:?}"),
        }
        match block.invoke("no such function", "") {
            Outcome::Rejected { message, .. } => assert!(message.contains("no such function"), "{message}"),
            other => panic!("{other:?}"),
        }
        block.assert_counts(2);
    });
}

#[test]
fn what_a_neighbour_left_in_memory_rejects_no_transaction() {
    deep(|| {
        for manner in ["trap", "reject", "loop", "bomb"] {
            let alone = Block::hostile().invoke("touchy", manner);
            let mut block = Block::hostile();
            assert!(matches!(block.invoke("taint", ""), Outcome::Accepted { .. }));
            assert_eq!(block.invoke("touchy", manner), alone, "{manner}");
            assert_eq!(
                block.state.resets, 1,
                "{manner}: the first attempt's writes are dropped"
            );
            assert_eq!(block.state.values[b"count".as_slice()], b"1", "{manner}");
            block.assert_counts(2);
        }
        // Beyond that a contract's memory is its own affair.
        let mut block = Block::hostile();
        block.invoke("taint", "");
        assert_eq!(output(block.invoke("touchy", "say so")), "tainted");
        assert_eq!(output(block.invoke("touchy", "say so")), "tainted");
    });
}

#[test]
fn a_contract_sees_one_nan() {
    deep(|| {
        let seen = output(Block::hostile().invoke("nan", ""));
        assert_eq!(seen, "7ff8000000000000 7fc00000");
    });
}

#[test]
fn a_query_writes_nothing() {
    deep(|| {
        let mut block = Block::hostile();
        block.assert_counts(1);
        for function in ["put", "delete", "append", "append-argument"] {
            let outcome = block.query(function, "");
            assert_fails(
                &outcome,
                Failure::IllegalAccess,
                "a query may not write",
                function,
            );
        }
        assert_eq!(output(block.query("count", "")), "1");
        block.assert_counts(2);
    });
}

#[test]
fn a_hostile_query_ends_like_a_hostile_call() {
    deep(|| {
        let mut block = Block::hostile();
        for (function, argument, kind) in [
            ("loop", "", Failure::OutOfFuel),
            ("bomb", "", Failure::OutOfMemory),
            ("recurse", "10000000", Failure::StackOverflow),
            ("panic", "", Failure::Trapped),
            ("oversized", "65537", Failure::OutputTooLarge),
        ] {
            assert_eq!(failure(&block.query(function, argument)), kind, "{function}");
            assert_eq!(output(block.query("count", "")), "0");
        }
        assert!(matches!(block.query("reject", "no"), Outcome::Rejected { message, .. } if message == "no"));
    });
}

#[test]
fn a_broken_state_is_no_outcome() {
    deep(|| {
        let mut block = Block::hostile();
        block.assert_counts(1);
        let mut state = block.state.begin(b"");
        state.broken = true;
        let error = block.session.invoke(state, &context(), "count", b"").unwrap_err();
        assert!(matches!(&error, RuntimeError::Host(_)), "{error}");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    });
}

#[test]
fn a_contract_learns_who_calls() {
    deep(|| {
        let seen = output(Block::hostile().invoke("whoami", ""));
        assert_eq!(seen, "provider/collector/collector-1");
    });
}

#[test]
fn a_contract_describes_itself() {
    deep(|| {
        let description = admitted().describe().unwrap();
        assert_eq!(
            (description.name.as_str(), description.functions.len()),
            ("hostile", 1)
        );
    });
}
