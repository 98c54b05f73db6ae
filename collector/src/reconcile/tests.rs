use super::*;
use crate::source::EngineEvent;
use e2l_ledger::event::{EventKind, Facts, Observation};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;

const SECOND: i64 = 1_000_000_000;
const CONTEXT: Context = Context {
    opened_nano: 100 * SECOND,
    now_nano: 10_000 * SECOND,
};

/// An engine with one container, which logs its events a millisecond late.
#[derive(Clone)]
struct Model {
    state: Inspected,
    there: bool,
    now: i64,
    events: Vec<Event>,
}

impl Model {
    fn created(at: i64) -> Self {
        let state = Inspected {
            id: "c".repeat(64),
            name: "web".to_owned(),
            image: "shop:1".to_owned(),
            image_digest: Some("sha256:1".to_owned()),
            labels: [("exitCode".to_owned(), "0".to_owned())].into(),
            created_nano: at,
            phase: Phase::Created,
            mark: RunMark::Start,
            started_nano: None,
            finished_nano: None,
            exit_code: Some(0),
            oom_killed: Some(false),
        };
        let mut model = Self {
            state,
            there: true,
            now: at,
            events: Vec::new(),
        };
        model.log("create", None);
        model
    }

    fn log(&mut self, action: &str, facts: Option<Facts>) {
        let line = format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{}"}},"timeNano":{}}}"#,
            self.state.id,
            self.now + 1_000_000
        );
        let mut event = EngineEvent::parse(&line).unwrap().normalise(1).unwrap().unwrap();
        event.facts = facts;
        self.events.push(event);
    }

    fn step(&mut self, action: &str) {
        self.now += 7 * SECOND;
        let state = &mut self.state;
        let mut facts = None;
        match action {
            "start" => {
                state.phase = Phase::Runs;
                state.started_nano = Some(self.now);
                state.exit_code = Some(0);
                facts = Some(Facts {
                    started_nano: state.started_nano,
                    ..Facts::default()
                });
            }
            "die" => {
                state.phase = Phase::Dead;
                state.finished_nano = Some(self.now);
                state.exit_code = Some(7);
                facts = Some(Facts {
                    started_nano: state.started_nano,
                    finished_nano: state.finished_nano,
                    exit_code: state.exit_code,
                    ..Facts::default()
                });
            }
            "pause" => state.phase = Phase::Paused,
            "unpause" => state.phase = Phase::Runs,
            "destroy" => self.there = false,
            _ => unreachable!(),
        }
        self.log(action, facts);
    }

    fn steps(&mut self, actions: &[&str]) {
        actions.iter().for_each(|action| self.step(action));
    }

    /// What may happen next.
    fn possible(&self) -> &'static [&'static str] {
        match self.state.phase {
            _ if !self.there => &[],
            Phase::Created => &["start", "destroy"],
            Phase::Dead => &["start", "start", "destroy"],
            Phase::Runs => &["die", "die", "die", "pause"],
            Phase::Paused => &["unpause"],
        }
    }

    fn inventory(&self) -> Inventory {
        let id = self.state.id.clone();
        Inventory {
            containers: vec![(id, self.there.then(|| self.state.clone()))],
            ..Inventory::default()
        }
    }
}

fn known(events: &[Event]) -> Known {
    let mut known = Known::default();
    events.iter().for_each(|event| known.note(event));
    known
}

fn missed_by(known: &Known, model: &Model) -> Vec<Event> {
    plan(known, &model.inventory(), &CONTEXT).events
}

/// As `action` or `gap`, each with its moment in seconds.
fn told(events: &[Event]) -> Vec<(&str, i64)> {
    events
        .iter()
        .map(|event| (event.action.as_str(), event.time_nano / SECOND))
        .collect()
}

/// A life of which the events from `read` on were not read.
fn life(actions: &[&str], read: usize) -> (Known, Model) {
    let mut model = Model::created(1000 * SECOND);
    model.steps(actions);
    (known(&model.events[..read]), model)
}

