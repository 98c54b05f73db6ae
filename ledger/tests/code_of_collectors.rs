//! Which code of collectors is taken, and for how long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_ledger::governance::{Change, ProposedChange};
use e2l_ledger::{BatchHeader, ChaincodeDefinition, Digest, NetworkConfig, ValidationCode, check_code};
use std::collections::BTreeSet;
use support::{Ledger, Members};

const MS: i64 = 1_000_000;

fn config() -> NetworkConfig {
    Members::new().genesis.genesis.config
}

fn deployed(config: &NetworkConfig, component: Option<u8>, time_nano: i64) -> NetworkConfig {
    let mut next = config.clone();
    let change = component.map_or_else(
        || Change::RemoveChaincode("collector".to_owned()),
        |byte| {
            Change::Chaincode(ChaincodeDefinition {
                name: "collector".to_owned(),
                version: byte.to_string(),
                digest: Digest([byte; 32]),
            })
        },
    );
    change.apply(&mut next).unwrap();
    next.note_replaced_collector(config, time_nano);
    next
}

fn code(config: &NetworkConfig, component: Option<u8>, executable: u8, time_nano: i64) -> ValidationCode {
    let header = BatchHeader {
        component: component.map(|byte| Digest([byte; 32])),
        executable: Digest([executable; 32]),
        ..Ledger::new().batch(&["one"]).header
    };
    check_code(&header, config, time_nano).map_or_else(|refused| refused.code, |()| ValidationCode::Valid)
}

#[test]
fn what_was_recorded_before_a_change_is_taken_for_the_grace_and_no_longer() {
    use ValidationCode::{OtherComponent, Valid};
    let mut none = config();
    none.limits.collector_grace_ms = 10;
    assert_eq!(code(&none, None, 0, 0), Valid);
    assert_eq!(code(&none, Some(1), 0, 0), OtherComponent);

    let one = deployed(&none, Some(1), 100 * MS);
    assert_eq!(code(&one, Some(1), 0, 100 * MS), Valid);
    assert_eq!(code(&one, None, 0, 110 * MS), Valid);
    assert_eq!(code(&one, None, 0, 110 * MS + 1), OtherComponent);

    // Both that were replaced, each for its own time.
    let two = deployed(&one, Some(2), 105 * MS);
    assert_eq!(code(&two, None, 0, 110 * MS), Valid);
    assert_eq!(code(&two, None, 0, 111 * MS), OtherComponent);
    assert_eq!(code(&two, Some(1), 0, 115 * MS), Valid);
    assert_eq!(code(&two, Some(1), 0, 116 * MS), OtherComponent);
    assert_eq!(code(&two, Some(2), 0, i64::MAX), Valid);
    assert_eq!(code(&two, Some(3), 0, 106 * MS), OtherComponent);

    // Back to what is built in; what has run out is forgotten.
    let back = deployed(&two, None, 112 * MS);
    assert_eq!(code(&back, None, 0, i64::MAX), Valid);
    assert_eq!(back.replaced_collectors.len(), 2);
    assert_eq!(code(&back, Some(2), 0, 122 * MS), Valid);
    assert_eq!(code(&back, Some(2), 0, 123 * MS), OtherComponent);
}

#[test]
fn the_same_component_under_another_version_begins_no_grace() {
    let one = deployed(&config(), Some(1), 5);
    let mut same = one.clone();
    same.chaincodes
        .iter_mut()
        .for_each(|chaincode| chaincode.version = "2".to_owned());
    same.note_replaced_collector(&one, 9);
    assert_eq!(same.replaced_collectors, one.replaced_collectors);
}

#[test]
fn an_empty_list_allows_any_executable_and_another_only_its_own() {
    let mut config = config();
    assert_eq!(code(&config, None, 7, 0), ValidationCode::Valid);
    let change = Change::Executables(BTreeSet::from([Digest([7; 32])]));
    let before = ProposedChange::of(&config, change.clone()).replaces;
    change.apply(&mut config).unwrap();
    assert_ne!(before, change.replaced_in(&config));
    assert_eq!(code(&config, None, 7, 0), ValidationCode::Valid);
    assert_eq!(code(&config, None, 8, 0), ValidationCode::OtherExecutable);
    Change::Executables(BTreeSet::new()).apply(&mut config).unwrap();
    assert_eq!(code(&config, None, 8, 0), ValidationCode::Valid);
}
