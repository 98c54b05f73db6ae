//! The events contract, version 2. It adds a question, `runningContainers`: which containers of a Swarm service ran at a
//! moment. The index that answers it grows with each event; of the events that the ledger already holds it is prepared, step by
//! step, before this version becomes active. What version 1 did is its own code still.

mod create_event;
mod listing;
mod prepare;
mod running;
mod transition;

use event2ledger::ledger::logs;
use event2ledger::ledger::types::{ArgumentEncoding, FunctionDescription, FunctionKind, RejectionKind};
use transition::Transition;

wit_bindgen::generate!({ path: "../../wit", world: "preparing-contract" });

/// Log of every event.
const ALL: &[u8] = b"all";

/// Log of one container's or service's events.
fn log_of(actor_id: &str) -> Vec<u8> {
    [b"id/", actor_id.as_bytes()].concat()
}

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

struct EventDb;

const FUNCTIONS: [(&str, FunctionKind, ArgumentEncoding, &str); 4] = [
    (
        "createEvent",
        FunctionKind::Invoke,
        ArgumentEncoding::Event,
        "Stores an event under its container or service id.",
    ),
    (
        "getHistory",
        FunctionKind::Query,
        ArgumentEncoding::Json,
        "The events of one id in ledger order: {\"id\": \"...\", \"from\": 0, \"limit\": 100}.",
    ),
    (
        "queryAllEvents",
        FunctionKind::Query,
        ArgumentEncoding::Json,
        "All events in ledger order: {\"from\": 0, \"limit\": 100}.",
    ),
    (
        "runningContainers",
        FunctionKind::Query,
        ArgumentEncoding::Json,
        "The containers of a service that ran at a moment, in nanoseconds: {\"service\": \"...\", \"at\": 0}.",
    ),
];

fn unknown(function: &str) -> Rejection {
    let known: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
    reject(format!(
        "there is no function `{function}` of this kind; the functions are {}",
        known.join(", ")
    ))
}

fn create_event(context: &CallContext, argument: &[u8]) -> Result<Vec<u8>, Rejection> {
    let answer = create_event::create_event(context, argument)?;
    if let Some(transition) = Transition::of(argument)? {
        // The log's last entry is the event.
        transition.keep(logs::length(ALL).saturating_sub(1));
    }
    Ok(answer)
}

impl Guest for EventDb {
    fn describe() -> Description {
        let functions = FUNCTIONS
            .iter()
            .map(|(name, kind, argument, summary)| FunctionDescription {
                name: (*name).to_owned(),
                kind: *kind,
                argument: *argument,
                summary: (*summary).to_owned(),
            });
        Description {
            name: "eventdb".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: functions.collect(),
        }
    }

    fn invoke(context: CallContext, function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        match function.as_str() {
            "createEvent" => create_event(&context, &argument),
            other => Err(unknown(other)),
        }
    }

    fn query(_context: CallContext, function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        match function.as_str() {
            "getHistory" => listing::get_history(&argument),
            "queryAllEvents" => listing::query_all_events(&argument),
            "runningContainers" => running::running_containers(&argument),
            other => Err(unknown(other)),
        }
    }

    fn prepare(_context: CallContext, from: String) -> Result<bool, Rejection> {
        prepare::prepare(&from)
    }
}

export!(EventDb);
