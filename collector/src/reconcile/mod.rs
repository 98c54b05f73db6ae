//! What the engine's state says that its stream did not: recorded view + inspection -> events. Pure: no engine, no
//! clock, no disk.
//!
//! [`Known`] is what was recorded of each container, folded from the recorded events themselves, so that it cannot differ
//! from them. [`plan`] compares it with an [`Inventory`] that was asked for while the stream was read, and says what is
//! to be recorded besides. What it says, once recorded, makes the next comparison say nothing.

mod containers;
mod inventory;
mod known;
mod processes;
mod services;
mod wording;

pub use inventory::{Inspected, InspectedService, Inventory, Phase, RunMark};
pub use known::Known;

use e2l_ledger::event::{Event, Observation};

/// When the comparison is made and what it may look back to.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// When the spool was begun: transitions before it are not this collector's. Nanoseconds since the Unix epoch.
    pub opened_nano: i64,
    /// Now, by the collector's clock, nanoseconds since the Unix epoch.
    pub now_nano: i64,
}

/// What a comparison says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be recorded, in this order: inferred events, and gaps where what happened cannot be known.
    pub events: Vec<Event>,
    /// Containers to be inspected again: events of theirs came in between, or they are known and were not listed.
    pub again: Vec<String>,
}

/// Compares.
pub fn plan(known: &Known, inventory: &Inventory, context: &Context) -> Plan {
    let mut plan = Plan::default();
    if known.is_far_beyond(inventory.asked_at) {
        plan.again = inventory.containers.iter().map(|(id, _)| id.clone()).collect();
        return plan;
    }
    for (id, seen) in &inventory.containers {
        if known.changed_since(id, inventory.asked_at) {
            plan.again.push(id.clone());
            continue;
        }
        let entry = known.container(id);
        plan.events.extend(match seen {
            // Who was forgotten for want of room is not new.
            Some(seen) if entry.is_none() && known.has_forgotten() && !seen.phase.is_alive() => Vec::new(),
            Some(seen) => containers::missed(entry, seen, context),
            None => entry.map_or_else(Vec::new, |entry| containers::gone(id, entry, context)),
        });
    }
    if let Some(listed) = &inventory.listed {
        let absent = known.containers().filter(|id| !listed.contains(*id));
        plan.again.extend(absent.cloned());
    }
    if let Some(seen) = &inventory.services {
        plan.events
            .extend(services::missed(known, inventory.asked_at, seen, context));
    }
    plan
}

/// What is to be recorded before an event that the stream tells, at this time of the collector's clock: the start of a run whose
/// end it is, if that was not told.
pub fn before(known: &Known, event: &Event, now_nano: i64) -> Vec<Event> {
    if event.action != "die" || event.observation != Observation::Observed {
        return Vec::new();
    }
    let entry = known.container(&event.actor_id);
    entry.map_or_else(Vec::new, |entry| containers::before_death(entry, event, now_nano))
}

#[cfg(test)]
mod process_tests;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod tests;
