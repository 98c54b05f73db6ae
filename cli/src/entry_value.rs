//! An entry of the events contract's logs, as `getHistory` shows it.

use e2l_ledger::LogEntry;
use e2l_ledger::event::Event;
use serde_json::{Value, json};

/// The log of one container's or service's events, as the events contract names it.
pub fn log_of(id: &str) -> Vec<u8> {
    [b"id/", id.as_bytes()].concat()
}

/// The fields that `getHistory` gives, from an entry.
///
/// # Errors
/// Its value is not an event.
pub fn entry_value(entry: &LogEntry) -> Result<Value, String> {
    let event = Event::decode(&entry.value).map_err(|error| error.to_string())?;
    let place = &entry.provenance;
    Ok(json!({
        "tx_id": place.transaction,
        "height": place.height,
        "index": place.index,
        "position": entry.position,
        "type": event.kind.as_str(),
        "action": event.action,
        "actor_id": event.actor_id,
        "attributes": event.attributes,
        "scope": event.scope,
        "time": event.time,
        "time_nano": event.time_nano,
        "received_nano": event.received_nano,
        "block_time_nano": place.block_time_nano,
        "sequence": event.sequence,
        "observed": event.observation.as_str(),
        "facts": event.facts,
        "sender": place.sender.name,
        "actor": place.sender.actor,
        "role": place.sender.role.as_str(),
    }))
}
