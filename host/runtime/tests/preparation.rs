//! Version 2 of the events contract prepares itself over a ledger that has history, while version 1 goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::state::MemoryState;
use common::{Block, LIMITS, built, context, deep, failure, output};
use e2l_event::{Event, EventKind, Observation};
use e2l_runtime::{Admitted, CallLimits, Failure, Outcome, Runtime, RuntimeError, StaticLimits};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What a new network allows a step.
const STEP: CallLimits = CallLimits {
    fuel: 20_000_000,
    writes: 4 * LIMITS.writes,
    write_bytes: 4 * LIMITS.write_bytes,
    ..LIMITS
};
/// What the keys of version 2 begin with.
const OWN: &str = "2.0.0/";
const SERVICE: &str = "com.docker.swarm.service.name";
/// Events that version 1 executes, and then as many version 2.
const EVENTS: usize = 600;
const CONTAINERS: u64 = 40;
/// Time of the first event, and how long all take: short, so that many fall together.
const BEGIN: i64 = 1_800_000_000_000_000_000;
const SPAN: i64 = 300;

fn admitted(source: &str) -> Admitted {
    let admitted = Runtime::new()
        .unwrap()
        .admit(&built(source), &StaticLimits::default());
    admitted.unwrap_or_else(|error| panic!("{error}"))
}

fn version_1() -> &'static Admitted {
    static ADMITTED: OnceLock<Admitted> = OnceLock::new();
    ADMITTED.get_or_init(|| admitted("chaincode/eventdb"))
}

fn version_2() -> &'static Admitted {
    static ADMITTED: OnceLock<Admitted> = OnceLock::new();
    ADMITTED.get_or_init(|| admitted("chaincode/eventdb-v2"))
}

/// A block of another contract, or with other limits, on the same state.
fn block(admitted: &Admitted, limits: CallLimits, state: MemoryState) -> Block {
    Block {
        state,
        ..Block::new(admitted, limits)
    }
}

/// Services, two of them with names that begin alike; some containers are of none.
fn service_of(container: u64) -> Option<&'static str> {
    [Some("web"), Some("web2"), Some("api"), None][container as usize % 4]
}

/// Events in no order of time, of containers whose ids begin alike.
fn events(count: usize) -> Vec<Event> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut event = |sequence| {
        let container = random.u64(..CONTAINERS);
        let actions = [
            "start", "die", "start", "die", "create", "starting", "exec_die", "destroy",
        ];
        let time_nano = BEGIN + random.i64(0..SPAN);
        let mut attributes = BTreeMap::from([("image".to_owned(), "alpine".to_owned())]);
        attributes.extend(service_of(container).map(|service| (SERVICE.to_owned(), service.to_owned())));
        Event {
            // A service does not run, whatever is said of it.
            kind: if random.u8(..20) == 0 {
                EventKind::Service
            } else {
                EventKind::Container
            },
            action: actions[random.usize(..actions.len())].to_owned(),
            actor_id: format!("c{container}"),
            attributes,
            scope: "local".to_owned(),
            time: time_nano / 1_000_000_000,
            time_nano,
            received_nano: time_nano + 1,
            sequence,
            observation: Observation::Observed,
            facts: None,
        }
    };
    (1..=count as u64).map(&mut event).collect()
}

fn is_transition(event: &Event) -> bool {
    event.kind == EventKind::Container
        && matches!(event.action.as_str(), "start" | "die")
        && event.attributes.contains_key(SERVICE)
}

/// The answer by a look at every event.
fn naive(events: &[Event], service: &str, at: i64) -> Vec<String> {
    let mut last: BTreeMap<&str, &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| is_transition(event)) {
        if event.attributes[SERVICE] == service && event.time_nano <= at {
            let known = last.entry(&event.actor_id).or_insert(event);
            if event.time_nano >= known.time_nano {
                *known = event;
            }
        }
    }
    let running = last.into_values().filter(|event| event.action == "start");
    running.map(|event| event.actor_id.clone()).collect()
}

/// The contract's answer, put together of pages.
fn running(block: &mut Block, service: &str, at: i64, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let argument = serde_json::json!({"service": service, "at": at, "after": after, "limit": limit});
        let answer = output(block.query("runningContainers", argument.to_string()));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let page = answer["containers"].as_array().unwrap();
        assert!(page.len() <= limit);
        found.extend(page.iter().map(|id| id.as_str().unwrap().to_owned()));
        match answer["after"].as_str() {
            Some(last) => after = last.to_owned(),
            None => return found,
        }
    }
}

