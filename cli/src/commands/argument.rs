//! A call's argument: from what a person writes to the bytes that a function expects.

use crate::error::{CliError, CliResult};
use crate::unix_now_nano;
use e2l_ledger::event::{Event, EventKind, Observation};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the argument comes from.
#[derive(Debug, Clone, clap::Args)]
#[group(multiple = false)]
pub struct ArgumentArgs {
    /// Argument as JSON text; an event in the form of `docker events --format '{{json .}}'`
    #[arg(value_name = "JSON")]
    argument: Option<String>,
    /// File that holds the argument; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    argument_file: Option<PathBuf>,
}

/// How a function expects its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// It takes none.
    None,
    /// JSON text.
    Json,
    /// The canonical encoding of an event.
    Event,
}

impl Encoding {
    /// Reads a function's description.
    ///
    /// # Errors
    /// A word that this release does not know.
    pub fn parse(word: &str) -> CliResult<Self> {
        match word {
            "none" => Ok(Self::None),
            "json" => Ok(Self::Json),
            "event" => Ok(Self::Event),
            other => Err(CliError::usage(
                format!("the function expects its argument as `{other}`, which this release cannot make"),
                "run the release of e2l that the peer runs",
            )),
        }
    }
}

impl ArgumentArgs {
    /// The argument's bytes.
    ///
    /// # Errors
    /// It is missing, or not what the function expects.
    pub fn encode(&self, encoding: Encoding, function: &str) -> CliResult<Vec<u8>> {
        let text = self.text()?;
        match (encoding, text) {
            (Encoding::None, None) => Ok(Vec::new()),
            (Encoding::None, Some(_)) => Err(CliError::usage(
                format!("`{function}` takes no argument"),
                "leave it out",
            )),
            (_, None) => Err(CliError::usage(
                format!("`{function}` needs an argument"),
                "give it as JSON text after the function's name, or with --argument-file FILE",
            )),
            (Encoding::Json, Some(text)) => {
                let _: serde_json::Value = parse(&text)?;
                Ok(text.into_bytes())
            }
            (Encoding::Event, Some(text)) => Ok(event(&text, unix_now_nano())?.encode()),
        }
    }

    fn text(&self) -> CliResult<Option<String>> {
        let Some(file) = &self.argument_file else {
            return Ok(self.argument.clone());
        };
        if file == Path::new("-") {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            return read
                .map(|_| Some(text))
                .map_err(|error| CliError::file("read", file, &error));
        }
        let read = std::fs::read_to_string(file).map(Some);
        read.map_err(|error| CliError::file("read the argument", file, &error))
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> CliResult<T> {
    serde_json::from_str(text).map_err(|error| {
        CliError::usage(
            format!("the argument is not what is expected: {error}"),
            "correct the JSON",
        )
    })
}

/// An event as an engine prints it. Fields that only newer or older engines have are passed over.
#[derive(Debug, Deserialize)]
struct EngineEvent {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Action", default)]
    action: String,
    #[serde(rename = "Actor", default)]
    actor: EngineActor,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    time: i64,
    #[serde(rename = "timeNano", default)]
    time_nano: i64,
}

#[derive(Debug, Default, Deserialize)]
struct EngineActor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: BTreeMap<String, String>,
}

/// Makes an event of an engine's JSON. What is missing stays empty: the contract decides about it. Without a
/// time it happened now.
///
/// # Errors
/// Not JSON of that form, or a type that the ledger does not record.
pub fn event(text: &str, now_nano: i64) -> CliResult<Event> {
    let read: EngineEvent = parse(text)?;
    let kind = EventKind::parse(&read.kind).ok_or_else(|| {
        CliError::usage(
            format!("the ledger does not record events of type `{}`", read.kind),
            "set `Type` to container, service or collector",
        )
    })?;
    let time_nano = match (read.time_nano, read.time) {
        (0, 0) => now_nano,
        (0, seconds) => seconds.saturating_mul(1_000_000_000),
        (nano, _) => nano,
    };
    Ok(Event {
        kind,
        action: read.action,
        actor_id: read.actor.id,
        attributes: read.actor.attributes,
        scope: read.scope,
        time: time_nano.div_euclid(1_000_000_000),
        time_nano,
        received_nano: now_nano,
        sequence: 1,
        observation: Observation::Observed,
        facts: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_line_becomes_an_event() {
        let line = r#"{"status":"start","id":"ab","from":"web","Type":"container","Action":"start","Actor":
            {"ID":"ab","Attributes":{"image":"web","name":"w"}},"scope":"local","time":7,"timeNano":7000000001}"#;
        let event = event(line, 9).unwrap();
        assert_eq!(
            (event.kind, event.action.as_str(), event.actor_id.as_str()),
            (EventKind::Container, "start", "ab")
        );
        assert_eq!(
            (event.time, event.time_nano, event.received_nano),
            (7, 7_000_000_001, 9)
        );
        assert_eq!(event.attributes["name"], "w");
        event.check().unwrap();
    }

    #[test]
    fn time_may_be_in_seconds_or_missing() {
        assert_eq!(
            event(r#"{"Type":"service","time":3}"#, 9).unwrap().time_nano,
            3_000_000_000
        );
        assert_eq!(event(r#"{"Type":"service"}"#, 9).unwrap().time_nano, 9);
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let error = event(r#"{"Type":"volume","Action":"mount"}"#, 9).unwrap_err();
        assert!(error.to_string().contains("`volume`"), "{error}");
    }

    #[test]
    fn a_function_without_argument_takes_none() {
        let given = ArgumentArgs {
            argument: Some("{}".to_owned()),
            argument_file: None,
        };
        assert!(given.encode(Encoding::None, "f").is_err());
        assert_eq!(given.encode(Encoding::Json, "f").unwrap(), b"{}");
        let missing = ArgumentArgs {
            argument: None,
            argument_file: None,
        };
        assert!(missing.encode(Encoding::Event, "f").is_err());
        assert_eq!(missing.encode(Encoding::None, "f").unwrap(), b"");
    }
}
