//! The events contract, with the functions of the thesis: `createEvent` stores a life-cycle event under its
//! container or service, `getHistory` returns the events of one, `queryAllEvents` those of all, in ledger
//! order. Both lists are append-only logs of the host, so that a verifier can tell that they are complete.

mod create_event;
mod listing;

use event2ledger::ledger::types::{ArgumentEncoding, FunctionDescription, FunctionKind, RejectionKind};

wit_bindgen::generate!({ path: "../../wit", world: "contract" });

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

const FUNCTIONS: [(&str, FunctionKind, ArgumentEncoding, &str); 3] = [
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
];

fn unknown(function: &str) -> Rejection {
    let known: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
    reject(format!(
        "there is no function `{function}` of this kind; the functions are {}",
        known.join(", ")
    ))
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
            "createEvent" => create_event::create_event(&context, &argument),
            other => Err(unknown(other)),
        }
    }

    fn query(_context: CallContext, function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        match function.as_str() {
            "getHistory" => listing::get_history(&argument),
            "queryAllEvents" => listing::query_all_events(&argument),
            other => Err(unknown(other)),
        }
    }
}

export!(EventDb);
