//! `createEvent`.

use crate::event2ledger::ledger::types::RejectionKind;
use crate::event2ledger::ledger::{logs, state};
use crate::{ALL, CallContext, Rejection, log_of, reject};
use e2l_event::{Event, EventError, EventKind, Glance};

/// Action of a collector's statement that it is there.
const HEARTBEAT: &str = "heartbeat";
/// Longest action of a service, bytes: it is part of a key.
const MAX_SERVICE_ACTION: usize = 256;

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
    speaks_for_itself(context, &event)?;
    match event.kind {
        EventKind::Container => {}
        EventKind::Service => occurs_once(context, &event)?,
        EventKind::Collector if event.action == HEARTBEAT => keep_heartbeat(context, &event, argument),
        EventKind::Collector => {}
    }
    // An argument has at most 4 GiB: the host's limits are far below.
    let length = argument.len() as u32;
    logs::append_argument(&log_of(event.actor_id), 0, length);
    logs::append_argument(ALL, 0, length);
    Ok(Vec::new())
}

/// What is said of a collector is said by itself, so that its statements are a history of their own.
fn speaks_for_itself(context: &CallContext, event: &Glance) -> Result<(), Rejection> {
    let is_collectors = event.actor_id.split('/').nth(1) == Some("collector");
    if !is_collectors || event.actor_id == name_of(context) {
        return Ok(());
    }
    Err(reject(format!(
        "`Actor.ID` is the collector {}: only that collector says something of itself",
        event.actor_id
    )))
}

fn name_of(context: &CallContext) -> String {
    format!("{}/{}/{}", context.actor, context.role, context.sender)
}

/// Keeps a collector's newest heartbeat where it is found without reading its history: block time, then the event.
fn keep_heartbeat(context: &CallContext, event: &Glance, argument: &[u8]) {
    // Of a container it would be anybody's.
    if event.actor_id == name_of(context) {
        let key = [b"heartbeat/".as_slice(), event.actor_id.as_bytes()].concat();
        state::put(&key, &[context.block_time_nano.to_be_bytes().as_slice(), argument].concat());
    }
}

/// Keeps the transaction that reported a service's occurrence first; rejects another report of it by the same actor.
fn occurs_once(context: &CallContext, event: &Glance) -> Result<(), Rejection> {
    if event.action.len() > MAX_SERVICE_ACTION {
        return Err(reject(format!(
            "`Action` of a service has {} bytes, at most {MAX_SERVICE_ACTION} are allowed",
            event.action.len()
        )));
    }
    let key = occurrence(context, event);
    let Some(first) = state::get(&key) else {
        state::put(&key, &context.transaction_id);
        return Ok(());
    };
    let first = first.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Err(Rejection {
        message: format!("transaction {first} has reported it first"),
        kind: RejectionKind::Witness,
    })
}

/// Managers know an occurrence by the time that the Swarm's store gave it, but each takes the time of a removal from its
/// own clock: a service is removed once. One actor's reports do not stand in the way of another's. No name, action or id
/// holds a zero byte.
fn occurrence(context: &CallContext, event: &Glance) -> Vec<u8> {
    let time_nano = if event.action == "remove" { 0 } else { event.time_nano };
    let texts = [context.actor.as_str(), event.actor_id, event.action].join("\0");
    [b"once/".as_slice(), texts.as_bytes(), &[0], &time_nano.to_be_bytes()].concat()
}

/// Most calls bring good events: only a bad one is decoded, to say what is wrong with it.
fn glance(argument: &[u8]) -> Result<Glance<'_>, EventError> {
    match Glance::of(argument) {
        Some(checked) => checked,
        None => Err(Event::decode(argument).err().unwrap_or(EventError::Missing("event"))),
    }
}
