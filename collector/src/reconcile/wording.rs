//! Inferred events, in the words that the engine would have used.

use super::Inspected;
use e2l_ledger::attributes::CONFLICT;
use e2l_ledger::event::{Event, EventKind, Facts, Observation};
use std::collections::BTreeMap;

/// Attributes of a death that a start does not have.
const OF_AN_END: [&str; 3] = ["exitCode", "execDuration", CONFLICT];

/// Of a container: its labels, and over them, so that no label can forge them, image and name.
pub fn of_container(seen: &Inspected, what: (&str, i64), facts: Facts, now_nano: i64) -> Event {
    let mut attributes = seen.labels.clone();
    attributes.insert("image".to_owned(), seen.image.clone());
    attributes.insert("name".to_owned(), seen.name.clone());
    let inferred = inferred(EventKind::Container, &seen.id, what, now_nano);
    Event {
        attributes,
        facts: Some(facts),
        ..inferred
    }
}

/// Of the run that a death has ended: what the death says of the container, but for the end itself.
pub fn start_of(died: &Event, started_nano: i64, now_nano: i64) -> Event {
    let mut attributes = died.attributes.clone();
    attributes.retain(|name, _| !OF_AN_END.contains(&name.as_str()));
    let image_digest = died.facts.as_ref().and_then(|facts| facts.image_digest.clone());
    let what = ("start", started_nano);
    Event {
        attributes,
        facts: Some(Facts {
            image_digest,
            started_nano: Some(started_nano),
            ..Facts::default()
        }),
        ..inferred(EventKind::Container, &died.actor_id, what, now_nano)
    }
}

/// Of a container that is gone: when was not read, so the time is that of finding out.
pub fn of_gone_container(id: &str, now_nano: i64) -> Event {
    inferred(EventKind::Container, id, ("destroy", now_nano), now_nano)
}

/// Of a service and, if it is known, its name.
pub fn of_service((id, name): (&str, Option<&str>), what: (&str, i64), now_nano: i64) -> Event {
    let mut event = inferred(EventKind::Service, id, what, now_nano);
    event.scope = "swarm".to_owned();
    event
        .attributes
        .extend(name.map(|name| ("name".to_owned(), name.to_owned())));
    event
}

fn inferred(kind: EventKind, id: &str, (action, time_nano): (&str, i64), now_nano: i64) -> Event {
    Event {
        kind,
        action: action.to_owned(),
        actor_id: id.to_owned(),
        attributes: BTreeMap::new(),
        scope: "local".to_owned(),
        time: time_nano / 1_000_000_000,
        time_nano,
        received_nano: now_nano,
        sequence: 0,
        observation: Observation::Inferred,
        facts: None,
    }
}
