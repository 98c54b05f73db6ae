//! A contract whose functions do what a contract must not do, one each. All of them write first, so that a
//! test sees whether their writes are dropped. Arguments are decimal numbers in text, or words.

mod burn;
mod floats;
mod garbage;
mod writes;

use event2ledger::ledger::types::{ArgumentEncoding, FunctionDescription, FunctionKind, RejectionKind};
use event2ledger::ledger::{logs, state};

wit_bindgen::generate!({ path: "../../../wit", world: "contract" });

struct Hostile;

type Answer = Result<Vec<u8>, Rejection>;

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

fn number(argument: &[u8]) -> u64 {
    let text = core::str::from_utf8(argument).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The harmless function: counts its calls in the state and keeps the argument in a log.
fn count(argument: &[u8]) -> Vec<u8> {
    let before = state::get(b"count").map_or(0, |bytes| number(&bytes));
    let now = (before + 1).to_string().into_bytes();
    state::put(b"count", &now);
    logs::append_argument(b"calls", 0, argument.len() as u32);
    now
}

/// What a hostile function leaves behind if the host lets it.
fn mark(function: &str) {
    state::put(b"count", b"999");
    state::put(b"mark", function.as_bytes());
    logs::append(b"calls", b"mark");
}

impl Guest for Hostile {
    fn describe() -> Description {
        Description {
            name: "hostile".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: vec![FunctionDescription {
                name: "count".to_owned(),
                kind: FunctionKind::Invoke,
                argument: ArgumentEncoding::None,
                summary: "Counts its calls.".to_owned(),
            }],
        }
    }

    fn invoke(context: CallContext, function: String, argument: Vec<u8>) -> Answer {
        match function.as_str() {
            "count" => return Ok(count(&argument)),
            "whoami" => {
                return Ok(format!("{}/{}/{}", context.actor, context.role, context.sender).into_bytes());
            }
            "nan" => return Ok(floats::every_nan()),
            "fill" => return Ok(writes::fill(&argument)),
            "fill-and-scan" => return Ok([writes::fill(&argument), writes::scan(1000)].concat()),
            "scan" => return Ok(writes::scan(number(&argument))),
            "note-and-read" => return Ok(writes::note_and_read(&argument)),
            "taint" => return Ok(garbage::taint()),
            "touchy" => return garbage::touchy(&argument),
            _ => mark(&function),
        }
        match function.as_str() {
            "loop" => burn::forever(),
            "bomb" => burn::bomb(),
            "grow" => Ok(burn::grow(number(&argument))),
            "recurse" => Ok(burn::recurse(number(&argument)).to_be_bytes().to_vec()),
            "panic" => panic!("as it was told"),
            "oversized" => Ok(vec![7; number(&argument) as usize]),
            "spend" => Ok(burn::spend(number(&argument))),
            "many-writes" => Ok(writes::many(number(&argument))),
            "many-bytes" => Ok(writes::bytes(number(&argument))),
            "long-key" => Ok(writes::long_key(number(&argument))),
            "beyond-argument" => Ok(writes::beyond_argument(&argument)),
            "reject" => Err(reject(String::from_utf8_lossy(&argument))),
            "reject-at-length" => Err(reject("ä".repeat(number(&argument) as usize))),
            other => Err(reject(format!("there is no function `{other}`"))),
        }
    }

    fn query(_context: CallContext, function: String, argument: Vec<u8>) -> Answer {
        match function.as_str() {
            "count" => Ok(state::get(b"count").unwrap_or_else(|| b"0".to_vec())),
            "scan" => Ok(writes::scan(number(&argument))),
            "loop" => burn::forever(),
            "bomb" => burn::bomb(),
            "recurse" => Ok(burn::recurse(number(&argument)).to_be_bytes().to_vec()),
            "panic" => panic!("as it was told"),
            "oversized" => Ok(vec![7; number(&argument) as usize]),
            "put" => Ok(mark("put")).map(|()| Vec::new()),
            "delete" => Ok(state::delete(b"count")).map(|()| Vec::new()),
            "append" => Ok(logs::append(b"calls", b"query")).map(|_| Vec::new()),
            "append-argument" => Ok(logs::append_argument(b"calls", 0, 0)).map(|_| Vec::new()),
            "reject" => Err(reject(String::from_utf8_lossy(&argument))),
            other => Err(reject(format!("there is no query `{other}`"))),
        }
    }
}

export!(Hostile);
