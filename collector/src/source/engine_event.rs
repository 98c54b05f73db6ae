//! An event as an engine writes it in JSON, and as the ledger records it.

use crate::reserved::RESERVED;
use e2l_ledger::event::{Event, EventKind, Facts, Observation};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Put before a label that would pass for one of them.
pub const LABEL: &str = "label:";

/// Why a line is no event.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not the JSON that an engine writes.
    #[error("it is not an engine's event: {0}")]
    Json(#[from] serde_json::Error),
    /// Another kind of JSON value.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field is missing.
    #[error("the event has no `{0}`")]
    Missing(&'static str),
}

/// The engine's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct EngineEvent {
    /// Kind of object.
    #[serde(rename = "Type", default)]
    pub kind: String,
    /// What happened.
    #[serde(rename = "Action", default)]
    pub action: String,
    /// Whom to.
    #[serde(rename = "Actor", default)]
    pub actor: EngineActor,
    /// `local` or `swarm`.
    #[serde(default)]
    pub scope: String,
    /// Seconds since the Unix epoch.
    #[serde(default)]
    pub time: i64,
    /// Nanoseconds since the Unix epoch.
    #[serde(rename = "timeNano", default)]
    pub time_nano: i64,
    /// Podman's word for a container's health, which Docker has in the action.
    #[serde(rename = "HealthStatus", default)]
    pub health_status: String,
    /// What the source adds.
    #[serde(skip)]
    pub said: Said,
}

/// What a source says of an event besides the engine's own fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Attributes of the collector's own: names without their reserved beginning.
    pub attributes: BTreeMap<&'static str, String>,
    /// What the engine's event proves, and no label can forge.
    pub facts: Option<Facts>,
}

/// The object that an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct EngineActor {
    /// Its id.
    #[serde(rename = "ID", default)]
    pub id: String,
    /// Labels and facts.
    #[serde(rename = "Attributes", default)]
    pub attributes: Option<BTreeMap<String, String>>,
}

impl EngineEvent {
    /// Reads a line of JSON.
    ///
    /// # Errors
    /// It is not an object, or one with other types.
    pub fn parse(line: &str) -> Result<Self, LineError> {
        // A list would pass for the fields in order.
        if !line.trim_start().starts_with('{') {
            return Err(LineError::NotAnObject);
        }
        let event: Self = serde_json::from_str(line)?;
        if event.kind.is_empty() {
            return Err(LineError::Missing("Type"));
        }
        Ok(event)
    }

    /// In the ledger's form, without sequence number and facts, and with everything that the engine says; `None` for kinds that it does not record. A label
    /// that would pass for an attribute of the collector's own is marked as the label that it is.
    ///
    /// # Errors
    /// A field is missing that every event has.
    pub fn normalise(self, received_nano: i64) -> Result<Option<Event>, LineError> {
        // `collector` is a kind of the ledger, not of engines.
        let kind = EventKind::parse(&self.kind).filter(|kind| *kind != EventKind::Collector);
        let Some(kind) = kind else { return Ok(None) };
        let time_nano = if self.time_nano == 0 {
            self.time.saturating_mul(1_000_000_000)
        } else {
            self.time_nano
        };
        for (missing, name) in [
            (self.action.is_empty(), "Action"),
            (self.actor.id.is_empty(), "Actor.ID"),
            (time_nano <= 0, "timeNano"),
        ] {
            if missing {
                return Err(LineError::Missing(name));
            }
        }
        let mut attributes = marked(self.actor.attributes.unwrap_or_default());
        let said = self.said.attributes.into_iter();
        attributes.extend(said.map(|(name, value)| (format!("{RESERVED}{name}"), value)));
        Ok(Some(Event {
            kind,
            action: self.action,
            actor_id: self.actor.id,
            attributes,
            scope: self.scope,
            time: if self.time == 0 {
                time_nano / 1_000_000_000
            } else {
                self.time
            },
            time_nano,
            received_nano,
            sequence: 0,
            observation: Observation::Observed,
            facts: self.said.facts,
        }))
    }
}

/// Names that are the collector's own, put apart.
pub fn marked(mut attributes: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let reserved = attributes.keys().filter(|name| name.starts_with(RESERVED));
    for name in reserved.cloned().collect::<Vec<_>>() {
        if let Some(value) = attributes.remove(&name) {
            attributes.insert(format!("{LABEL}{name}"), value);
        }
    }
    attributes
}
