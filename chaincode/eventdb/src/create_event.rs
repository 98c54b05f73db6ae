//! `createEvent`.

use crate::event2ledger::ledger::logs;
use crate::{ALL, CallContext, Rejection, log_of, reject};
use e2l_event::{Event, EventError, Glance};

/// Checks the event and appends it to the log of its id and to the log of all. The host keeps the bytes once,
/// as part of the transaction, with the transaction's id and its sender's CommonName.
pub fn create_event(context: &CallContext, argument: &[u8]) -> Result<Vec<u8>, Rejection> {
    if !matches!(context.role.as_str(), "collector" | "admin") {
        return Err(reject(format!(
            "createEvent is for collectors and admins; {} of {} has the role `{}`",
            context.sender, context.actor, context.role
        )));
    }
    let event = glance(argument).map_err(|error| reject(error.to_string()))?;
    // An argument has at most 4 GiB: the host's limits are far below.
    let length = argument.len() as u32;
    logs::append_argument(&log_of(event.actor_id), 0, length);
    logs::append_argument(ALL, 0, length);
    Ok(Vec::new())
}

/// Most calls bring good events: only a bad one is decoded, to say what is wrong with it.
fn glance(argument: &[u8]) -> Result<Glance<'_>, EventError> {
    match Glance::of(argument) {
        Some(checked) => checked,
        None => Err(Event::decode(argument).err().unwrap_or(EventError::Missing("event"))),
    }
}
