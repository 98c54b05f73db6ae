//! Counters by name. `add` changes one and is a transaction; `get` reads one.
//!
//! A contract sees its own state, its own logs, and who calls. It has no clock, no randomness, no files and no
//! network: every peer runs it, and all of them must come to the same result.

use event2ledger::ledger::state;
use event2ledger::ledger::types::{ArgumentEncoding, FunctionDescription, FunctionKind, RejectionKind};
use serde::Deserialize;
use serde_json::json;

wit_bindgen::generate!({ path: "wit", world: "contract" });

/// What a function returns: bytes for the caller, or why it refuses. A refusal drops what the call has written.
type Answer = Result<Vec<u8>, Rejection>;

struct Contract;

impl Guest for Contract {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: vec![
                transaction("add", r#"Adds to a counter: {"name": "...", "by": 1}."#),
                query("get", r#"A counter's value: {"name": "..."}."#),
            ],
        }
    }

    fn invoke(_context: CallContext, function: String, argument: Vec<u8>) -> Answer {
        match function.as_str() {
            "add" => add(&argument),
            other => Err(reject(format!("there is no function `{other}` to invoke"))),
        }
    }

    fn query(_context: CallContext, function: String, argument: Vec<u8>) -> Answer {
        match function.as_str() {
            "get" => get(&argument),
            other => Err(reject(format!("there is no function `{other}` to query"))),
        }
    }
}

export!(Contract);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    by: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    name: String,
}

fn add(argument: &[u8]) -> Answer {
    let Add { name, by } = parse(argument)?;
    let value = sum(read(&name), by)?;
    state::put(&key(&name), &value.to_be_bytes());
    Ok(value.to_string().into_bytes())
}

fn get(argument: &[u8]) -> Answer {
    let Get { name } = parse(argument)?;
    let value = read(&name);
    Ok(json!({ "name": name, "value": value })
        .to_string()
        .into_bytes())
}

fn read(name: &str) -> u64 {
    let bytes = state::get(&key(name)).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

fn key(name: &str) -> Vec<u8> {
    [b"counter/", name.as_bytes()].concat()
}

fn sum(value: u64, by: u64) -> Result<u64, Rejection> {
    if by == 0 {
        return Err(reject("`by` must be at least 1"));
    }
    value
        .checked_add(by)
        .ok_or_else(|| reject("the counter is full"))
}

fn parse<'a, T: Deserialize<'a>>(argument: &'a [u8]) -> Result<T, Rejection> {
    serde_json::from_slice(argument)
        .map_err(|error| reject(format!("the argument is not what is expected: {error}")))
}

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

fn transaction(name: &str, summary: &str) -> FunctionDescription {
    describe(name, FunctionKind::Invoke, summary)
}

fn query(name: &str, summary: &str) -> FunctionDescription {
    describe(name, FunctionKind::Query, summary)
}

fn describe(name: &str, kind: FunctionKind, summary: &str) -> FunctionDescription {
    FunctionDescription {
        name: name.to_owned(),
        kind,
        argument: ArgumentEncoding::Json,
        summary: summary.to_owned(),
    }
}

/// What needs no ledger is tested here; calls are tested in `tests/`.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_only_grows_and_never_overflows() {
        assert_eq!(sum(1, 2).unwrap(), 3);
        assert!(sum(1, 0).unwrap_err().message.contains("at least 1"));
        assert!(sum(u64::MAX, 1).unwrap_err().message.contains("full"));
    }

    #[test]
    fn an_argument_has_the_fields_it_needs_and_no_others() {
        assert_eq!(parse::<Add>(br#"{"name": "a", "by": 1}"#).unwrap().by, 1);
        assert!(parse::<Add>(br#"{"name": "a"}"#).is_err());
        assert!(parse::<Get>(br#"{"name": "a", "more": 1}"#).is_err());
    }
}