fn assert_answers(block: &mut Block, events: &[Event]) {
    let mut some = 0;
    for service in ["web", "web2", "api", "w", "", "none"] {
        for at in (BEGIN - 1..=BEGIN + SPAN).step_by(7).chain([1, i64::MAX]) {
            let expected = naive(events, service, at);
            some += expected.len();
            for limit in [1000, 3] {
                assert_eq!(running(block, service, at, limit), expected, "{service} at {at}");
            }
        }
    }
    assert!(some > 100, "{some}");
}

fn create(block: &mut Block, events: &[Event]) {
    for event in events {
        assert_eq!(output(block.invoke("createEvent", event.encode())), "");
    }
}

/// What version 1 makes of these events.
fn history(events: &[Event]) -> MemoryState {
    let mut block = Block::new(version_1(), LIMITS);
    create(&mut block, events);
    block.state
}

/// What all steps leave behind, how many they were, and the fuel of the dearest.
fn prepared(state: MemoryState, from: &str) -> (MemoryState, u64, u64) {
    let mut block = block(version_2(), STEP, state);
    let (mut steps, mut most) = (0, 0);
    loop {
        let (outcome, done) = block.prepare(from, OWN);
        (steps, most) = (steps + 1, outcome.fuel().max(most));
        assert_eq!(output(outcome), "");
        if done {
            return (block.state, steps, most);
        }
    }
}

/// As the host leaves a state before the first step.
fn cleared(mut state: MemoryState) -> MemoryState {
    state.values.retain(|key, _| !key.starts_with(OWN.as_bytes()));
    state
}

#[test]
fn the_index_is_right_over_history_what_comes_meanwhile_and_what_comes_after() {
    deep(|| {
        let events = events(2 * EVENTS);
        let (before, after) = events.split_at(EVENTS);
        // Between two steps version 1 goes on.
        let (mut state, mut done, mut meanwhile) = (history(before), false, 0);
        while !done {
            let mut step = block(version_2(), STEP, state);
            done = step.prepare("1.0.0", OWN).1;
            let mut old = block(version_1(), LIMITS, step.state);
            if !done {
                create(&mut old, &after[meanwhile..meanwhile + 50]);
                meanwhile += 50;
            }
            state = old.state;
        }
        assert!(meanwhile >= 100, "{meanwhile} events came in between");
        let known = EVENTS + meanwhile;
        let mut block = block(version_2(), LIMITS, state);
        assert_answers(&mut block, &events[..known]);
        create(&mut block, &events[known..]);
        assert_answers(&mut block, &events);

        // The same state as if there had never been another version, and as after one more preparation.
        let mut always = Block::new(version_2(), LIMITS);
        create(&mut always, &events);
        let (again, steps, fuel) = prepared(cleared(block.state.clone()), "1.0.0");
        println!(
            "the dearest of {steps} steps over {} events took {fuel} fuel",
            2 * EVENTS
        );
        for other in [&always.state, &again] {
            assert_eq!(other.values, block.state.values);
            assert_eq!(other.logs, block.state.logs);
        }
    });
}

#[test]
fn a_first_deployment_and_a_way_back_are_prepared_too() {
    deep(|| {
        let events = events(90);
        let (state, steps, _) = prepared(MemoryState::default(), "");
        assert!(steps == 1 && state.values.is_empty(), "nothing is left of it");
        let mut new = block(version_2(), LIMITS, state);
        create(&mut new, &events[..30]);
        // Version 1 keeps no index; what it adds is found when version 2 comes back.
        let mut old = block(version_1(), LIMITS, new.state);
        create(&mut old, &events[30..60]);
        let (state, ..) = prepared(cleared(old.state), "1.0.0");
        let mut new = block(version_2(), LIMITS, state);
        create(&mut new, &events[60..]);
        for at in [BEGIN + SPAN / 2, BEGIN + SPAN] {
            assert_eq!(running(&mut new, "web", at, 1000), naive(&events, "web", at));
        }
    });
}

