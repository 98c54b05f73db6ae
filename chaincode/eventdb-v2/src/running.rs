//! `runningContainers`.

use crate::event2ledger::ledger::state;
use crate::event2ledger::ledger::types::KeyValue;
use crate::listing::parse;
use crate::transition::{MAX_SERVICE, STARTED, after, container_of, end, key_at, prefix};
use crate::{Rejection, reject};
use serde::{Deserialize, Serialize};

/// Most containers in one answer.
const MAX_LIMIT: u32 = 1000;

fn default_limit() -> u32 {
    MAX_LIMIT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    service: String,
    /// Nanoseconds since the Unix epoch.
    at: u64,
    /// The container to go on after.
    #[serde(default)]
    after: String,
    #[serde(default = "default_limit")]
    limit: u32,
}

#[derive(Serialize)]
struct Answer {
    /// In the order of their ids.
    containers: Vec<String>,
    /// Where to go on, if not all were looked at.
    after: Option<String>,
}

/// The containers of a service whose last start or end at or before a moment, by their engine's time, is a start.
pub fn running_containers(argument: &[u8]) -> Result<Vec<u8>, Rejection> {
    let argument: Argument = parse(argument, "{\"service\": \"...\", \"at\": 1800000000000000000}")?;
    let (service, limit) = (argument.service.as_str(), argument.limit);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(reject(format!(
            "`limit` is {limit}; it must be from 1 to {MAX_LIMIT}"
        )));
    }
    if service.len() > MAX_SERVICE {
        return Err(reject(format!(
            "`service` has {} bytes; it may have {MAX_SERVICE}",
            service.len()
        )));
    }
    let mut answer = Answer {
        containers: Vec::new(),
        after: None,
    };
    let mut next = match argument.after.as_str() {
        "" => prefix(service),
        container => after(service, container),
    };
    // One look per container that the service ever had, or two: the fuel of a query is enough for half a million.
    while let Some(newest) = first(&next, &end(service)) {
        if answer.containers.len() as u32 == limit {
            answer.after = answer.containers.last().cloned();
            break;
        }
        let container = container_of(service, &newest.key)?;
        next = after(service, container);
        let wanted = key_at(service, container, argument.at);
        let last = if newest.key >= wanted {
            Some(newest.value)
        } else {
            first(&wanted, &next).map(|pair| pair.value)
        };
        if last.is_some_and(|value| value == [STARTED]) {
            answer.containers.push(container.to_owned());
        }
    }
    serde_json::to_vec(&answer).map_err(|error| reject(error.to_string()))
}

fn first(start: &[u8], end: &[u8]) -> Option<KeyValue> {
    state::scan(start, end, 1).pop()
}
