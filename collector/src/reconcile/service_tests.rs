use super::*;
use e2l_ledger::event::EventKind;

const SECOND: i64 = 1_000_000_000;
const CONTEXT: Context = Context {
    opened_nano: 100 * SECOND,
    now_nano: 10_000 * SECOND,
};

fn service(id: &str, created: i64, updated: i64) -> InspectedService {
    InspectedService {
        id: id.to_owned(),
        name: "shop".to_owned(),
        created_nano: created * SECOND,
        updated_nano: updated * SECOND,
    }
}

fn missed(known: &Known, services: &[InspectedService]) -> Vec<Event> {
    let seen = Inventory {
        services: Some(services.to_vec()),
        ..Inventory::default()
    };
    plan(known, &seen, &CONTEXT).events
}

fn told(events: &[Event]) -> Vec<(&str, i64)> {
    let told = events
        .iter()
        .map(|event| (event.action.as_str(), event.time_nano / SECOND));
    told.collect()
}

/// The same, from the stream.
fn streamed(event: &Event) -> Event {
    Event {
        observation: Observation::Observed,
        ..event.clone()
    }
}

#[test]
fn services_are_told_by_the_times_of_the_store() {
    let mut known = Known::default();
    let created = missed(&known, &[service("s", 1000, 1000)]);
    assert_eq!(told(&created), [("create", 1000)]);
    assert_eq!(
        (created[0].kind, created[0].scope.as_str()),
        (EventKind::Service, "swarm")
    );
    known.note(&created[0]);
    assert!(known.has_inferred(&streamed(&created[0])));
    assert_eq!(missed(&known, &[service("s", 1000, 1000)]), []);
    let events = missed(&known, &[service("s", 1000, 1500)]);
    assert_eq!(told(&events), [("gap", 1500), ("update", 1500)]);
    events.iter().for_each(|event| known.note(event));
    assert_eq!(told(&missed(&known, &[])), [("remove", 10_000)]);
    assert_eq!(
        plan(&known, &Inventory::default(), &CONTEXT),
        Plan::default(),
        "it was not asked for"
    );
}

#[test]
fn what_the_stream_tells_of_a_service_after_it_was_inferred_changes_nothing_that_came_later() {
    let mut known = Known::default();
    let inferred = missed(&known, &[service("s", 1000, 1500)]);
    assert_eq!(told(&inferred), [("create", 1000), ("update", 1500)]);
    inferred.iter().for_each(|event| known.note(event));
    for event in &inferred {
        assert!(known.has_inferred(&streamed(event)), "{event:?}");
    }
    // One that the store does not know any more is told after the last: it is no repeat.
    let between = Event {
        time_nano: 1200 * SECOND,
        ..streamed(&inferred[1])
    };
    assert!(!known.has_inferred(&between));
    known.note(&between);
    assert_eq!(missed(&known, &[service("s", 1000, 1500)]), []);
    // Or it is the last, by a leader whose clock is behind that of the one before.
    assert_eq!(missed(&known, &[service("s", 1000, 1200)]), []);
}

#[test]
fn more_services_than_are_remembered_are_said_once() {
    let mut all: Vec<_> = (0..5000)
        .map(|number| service(&format!("s{number}"), 1000 + number, 1000 + number))
        .collect();
    let mut known = Known::default();
    let first = missed(&known, &all);
    assert_eq!(first.len(), all.len());
    first.iter().for_each(|event| known.note(event));
    assert!(known.services().count() <= 4096);
    assert_eq!(missed(&known, &all), [], "they were told");
    // Of one that is new or changed since, known or forgotten, it is told as ever; but how a forgotten one began was told.
    all.push(service("new", 7000, 7001));
    all[0] = service("s0", 1000, 8000);
    let events = missed(&known, &all);
    assert_eq!(
        told(&events),
        [("update", 8000), ("create", 7000), ("update", 7001)]
    );
    events.iter().for_each(|event| known.note(event));
    let again: Known = borsh::from_slice(&borsh::to_vec(&known).unwrap()).unwrap();
    assert_eq!(missed(&again, &all), []);
}