#[test]
fn nothing_is_said_of_what_was_read() {
    let (known, model) = life(&["start", "pause", "unpause", "die", "start", "die"], 7);
    assert_eq!(missed_by(&known, &model), []);
}

#[test]
fn a_death_that_was_not_read_is_inferred_with_the_times_and_code_of_inspection() {
    let (known, model) = life(&["start", "die"], 2);
    let events = missed_by(&known, &model);
    assert_eq!(told(&events), [("die", 1014)]);
    let die = &events[0];
    assert_eq!(die.observation, Observation::Inferred);
    assert_eq!((die.kind, die.time_nano), (EventKind::Container, 1014 * SECOND));
    let facts = die.facts.clone().unwrap();
    assert_eq!(
        (
            facts.started_nano,
            facts.finished_nano,
            facts.exit_code,
            facts.oom_killed
        ),
        (Some(1007 * SECOND), Some(1014 * SECOND), Some(7), Some(false))
    );
    assert_eq!(
        (die.attributes["name"].as_str(), die.attributes["image"].as_str()),
        ("web", "shop:1")
    );
    let mut die = die.clone();
    die.sequence = 1;
    die.check().unwrap();
}

#[test]
fn a_restart_that_was_not_read_is_inferred_and_a_gap_says_that_it_need_not_have_been_one() {
    let (known, model) = life(&["start", "die", "start"], 2);
    let events = missed_by(&known, &model);
    assert_eq!(told(&events), [("gap", 1021), ("die", 1014), ("start", 1021)]);
    assert_eq!(events[0].attributes["from"], (1007 * SECOND).to_string());
    assert_eq!(
        events[1].facts.as_ref().unwrap().exit_code,
        None,
        "the next run has overwritten it"
    );
}

#[test]
fn a_start_after_a_death_that_was_read_is_the_next_one_and_needs_no_gap() {
    let (known, model) = life(&["start", "die", "start"], 3);
    assert_eq!(told(&missed_by(&known, &model)), [("start", 1021)]);
}

#[test]
fn runs_of_which_inspection_knows_no_more_are_a_gap() {
    let (known, model) = life(&["start", "die", "start", "die", "start", "die"], 2);
    let events = missed_by(&known, &model);
    assert_eq!(told(&events), [("gap", 1035), ("start", 1035), ("die", 1042)]);
}

#[test]
fn one_that_vanished_while_it_ran_has_a_gap_and_no_invented_death() {
    let (known, model) = life(&["start", "die", "destroy"], 2);
    let events = missed_by(&known, &model);
    assert_eq!(told(&events), [("gap", 10_000), ("destroy", 10_000)]);
    assert_eq!(events[0].actor_id, model.state.id);
    let (known, model) = life(&["start", "die", "destroy"], 3);
    assert_eq!(told(&missed_by(&known, &model)), [("destroy", 10_000)]);
}

#[test]
fn a_pause_has_no_time_of_the_engines_and_says_so() {
    let (known, model) = life(&["start", "pause"], 2);
    assert_eq!(
        told(&missed_by(&known, &model)),
        [("gap", 10_000), ("pause", 10_000)]
    );
}

#[test]
fn one_of_which_nothing_was_read_is_told_from_its_creation_on() {
    let (known, model) = life(&["start", "die"], 0);
    let events = missed_by(&known, &model);
    assert_eq!(told(&events), [("create", 1000), ("start", 1007), ("die", 1014)]);
}

#[test]
fn of_one_from_before_the_spool_only_what_it_does_since_is_told() {
    let old = |actions: &[&str]| {
        let mut model = Model::created(10 * SECOND);
        model.steps(actions);
        model
    };
    let empty = Known::default();
    assert_eq!(missed_by(&empty, &old(&["start", "die"])), []);
    assert_eq!(missed_by(&empty, &old(&[])), []);
    assert_eq!(told(&missed_by(&empty, &old(&["start"]))), [("start", 17)]);
    let mut model = old(&["start"]);
    model.now = 200 * SECOND;
    model.step("die");
    assert_eq!(told(&missed_by(&empty, &model)), [("start", 17), ("die", 207)]);
}

