//! `getHistory` and `queryAllEvents`.

use crate::event2ledger::ledger::logs;
use crate::event2ledger::ledger::types::LogEntry;
use crate::{ALL, Rejection, log_of, reject};
use e2l_event::{Event, Facts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most events in one page.
const MAX_LIMIT: u32 = 1000;
/// A page ends when its events have this many bytes. In JSON a byte can become six, and a page must stay below the
/// 4 MiB that a query may return.
const MAX_PAGE_BYTES: usize = 512 << 10;
/// Entries read from the host at once.
const STRIDE: u32 = 50;

fn default_limit() -> u32 {
    100
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryArgument {
    id: String,
    #[serde(default)]
    from: u64,
    #[serde(default = "default_limit")]
    limit: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllArgument {
    #[serde(default)]
    from: u64,
    #[serde(default = "default_limit")]
    limit: u32,
}

#[derive(Serialize)]
struct Page<'a> {
    total: u64,
    from: u64,
    events: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    tx_id: String,
    height: u64,
    index: u32,
    position: u64,
    r#type: &'a str,
    action: &'a str,
    actor_id: &'a str,
    attributes: &'a BTreeMap<String, String>,
    scope: &'a str,
    time: i64,
    time_nano: i64,
    received_nano: i64,
    block_time_nano: i64,
    sequence: u64,
    observed: &'a str,
    facts: Option<&'a Facts>,
    sender: &'a str,
    actor: &'a str,
    role: &'a str,
}

/// The events of one container or service; none for an id that the ledger does not know.
pub fn get_history(argument: &[u8]) -> Result<Vec<u8>, Rejection> {
    let argument: HistoryArgument = parse(argument, "{\"id\": \"...\", \"from\": 0, \"limit\": 100}")?;
    page(&log_of(&argument.id), argument.from, argument.limit)
}

/// All events.
pub fn query_all_events(argument: &[u8]) -> Result<Vec<u8>, Rejection> {
    let argument = if argument.is_empty() { b"{}" } else { argument };
    let argument: AllArgument = parse(argument, "{\"from\": 0, \"limit\": 100}")?;
    page(ALL, argument.from, argument.limit)
}

pub fn parse<'a, T: Deserialize<'a>>(argument: &'a [u8], expected: &str) -> Result<T, Rejection> {
    serde_json::from_slice(argument)
        .map_err(|error| reject(format!("the argument must be JSON like {expected}: {error}")))
}

fn page(log: &[u8], from: u64, limit: u32) -> Result<Vec<u8>, Rejection> {
    if limit == 0 || limit > MAX_LIMIT {
        return Err(reject(format!(
            "`limit` is {limit}; it must be from 1 to {MAX_LIMIT}"
        )));
    }
    let total = logs::length(log);
    let mut entries: Vec<(LogEntry, Event)> = Vec::new();
    let mut bytes = 0;
    'pages: while (entries.len() as u32) < limit {
        let wanted = STRIDE.min(limit - entries.len() as u32);
        let found = logs::read(log, from.saturating_add(entries.len() as u64), wanted);
        if found.is_empty() {
            break;
        }
        for entry in found {
            bytes += entry.value.len();
            if bytes > MAX_PAGE_BYTES && !entries.is_empty() {
                break 'pages;
            }
            let event = Event::decode(&entry.value).map_err(|error| {
                reject(format!(
                    "the entry at position {} is unreadable: {error}",
                    entry.position
                ))
            })?;
            entries.push((entry, event));
        }
    }
    let events = entries.iter().map(|(entry, event)| row(entry, event)).collect();
    serde_json::to_vec(&Page { total, from, events }).map_err(|error| reject(error.to_string()))
}

fn row<'a>(entry: &'a LogEntry, event: &'a Event) -> Row<'a> {
    Row {
        tx_id: hex(&entry.transaction_id),
        height: entry.height,
        index: entry.index,
        position: entry.position,
        r#type: event.kind.as_str(),
        action: &event.action,
        actor_id: &event.actor_id,
        attributes: &event.attributes,
        scope: &event.scope,
        time: event.time,
        time_nano: event.time_nano,
        received_nano: event.received_nano,
        block_time_nano: entry.block_time_nano,
        sequence: event.sequence,
        observed: event.observation.as_str(),
        facts: event.facts.as_ref(),
        sender: &entry.sender,
        actor: &entry.actor,
        role: &entry.role,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}
