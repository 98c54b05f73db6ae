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
    let forgotten = known.services_forgotten_nano().map(|nano| nano.saturating_add(1));
    let new_from = context.opened_nano.max(forgotten.unwrap_or(i64::MIN));
    for service in seen {
        if !known.changed_since(&service.id, asked_at) {
            events.extend(one(
                known.service(&service.id),
                service,
                new_from,
                context.now_nano,
            ));
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

/// `new_from`: what was before that moment of a service that is not known is not to be inferred.
fn one(entry: Option<&Service>, seen: &InspectedService, new_from: i64, now_nano: i64) -> Vec<Event> {
    let event = |action, nano| {
        wording::of_service(
            (seen.id.as_str(), Some(seen.name.as_str())),
            (action, nano),
            now_nano,
        )
    };
    let updated = seen.updated_nano;
    match entry {
        Some(entry) if entry.updated_nano == updated || entry.told_late_nano == Some(updated) => Vec::new(),
        Some(entry) => {
            let bounds = (entry.updated_nano, updated);
            let gap = gap::unproven(&seen.id, "changes of the service between were not read", bounds);
            vec![gap, event("update", updated)]
        }
        None if seen.created_nano >= new_from => {
            let mut events = vec![event("create", seen.created_nano)];
            if updated != seen.created_nano {
                events.push(event("update", updated));
            }
            events
        }
        None if updated >= new_from => vec![event("update", updated)],
        None => Vec::new(),
    }
}