#[test]
fn a_death_without_facts_gets_them_later_and_is_not_told_twice() {
    let (_, mut model) = life(&["start", "die"], 0);
    model.events[2].facts = None;
    let mut known = known(&model.events);
    let events = missed_by(&known, &model);
    assert_eq!(told(&events), [("inspect", 1014)]);
    assert_eq!(events[0].facts.as_ref().unwrap().exit_code, Some(7));
    known.note(&events[0]);
    assert_eq!(missed_by(&known, &model), []);
}

#[test]
fn a_clock_that_was_set_back_an_hour_hides_no_transition_and_makes_none_up() {
    let mut model = Model::created(5000 * SECOND);
    model.steps(&["start", "die"]);
    model.now -= 3600 * SECOND;
    model.step("start");
    assert_eq!(missed_by(&known(&model.events), &model), []);
    let events = missed_by(&known(&model.events[..3]), &model);
    assert_eq!(told(&events), [("start", 1421)]);
    model.step("die");
    assert_eq!(missed_by(&known(&model.events), &model), []);
    let events = missed_by(&known(&model.events[..4]), &model);
    assert_eq!(told(&events), [("die", 1428)]);
}

#[test]
fn of_whom_events_came_in_between_is_asked_again() {
    let (mut known, model) = life(&["start", "die"], 2);
    let id = &model.state.id;
    known.touch(id, 5);
    let mut inventory = model.inventory();
    inventory.asked_at = 4;
    let busy = plan(&known, &inventory, &CONTEXT);
    assert_eq!((busy.events, busy.again), (vec![], vec![id.clone()]));
    inventory.asked_at = 5;
    assert_eq!(told(&plan(&known, &inventory, &CONTEXT).events), [("die", 1014)]);
    // Too much came in between to remember of whom.
    known.touch("another", 5000);
    assert_eq!(plan(&known, &inventory, &CONTEXT).again, vec![id.clone()]);
}

#[test]
fn a_container_that_is_removed_after_it_was_inspected_is_not_told_of_again() {
    let (mut known, mut model) = life(&["start", "die"], 3);
    let inventory = model.inventory();
    model.step("destroy");
    known.note(&model.events[3]);
    known.touch(&model.state.id, 9);
    let plan = plan(&known, &inventory, &CONTEXT);
    assert_eq!((plan.events, plan.again), (vec![], vec![model.state.id.clone()]));
}

#[test]
fn who_is_known_and_not_listed_is_asked_for() {
    let (known, model) = life(&["start"], 2);
    let mut inventory = Inventory {
        listed: Some(BTreeSet::new()),
        ..Inventory::default()
    };
    let again = plan(&known, &inventory, &CONTEXT).again;
    assert_eq!(again, std::slice::from_ref(&model.state.id));
    inventory.listed = Some([model.state.id].into());
    assert_eq!(plan(&known, &inventory, &CONTEXT), Plan::default());
}

#[test]
fn what_was_inferred_is_a_repeat_when_the_stream_tells_it_after_all() {
    let (mut known, model) = life(&["start", "die"], 0);
    missed_by(&known, &model)
        .iter()
        .for_each(|event| known.note(event));
    assert!(model.events.iter().all(|event| known.has_inferred(event)));
    let mut later = model.clone();
    later.step("start");
    assert!(!known.has_inferred(&later.events[3]), "another run");
    known.note(&later.events[3]);
    later.step("die");
    assert!(!known.has_inferred(&later.events[4]), "another death");
}

