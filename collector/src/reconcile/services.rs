//! Which changes of services were missed. Between two of them others may have been: the store keeps the last.

use super::known::Service;
use super::wording;
use super::{Context, InspectedService, Known};
use crate::gap;
use e2l_ledger::event::Event;
use std::collections::BTreeSet;

/// What is to be recorded so that the record says what the manager says.
pub fn missed(known: &Known, asked_at: u64, seen: &[InspectedService], context: &Context) -> Vec<Event> {
    let mut events = Vec::new();
    let there: BTreeSet<&str> = seen.iter().map(|service| service.id.as_str()).collect();
    for service in seen {
        if !known.changed_since(&service.id, asked_at) {
            events.extend(one(known.service(&service.id), service, context));
        }
    }
    for (id, _) in known.services() {
        if !there.contains(id.as_str()) && !known.changed_since(id, asked_at) {
            events.push(wording::of_service(
                (id.as_str(), None),
                ("remove", context.now_nano),
                context.now_nano,
            ));
        }
    }
    events
}

fn one(entry: Option<&Service>, seen: &InspectedService, context: &Context) -> Vec<Event> {
    let event = |action, nano| {
        wording::of_service(
            (seen.id.as_str(), Some(seen.name.as_str())),
            (action, nano),
            context.now_nano,
        )
    };
    let updated = seen.updated_nano;
    match entry {
        Some(entry) if entry.updated_nano == updated => Vec::new(),
        Some(entry) => {
            let bounds = (entry.updated_nano, updated);
            let gap = gap::unproven(&seen.id, "changes of the service between were not read", bounds);
            vec![gap, event("update", updated)]
        }
        None if seen.created_nano >= context.opened_nano => {
            let mut events = vec![event("create", seen.created_nano)];
            if updated != seen.created_nano {
                events.push(event("update", updated));
            }
            events
        }
        None if updated >= context.opened_nano => vec![event("update", updated)],
        None => Vec::new(),
    }
}
