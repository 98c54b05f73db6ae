//! The hostile contract of the other suites, called through the tester: codes and fuel are those that peers give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_chaincode_builder::build_once;
use e2l_chaincode_tester::{Contract, TestCall, TestError, TestLedger, TestOutcome, on_deep_stack};
use e2l_ledger::{Member, Role, ValidationCode};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

fn contract(source: &str, name: &str) -> Contract {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(source);
    let built = build_once(&source, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    Contract {
        name: name.into(),
        version: "1.0.0".into(),
        component: built.component,
    }
}

fn call(role: Role, function: &str, argument: &str) -> TestCall {
    TestCall {
        caller: Member {
            actor: "user".into(),
            role,
            name: "somebody".into(),
        },
        function: function.into(),
        argument: argument.into(),
    }
}

fn ledger(contract: Contract) -> Result<TestLedger, TestError> {
    TestLedger::new(contract, &BTreeSet::from(["user".to_owned()]))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn calls_end_as_on_a_peer_and_the_same_in_every_run() {
    let run = || -> Vec<TestOutcome> {
        let mut ledger = ledger(contract("tests/contracts/hostile", "hostile")).unwrap();
        let begun = ledger.time_nano().unwrap();
        let mut outcomes = Vec::new();
        // A block of several, then blocks of one.
        let together = [
            call(Role::Admin, "count", "a"),
            call(Role::Collector, "count", "b"),
            call(Role::Client, "count", "c"),
            call(Role::Collector, "count", "d"),
        ];
        outcomes.extend(ledger.invoke(&together, SECOND).unwrap());
        for (role, function) in [(Role::Admin, "no such function"), (Role::Collector, "count")] {
            outcomes.extend(ledger.invoke(&[call(role, function, "e")], SECOND).unwrap());
        }
        assert_eq!(ledger.time_nano().unwrap() - begun, 3_000_000_000);
        outcomes
    };
    let first = on_deep_stack(run).unwrap();
    let codes: Vec<ValidationCode> = first.iter().map(|outcome| outcome.code).collect();
    use ValidationCode::{ContractRejected, RoleNotAllowed, Valid};
    assert_eq!(
        codes,
        [Valid, Valid, RoleNotAllowed, Valid, ContractRejected, Valid]
    );
    let counted: Vec<&[u8]> = first
        .iter()
        .filter(|outcome| outcome.code == Valid)
        .map(|outcome| outcome.output.as_slice())
        .collect();
    assert_eq!(counted, [b"1", b"2", b"3", b"4"]);
    assert_eq!(on_deep_stack(run).unwrap(), first);
}

#[test]
fn each_way_to_fail_has_its_code() {
    use ValidationCode::{
        ContractRejected, IllegalAccess, OutOfFuel, OutOfMemory, OutputTooLarge, StackOverflow, Trapped,
        WriteLimit,
    };
    on_deep_stack(|| {
        let mut ledger = ledger(contract("tests/contracts/hostile", "hostile")).unwrap();
        for (function, argument, code) in [
            ("loop", "", OutOfFuel),
            ("bomb", "", OutOfMemory),
            ("recurse", "100000000", StackOverflow),
            ("panic", "", Trapped),
            ("oversized", "70000", OutputTooLarge),
            ("many-writes", "300", WriteLimit),
            ("beyond-argument", "abc", IllegalAccess),
            ("reject", "no", ContractRejected),
        ] {
            let outcomes = ledger
                .invoke(&[call(Role::Admin, function, argument)], SECOND)
                .unwrap();
            assert_eq!(outcomes[0].code, code, "{function}");
            assert!(
                outcomes[0].fuel.is_some() && !outcomes[0].output.is_empty(),
                "{function}"
            );
        }
        for (function, argument, code) in [
            ("loop", "", OutOfFuel),
            ("bomb", "", OutOfMemory),
            ("recurse", "1000000000", StackOverflow),
            ("panic", "", Trapped),
            ("oversized", "5000000", OutputTooLarge),
            ("put", "", IllegalAccess),
            ("reject", "no", ContractRejected),
        ] {
            let outcome = ledger.query(&call(Role::Client, function, argument)).unwrap();
            assert_eq!((outcome.code, outcome.fuel), (code, None), "{function}");
            assert!(!outcome.output.is_empty(), "{function}");
        }
        // None of them has written.
        let counted = ledger.query(&call(Role::Client, "count", "")).unwrap();
        assert_eq!(
            (counted.code, counted.output),
            (ValidationCode::Valid, b"0".to_vec())
        );
    })
    .unwrap();
}

#[test]
fn what_no_network_can_have_is_an_error() {
    let hostile = contract("tests/contracts/hostile", "hostile");
    on_deep_stack(|| {
        let named = Contract {
            name: "Not a name".into(),
            ..hostile.clone()
        };
        assert!(matches!(ledger(named), Err(TestError::Config(_))));
        let broken = Contract {
            component: b"\0asm".to_vec(),
            ..hostile.clone()
        };
        assert!(matches!(ledger(broken), Err(TestError::Execution(_))));
        let mut ledger = ledger(hostile.clone()).unwrap();
        let mut stranger = call(Role::Admin, "count", "a");
        stranger.caller.actor = "nobody".into();
        assert!(matches!(
            ledger.invoke(&[stranger], SECOND),
            Err(TestError::Actor(_))
        ));
        // One that is too large is refused, and several are no block.
        let large = call(Role::Admin, "count", &"x".repeat(3 << 20));
        let refused = ledger.invoke(std::slice::from_ref(&large), SECOND).unwrap();
        assert_eq!(refused[0].code, ValidationCode::BadPayload);
        let both = ledger.invoke(&[large.clone(), large], SECOND);
        assert!(matches!(both, Err(TestError::Void(_))));
    })
    .unwrap();
}