#[test]
fn more_containers_than_are_remembered_make_nobody_new() {
    let mut known = Known::default();
    let mut first = None;
    for number in 0..20_000 {
        let mut model = Model::created((1000 + number) * SECOND);
        model.state.id = format!("{number:064}");
        model.events.clear();
        model.steps(&["start", "die"]);
        model.events.iter().for_each(|event| known.note(event));
        first.get_or_insert(model);
    }
    assert!(known.containers().count() <= 16_384);
    let first = first.unwrap();
    assert_eq!(known.container(&first.state.id), None, "dead for longest");
    assert_eq!(missed_by(&known, &first), []);
    let mut alive = first;
    alive.step("start");
    assert_eq!(told(&missed_by(&known, &alive))[2], ("start", 1021));
}

#[test]
fn whatever_was_not_read_the_record_agrees_afterwards_and_invents_no_time() {
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::created(1000 * SECOND);
        for _ in 0..random.random_range(0..12) {
            let possible = model.possible();
            if possible.is_empty() {
                break;
            }
            model.step(possible[random.random_range(0..possible.len())]);
        }
        let read = random.random_range(0..=model.events.len());
        let mut known = known(&model.events[..read]);
        let events = missed_by(&known, &model);
        let happened: BTreeSet<(&str, i64)> = model
            .events
            .iter()
            .map(|event| (event.action.as_str(), event.time_nano - 1_000_000))
            .collect();
        let found_out = |event: &Event| {
            matches!(event.action.as_str(), "pause" | "unpause" | "destroy")
                && event.time_nano == CONTEXT.now_nano
        };
        for event in &events {
            let gap = event.observation == Observation::Gap;
            assert!(gap || event.observation == Observation::Inferred);
            let happened = happened.contains(&(event.action.as_str(), event.time_nano));
            assert!(gap || found_out(event) || happened, "seed {seed}: {event:?}");
        }
        events.iter().for_each(|event| known.note(event));
        assert_eq!(missed_by(&known, &model), [], "seed {seed}");
        let container = known.container(&model.state.id);
        if model.there {
            assert_eq!(
                container.map(|known| known.phase),
                Some(model.state.phase),
                "seed {seed}"
            );
        } else {
            assert!(container.is_none(), "seed {seed}");
        }
        // As it is read again after a restart.
        let bytes = borsh::to_vec(&known).unwrap();
        let again: Known = borsh::from_slice(&bytes).unwrap();
        assert_eq!(missed_by(&again, &model), [], "seed {seed}");
    }
}

#[test]
fn an_end_that_is_told_of_a_run_whose_start_was_not_brings_that_start_and_no_second_end() {
    let mut model = Model::created(1000 * SECOND);
    model.steps(&["start", "die", "start", "die"]);
    let [_, _, first_end, _, last_end] = &model.events[..] else {
        unreachable!()
    };
    let now = 2000 * SECOND;
    for (read, died, expected, reason) in [
        (
            3,
            last_end,
            vec![("gap", 1021), ("start", 1021)],
            Some("runs between were not read"),
        ),
        (
            2,
            last_end,
            vec![("gap", 1021), ("start", 1021)],
            Some("the end of a run was not read"),
        ),
        (1, first_end, vec![("start", 1007)], None),
        (4, last_end, vec![], None),
        // Told late, or of a run before that: it brings nothing.
        (4, first_end, vec![], None),
    ] {
        let mut known = known(&model.events[..read]);
        let missed = before(&known, died, now);
        assert_eq!(told(&missed), expected, "{read} read");
        let said = missed.first().and_then(|event| event.attributes.get("reason"));
        assert_eq!(said.map(String::as_str), reason);
        for event in &missed {
            assert!(event.observation != Observation::Observed && !event.attributes.contains_key("exitCode"));
            known.note(event);
        }
        known.note(died);
        assert_eq!(known.alive().count(), 0);
        if died == last_end {
            assert_eq!(missed_by(&known, &model), [], "{read} read");
        }
    }
    // Of a container that the spool knows nothing of the comparison tells.
    assert_eq!(before(&Known::default(), last_end, now), []);
}