#[test]
fn a_step_that_fails_leaves_nothing_of_its_own_behind() {
    deep(|| {
        let history = history(&events(100));
        let (_, _, fuel) = prepared(history.clone(), "1.0.0");
        let fails = |limits: CallLimits, from: &str, prefix: &str| {
            let mut block = block(version_2(), limits, history.clone());
            let (outcome, done) = block.prepare(from, prefix);
            assert!(!done);
            assert_eq!(block.state.values, history.values, "{outcome:?}");
            assert_eq!(block.state.logs, history.logs);
            assert_eq!(block.state.resets, 1);
            assert!(outcome.fuel() <= limits.fuel);
            outcome
        };
        for part in [fuel - 1, fuel / 2, 1] {
            let limits = CallLimits { fuel: part, ..STEP };
            let outcome = fails(limits, "1.0.0", OWN);
            assert_eq!(failure(&outcome), Failure::OutOfFuel, "{part} of {fuel}");
        }
        let writes = CallLimits { writes: 9, ..STEP };
        assert_eq!(failure(&fails(writes, "1.0.0", OWN)), Failure::WriteLimit);
        // Approved under another name than its own, it writes where it may not.
        let outcome = fails(STEP, "1.0.0", "2.0.1/");
        assert_eq!(failure(&outcome), Failure::IllegalAccess);
        match outcome {
            Outcome::Failed { detail, .. } => assert!(detail.contains("begin with `2.0.1/`"), "{detail}"),
            other => panic!("{other:?}"),
        }
        for from in ["3.0.0", "1.0", "1.0.0 "] {
            match fails(STEP, from, OWN) {
                Outcome::Rejected { message, fuel, .. } => {
                    let said = message.contains(&format!("not `{from}`"));
                    assert!(said && fuel > 0, "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_step_costs_the_same_in_another_engine_and_after_other_calls() {
    deep(|| {
        let history = history(&events(50));
        let elsewhere = admitted("chaincode/eventdb-v2");
        let mut fresh = block(&elsewhere, STEP, history.clone());
        let mut used = block(version_2(), STEP, history);
        output(used.query("queryAllEvents", ""));
        let outcome = fresh.prepare("1.0.0", OWN);
        assert!(matches!(outcome, (Outcome::Accepted { .. }, true)));
        assert_eq!(used.prepare("1.0.0", OWN), outcome);
        assert_eq!(used.state.values, fresh.state.values);
        // Calls go on in the instance that they had.
        assert_eq!(running(&mut used, "none", BEGIN, 1), [""; 0]);
    });
}

#[test]
fn what_version_1_answers_version_2_answers_alike() {
    deep(|| {
        let history = history(&events(60));
        let mut old = block(version_1(), LIMITS, history.clone());
        let mut new = block(version_2(), LIMITS, history);
        for (function, argument) in [
            ("queryAllEvents", ""),
            ("queryAllEvents", r#"{"from": 17, "limit": 5}"#),
            ("getHistory", r#"{"id": "c1"}"#),
        ] {
            assert_eq!(
                output(new.query(function, argument)),
                output(old.query(function, argument))
            );
        }
        assert_eq!(version_2().describe().unwrap().version, "2.0.0");
        assert_eq!(
            version_2().describe().unwrap().functions[..3],
            version_1().describe().unwrap().functions
        );
    });
}

#[test]
fn malformed_questions_are_refused_with_what_is_wrong() {
    deep(|| {
        let mut block = Block::new(version_2(), LIMITS);
        let long = format!(r#"{{"service": "{}", "at": 1}}"#, "s".repeat(256));
        for (argument, word) in [
            ("", "must be JSON like"),
            (r#"{"service": "web"}"#, "missing field `at`"),
            (r#"{"service": "web", "at": -1}"#, "invalid value"),
            (r#"{"service": "web", "at": 1, "limit": 0}"#, "from 1 to 1000"),
            (r#"{"service": "web", "at": 1, "limit": 1001}"#, "from 1 to 1000"),
            (
                r#"{"service": "web", "at": 1, "when": 1}"#,
                "unknown field `when`",
            ),
            (&long, "256 bytes"),
        ] {
            match block.query("runningContainers", argument) {
                Outcome::Rejected { message, .. } => assert!(message.contains(word), "{argument}: {message}"),
                other => panic!("{argument}: {other:?}"),
            }
        }
    });
}

#[test]
fn only_a_contract_that_prepares_itself_is_asked() {
    deep(|| {
        assert!(version_2().prepares() && !version_1().prepares());
        let mut block = Block::new(version_1(), LIMITS);
        let state = block.state.begin(b"");
        let error = block
            .session
            .prepare(state, &context(), "", OWN)
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, RuntimeError::NoPreparation), "{error}");
    });
}
