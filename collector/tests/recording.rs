//! A recording of a real engine (Docker Engine 20.10, `docker events --format '{{json .}}'`): weird labels, an
//! exec with a secret, a whole life.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_collector::recording::{Recorded, Recorder};
use e2l_collector::source::{Given, ReplayPace, ReplaySource, Resume, Source, SourceError, Sourced};
use e2l_ledger::event::{Event, EventKind};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recording.jsonl")
}

async fn replay(path: &Path, lines: u64) -> (Vec<Sourced>, Result<(), SourceError>) {
    let (sender, mut receiver) = mpsc::channel(1000);
    let resume = Resume {
        lines,
        ..Resume::default()
    };
    let result = Box::new(ReplaySource::new(path, ReplayPace::Instant))
        .run(resume, sender)
        .await;
    let mut all = Vec::new();
    while let Ok(Given::Event(sourced)) = receiver.try_recv() {
        all.push(sourced);
    }
    (all, result)
}

#[tokio::test]
async fn every_container_event_comes_and_nothing_else() {
    let (all, result) = replay(&recording(), 0).await;
    result.unwrap();
    let text = std::fs::read_to_string(recording()).unwrap();
    let expected: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &serde_json::Value| event["Type"] == "container")
        .collect();
    assert!(
        text.lines().count() > expected.len(),
        "the recording has other kinds too"
    );
    assert_eq!(all.len(), expected.len());
    for (found, expected) in all.iter().zip(&expected) {
        let event = &found.event;
        assert_eq!(event.kind, EventKind::Container);
        assert_eq!(event.actor_id, expected["Actor"]["ID"]);
        assert_eq!(event.time_nano, expected["timeNano"].as_i64().unwrap());
        assert_eq!(event.time, expected["time"].as_i64().unwrap());
        assert_eq!(event.scope, expected["scope"]);
        assert_eq!(
            serde_json::to_value(&event.attributes).unwrap(),
            expected["Actor"]["Attributes"]
        );
        let mut numbered = event.clone();
        numbered.sequence = 1;
        numbered.check().unwrap();
        assert_eq!(Event::decode(&numbered.encode()).unwrap(), numbered);
    }
    let actions: Vec<&str> = all.iter().map(|sourced| sourced.event.action.as_str()).collect();
    for action in [
        "create", "start", "die", "pause", "unpause", "rename", "kill", "stop", "restart", "destroy",
    ] {
        assert!(actions.contains(&action), "{action}");
    }
}

#[tokio::test]
async fn command_lines_are_redacted_everywhere() {
    assert!(
        std::fs::read_to_string(recording())
            .unwrap()
            .contains("my-secret-token")
    );
    let (mut all, _) = replay(&recording(), 0).await;
    // The source gives them whole; what is recorded of them is decided before they reach the spool.
    let mut recorder = Recorder::default();
    for sourced in &mut all {
        assert_eq!(recorder.record(&mut sourced.event), Recorded::Taken);
    }
    let actions: Vec<&str> = all.iter().map(|sourced| sourced.event.action.as_str()).collect();
    assert!(actions.contains(&"exec_create: [redacted]") && actions.contains(&"exec_start: [redacted]"));
    for sourced in &all {
        let encoded = sourced.event.encode();
        assert!(
            !encoded.windows(15).any(|window| window == b"my-secret-token"),
            "{}",
            sourced.event.action
        );
    }
}

#[tokio::test]
async fn weird_labels_come_byte_for_byte() {
    let (all, _) = replay(&recording(), 0).await;
    let weird = all
        .iter()
        .find(|sourced| sourced.event.attributes.contains_key("quotes"))
        .unwrap();
    let labels = &weird.event.attributes;
    assert_eq!(labels["quotes"], "\"a\" 'b'");
    assert_eq!(labels["newline"], "one\ntwo\ttab");
    assert_eq!(labels["unicode"], "héllo ✓ 日本 🦀");
    assert_eq!(labels["json"], r#"{"a":[1,{"b":"\\\"c\\\""}]}"#);
    assert_eq!(labels["big"], "x".repeat(20_480));
}

#[tokio::test]
async fn a_restart_goes_on_after_the_lines_that_were_taken() {
    let (all, _) = replay(&recording(), 0).await;
    let (rest, _) = replay(&recording(), all[4].line).await;
    let times = |all: &[Sourced]| {
        all.iter()
            .map(|sourced| sourced.event.time_nano)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(&rest), times(&all[5..]));
}

#[tokio::test]
async fn a_malformed_line_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.jsonl");
    let good = r#"{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":5}"#;
    for (bad, expected) in [
        ("{", "EOF"),
        ("[]", "not a JSON object"),
        (r#"{"Action":"start"}"#, "Type"),
        (
            r#"{"Type":"container","Actor":{"ID":"a"},"timeNano":5}"#,
            "Action",
        ),
        (
            r#"{"Type":"container","Action":"start","timeNano":5}"#,
            "Actor.ID",
        ),
        (
            r#"{"Type":"container","Action":"start","Actor":{"ID":"a"}}"#,
            "timeNano",
        ),
        (
            r#"{"Type":"container","Action":1,"Actor":{"ID":"a"},"timeNano":5}"#,
            "string",
        ),
    ] {
        std::fs::write(&path, format!("{good}\n\n{bad}\n{good}\n")).unwrap();
        let (all, result) = replay(&path, 0).await;
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("bad.jsonl, line 3") && error.contains(expected),
            "{error}"
        );
        assert_eq!(all.len(), 1, "what stands before it is taken");
    }
    let (_, result) = replay(&directory.path().join("none"), 0).await;
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("cannot read the recording")
    );
}
