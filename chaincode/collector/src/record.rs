//! The function `record`.

use crate::rules::redact_action;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event as its source gives it; what these rules do not look at is left out.
#[derive(Debug, Deserialize)]
struct Given {
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
}

/// The object that it is about.
#[derive(Debug, Deserialize)]
struct Actor {
    #[serde(rename = "Attributes", default)]
    attributes: BTreeMap<String, String>,
}

/// How it is recorded.
#[derive(Debug, Serialize)]
struct Recorded {
    recorded: bool,
    action: String,
    attributes: BTreeMap<String, String>,
}

/// Every event is recorded, with its attributes as they are; command lines are redacted.
pub fn record(argument: &[u8]) -> Result<Vec<u8>, String> {
    let given: Given =
        serde_json::from_slice(argument).map_err(|error| format!("the argument is not an event: {error}"))?;
    let recorded = Recorded {
        recorded: true,
        action: redact_action(&given.action),
        attributes: given.actor.attributes,
    };
    serde_json::to_vec(&recorded).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::record;

    #[test]
    fn an_event_keeps_its_attributes_and_loses_its_command_line() {
        let given = br#"{"Type":"container","Action":"exec_start: sh -c secret","Actor":{"ID":"a","Attributes":{"b":"c"}}}"#;
        let expected = r#"{"recorded":true,"action":"exec_start: [redacted]","attributes":{"b":"c"}}"#;
        assert_eq!(String::from_utf8(record(given).unwrap()).unwrap(), expected);
    }

    #[test]
    fn what_is_no_event_is_rejected() {
        for argument in ["", "[]", "{}", r#"{"Action":1,"Actor":{}}"#] {
            assert!(record(argument.as_bytes()).is_err(), "{argument}");
        }
    }
}
