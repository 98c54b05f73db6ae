//! What collectors record. `record` is asked about every event of a container or service before it is spooled: whether it
//! is recorded, and how its action is worded and its attributes are. Everything else of an event is the collector's.
//!
//! The peers only keep this contract; the collectors run it, without any state. The same event must get the same answer.

mod record;
mod rules;

use event2ledger::ledger::types::{ArgumentEncoding, FunctionDescription, FunctionKind, RejectionKind};

wit_bindgen::generate!({ path: "../../wit", world: "contract" });

/// The one function.
const RECORD: &str = "record";

struct Collector;

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

impl Guest for Collector {
    fn describe() -> Description {
        Description {
            name: "collector".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: vec![FunctionDescription {
                name: RECORD.to_owned(),
                kind: FunctionKind::Query,
                argument: ArgumentEncoding::Json,
                summary: "How an event is recorded: {\"Type\": \"container\", \"Action\": \"start\", \"Actor\": {\"ID\": \
                          \"...\", \"Attributes\": {}}, ...}."
                    .to_owned(),
            }],
        }
    }

    fn invoke(_context: CallContext, function: String, _argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        Err(reject(format!(
            "`{function}` cannot be invoked: collectors ask `{RECORD}`, a query"
        )))
    }

    fn query(_context: CallContext, function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        if function != RECORD {
            return Err(reject(format!("there is no query `{function}`; the one there is is `{RECORD}`")));
        }
        record::record(&argument).map_err(reject)
    }
}

export!(Collector);
