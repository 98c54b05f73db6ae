//! Comparisons with an engine that tells a container's process, and not when that was started.

use super::known::RUN;
use super::*;
use e2l_ledger::event::{EventKind, Facts, Observation};
use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000_000;
const CONTEXT: Context = Context {
    opened_nano: 100 * SECOND,
    now_nano: 1000 * SECOND,
};
const ID: &str = "default/web";

fn seen(phase: Phase, process: Option<&str>) -> Inspected {
    let dead = phase == Phase::Dead;
    Inspected {
        id: ID.to_owned(),
        name: "web".to_owned(),
        image: "shop:1".to_owned(),
        image_digest: None,
        labels: BTreeMap::new(),
        created_nano: 150 * SECOND,
        phase,
        mark: RunMark::Process(process.map(str::to_owned)),
        started_nano: None,
        finished_nano: dead.then_some(700 * SECOND),
        exit_code: dead.then_some(7),
        oom_killed: None,
    }
}

fn observed(action: &str, seconds: i64, run: Option<&str>, facts: Option<Facts>) -> Event {
    Event {
        kind: EventKind::Container,
        action: action.to_owned(),
        actor_id: ID.to_owned(),
        attributes: run
            .map(|run| (RUN.to_owned(), run.to_owned()))
            .into_iter()
            .collect(),
        scope: "local".to_owned(),
        time: seconds,
        time_nano: seconds * SECOND,
        received_nano: seconds * SECOND,
        sequence: 0,
        observation: Observation::Observed,
        facts,
    }
}

fn start(seconds: i64, run: &str) -> Event {
    let facts = Facts {
        started_nano: Some(seconds * SECOND),
        ..Facts::default()
    };
    observed("start", seconds, Some(run), Some(facts))
}

fn die(seconds: i64, run: &str) -> Event {
    let facts = Facts {
        finished_nano: Some(seconds * SECOND),
        exit_code: Some(7),
        ..Facts::default()
    };
    observed("die", seconds, Some(run), Some(facts))
}

/// What is said, in short; and that the next comparison with the same says nothing.
fn said(recorded: &[Event], seen: &Inspected) -> Vec<(String, i64)> {
    let mut known = Known::default();
    recorded.iter().for_each(|event| known.note(event));
    let inventory = Inventory {
        containers: vec![(ID.to_owned(), Some(seen.clone()))],
        ..Inventory::default()
    };
    let events = plan(&known, &inventory, &CONTEXT).events;
    events.iter().for_each(|event| known.note(event));
    let again = plan(&known, &inventory, &CONTEXT);
    assert_eq!(again, Plan::default(), "said twice: {recorded:#?}");
    let short = events.into_iter().map(|event| {
        let reason = event.attributes.get("reason").cloned();
        (reason.unwrap_or(event.action), event.time_nano / SECOND)
    });
    short.collect()
}

fn is(said: Vec<(String, i64)>, expected: &[(&str, i64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(what, seconds)| ((*what).to_owned(), *seconds))
        .collect();
    assert_eq!(said, expected);
}

const CREATE: i64 = 150;
const NOW: i64 = 1000;
const STARTED: &str = "when it was started was not read";
const ENDED: &str = "the end of a run was not read";

#[test]
fn the_end_of_the_run_that_was_recorded_is_known_exactly() {
    let recorded = [observed("create", CREATE, None, None), start(160, "7")];
    is(said(&recorded, &seen(Phase::Runs, Some("7"))), &[]);
    is(said(&recorded, &seen(Phase::Dead, Some("7"))), &[("die", 700)]);
    let mut known = Known::default();
    recorded.iter().for_each(|event| known.note(event));
    let dead = seen(Phase::Dead, Some("7"));
    let facts = plan(&known, &inventory_of(&dead), &CONTEXT).events[0]
        .facts
        .clone()
        .unwrap();
    assert_eq!(
        (facts.started_nano, facts.finished_nano, facts.exit_code),
        (Some(160 * SECOND), Some(700 * SECOND), Some(7))
    );
    let ended = [recorded.as_slice(), &[die(700, "7")]].concat();
    is(said(&ended, &dead), &[]);
    is(said(&ended, &seen(Phase::Created, None)), &[]);
}

fn inventory_of(seen: &Inspected) -> Inventory {
    Inventory {
        containers: vec![(ID.to_owned(), Some(seen.clone()))],
        ..Inventory::default()
    }
}

#[test]
fn what_the_engine_does_not_tell_is_covered_by_a_gap() {
    let recorded = [observed("create", CREATE, None, None), start(160, "7")];
    // Another process: that of the recorded run has ended, nobody knows when, nor when this one began.
    is(
        said(&recorded, &seen(Phase::Runs, Some("8"))),
        &[(ENDED, NOW), ("start", NOW)],
    );
    is(
        said(&recorded, &seen(Phase::Dead, Some("8"))),
        &[(ENDED, NOW), ("die", 700)],
    );
    is(
        said(&recorded, &seen(Phase::Created, None)),
        &[(ENDED, NOW), ("die", NOW)],
    );
    let ended = [recorded.as_slice(), &[die(300, "7")]].concat();
    is(
        said(&ended, &seen(Phase::Runs, Some("8"))),
        &[(STARTED, NOW), ("start", NOW)],
    );
    let frozen = "paused or unpaused while it was not read";
    is(
        said(&recorded, &seen(Phase::Paused, Some("7"))),
        &[(frozen, NOW), ("pause", NOW)],
    );
}

#[test]
fn one_that_was_not_known_is_told_from_its_creation_if_that_is_the_spools() {
    is(said(&[], &seen(Phase::Created, None)), &[("create", CREATE)]);
    is(
        said(&[], &seen(Phase::Runs, Some("7"))),
        &[("create", CREATE), (STARTED, NOW), ("start", NOW)],
    );
    is(
        said(&[], &seen(Phase::Dead, Some("7"))),
        &[("create", CREATE), (STARTED, NOW), ("die", 700)],
    );
    let mut old = seen(Phase::Runs, Some("7"));
    old.created_nano = 50 * SECOND;
    is(said(&[], &old), &[("start", NOW)]);
    old.phase = Phase::Created;
    old.mark = RunMark::Process(None);
    is(said(&[], &old), &[]);
}

#[test]
fn the_end_of_an_earlier_run_that_is_told_late_is_not_that_of_the_run_that_goes_on() {
    let recorded = [
        observed("create", CREATE, None, None),
        start(160, "7"),
        start(400, "8"),
        die(300, "7"),
    ];
    is(said(&recorded, &seen(Phase::Runs, Some("8"))), &[]);
}
