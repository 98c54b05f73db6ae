//! What a component is given, and what it may answer. What an answer cannot say it cannot change: whom an event is about,
//! when it was, how it is known.

use crate::reserved::RESERVED;
use e2l_ledger::event::{Event, Facts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event, in the engine's words, and what the collector knows.
#[derive(Serialize)]
struct Given<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Action")]
    action: &'a str,
    #[serde(rename = "Actor")]
    actor: GivenActor<'a>,
    scope: &'a str,
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
    received_nano: i64,
    observed: &'static str,
    facts: Option<&'a Facts>,
}

#[derive(Serialize)]
struct GivenActor<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Attributes")]
    attributes: &'a BTreeMap<String, String>,
}

/// An event as the argument of `record`.
pub fn argument(event: &Event) -> Vec<u8> {
    let given = Given {
        kind: event.kind.as_str(),
        action: &event.action,
        actor: GivenActor {
            id: &event.actor_id,
            attributes: &event.attributes,
        },
        scope: &event.scope,
        time: event.time,
        time_nano: event.time_nano,
        received_nano: event.received_nano,
        observed: event.observation.as_str(),
        facts: event.facts.as_ref(),
    };
    // Texts and numbers only: nothing of it can fail.
    serde_json::to_vec(&given).unwrap_or_default()
}

/// What `record` answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    recorded: bool,
    action: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

/// Makes an event what the answer says; `false` if it is not to be recorded. The collector's own attributes stay as they
/// are, and a component cannot add to them.
///
/// # Errors
/// It is no answer, or makes another kind of event of it. The event is unchanged.
pub fn apply(answer: &[u8], event: &mut Event) -> Result<bool, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    if !answer.recorded {
        return Ok(false);
    }
    let (Some(action), Some(attributes)) = (answer.action, answer.attributes) else {
        return Err("an event that is recorded has `action` and `attributes`".to_owned());
    };
    if verb(&action) != verb(&event.action) {
        return Err(format!(
            "it makes `{}` of `{}`",
            verb(&action),
            verb(&event.action)
        ));
    }
    event.action = action;
    event.attributes.retain(|name, _| name.starts_with(RESERVED));
    let others = attributes
        .into_iter()
        .filter(|(name, _)| !name.starts_with(RESERVED));
    event.attributes.extend(others);
    Ok(true)
}

/// What happened, without what the engine adds to it: a command line, a state of health.
pub fn verb(action: &str) -> &str {
    action.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::event::{EventKind, Observation};

    fn event() -> Event {
        let attributes = [("event2ledger.run", "1"), ("image", "a"), ("secret", "b")];
        Event {
            kind: EventKind::Container,
            action: "exec_start: sh".to_owned(),
            actor_id: "c1".to_owned(),
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            scope: "local".to_owned(),
            time: 1,
            time_nano: 1_000_000_007,
            received_nano: 1_000_000_009,
            sequence: 0,
            observation: Observation::Inferred,
            facts: Some(Facts {
                exit_code: Some(3),
                ..Facts::default()
            }),
        }
    }

    #[test]
    fn a_component_is_given_the_whole_event() {
        let given: serde_json::Value = serde_json::from_slice(&argument(&event())).unwrap();
        assert_eq!(given["Type"], "container");
        assert_eq!(given["Action"], "exec_start: sh");
        assert_eq!(given["Actor"]["ID"], "c1");
        assert_eq!(given["Actor"]["Attributes"]["secret"], "b");
        assert_eq!(
            (&given["timeNano"], &given["observed"]),
            (&1_000_000_007i64.into(), &"inferred".into())
        );
        assert_eq!(given["facts"]["exit_code"], 3);
    }

    #[test]
    fn an_answer_decides_on_action_and_attributes_alone() {
        let answer = br#"{"recorded":true,"action":"exec_start","attributes":{"image":"x","event2ledger.run":"2","event2ledger.new":"3"}}"#;
        let mut found = event();
        assert_eq!(apply(answer, &mut found), Ok(true));
        let mut expected = event();
        expected.action = "exec_start".to_owned();
        expected.attributes.remove("secret");
        expected.attributes.insert("image".to_owned(), "x".to_owned());
        assert_eq!(found, expected);
        assert_eq!(apply(br#"{"recorded":false}"#, &mut found), Ok(false));
    }

    #[test]
    fn who_when_and_how_it_is_known_cannot_be_answered() {
        for answer in [
            r#"{"recorded":true}"#,
            r#"{"recorded":true,"action":"exec_start"}"#,
            r#"{"recorded":true,"action":"die","attributes":{}}"#,
            r#"{"recorded":true,"action":"exec_start","attributes":{},"observed":"observed"}"#,
            r#"{"recorded":true,"action":"exec_start","attributes":{},"timeNano":5}"#,
            r#"{"recorded":true,"action":"exec_start","attributes":{},"Actor":{"ID":"c2"}}"#,
            r#"{"recorded":true,"action":"exec_start","attributes":{},"facts":{}}"#,
            "{}",
            "",
        ] {
            let mut unchanged = event();
            assert!(apply(answer.as_bytes(), &mut unchanged).is_err(), "{answer}");
            assert_eq!(unchanged, event(), "{answer}");
        }
    }
}
