//! `createEvent`.

use crate::event2ledger::ledger::types::RejectionKind;
use crate::event2ledger::ledger::{logs, state};
use crate::{ALL, CallContext, Rejection, log_of, reject};
use e2l_event::{Event, EventError, EventKind, Glance};

/// Checks the event and appends it to the log of its id and to the log of all. The host keeps the bytes once,
/// as part of the transaction, with the transaction's id and its sender's CommonName. Of a service's event each manager
/// of a Swarm reports the same occurrence: the first counts, the others are witnesses.
pub fn create_event(context: &CallContext, argument: &[u8]) -> Result<Vec<u8>, Rejection> {
    if !matches!(context.role.as_str(), "collector" | "admin") {
        return Err(reject(format!(
            "createEvent is for collectors and admins; {} of {} has the role `{}`",
            context.sender, context.actor, context.role
        )));
    }
    let event = glance(argument).map_err(|error| reject(error.to_string()))?;
    if event.kind == EventKind::Service {
        occurs_once(context, &event)?;
    }
    // An argument has at most 4 GiB: the host's limits are far below.
    let length = argument.len() as u32;
    logs::append_argument(&log_of(event.actor_id), 0, length);
    logs::append_argument(ALL, 0, length);
    Ok(Vec::new())
}

/// Keeps the transaction that reported a service's occurrence first; rejects another report of it.
fn occurs_once(context: &CallContext, event: &Glance) -> Result<(), Rejection> {
    let key = occurrence(event);
    match state::get(&key) {
        None => state::put(&key, &context.transaction_id),
        Some(first) => {
            let first = first.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            return Err(Rejection {
                message: format!("transaction {first} has reported it first"),
                kind: RejectionKind::Witness,
            });
        }
    }
    Ok(())
}

/// Managers know an occurrence by the time that the Swarm's store gave it, but each takes the time of a removal from its
/// own clock: a service is removed once. No action holds a zero byte, nor does an id.
fn occurrence(event: &Glance) -> Vec<u8> {
    let time_nano = if event.action == "remove" { 0 } else { event.time_nano };
    let texts = [event.actor_id.as_bytes(), &[0], event.action.as_bytes(), &[0]];
    [&b"once/"[..], &texts.concat(), &time_nano.to_be_bytes()].concat()
}

/// Most calls bring good events: only a bad one is decoded, to say what is wrong with it.
fn glance(argument: &[u8]) -> Result<Glance<'_>, EventError> {
    match Glance::of(argument) {
        Some(checked) => checked,
        None => Err(Event::decode(argument).err().unwrap_or(EventError::Missing("event"))),
    }
}
