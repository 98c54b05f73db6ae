//! Events in every output format.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_cli::output::{Format, Terminal, display_width};
use e2l_cli::{EVENT_FIELDS, EventSink, EventView, Lines};
use e2l_client::EventRecord;
use e2l_ledger::{Digest, ValidationCode};
use serde_json::Value;

fn event(action: &str, attributes: &[(&str, &str)]) -> EventRecord {
    let attributes = attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    EventRecord {
        tx_id: Digest([7; 32]),
        height: 12,
        index: 3,
        validation_code: ValidationCode::Valid,
        r#type: "container",
        action: action.to_owned(),
        actor_id: "0123456789abcdef0123456789abcdef".to_owned(),
        attributes: attributes.collect(),
        scope: "local".to_owned(),
        time_nano: 1_700_000_000_123_456_789,
        received_nano: 1_700_000_000_200_000_000,
        block_time_nano: 1_700_000_000_300_000_000,
        collector: Some("provider/collector-1".to_owned()),
        sequence: 9,
        observed: "observed",
        facts: None,
        conflict: None,
        swarm: None,
        swarm_why: None,
        late: false,
        delay_ms: 176,
        sender: "collector-1".to_owned(),
        actor: "provider".to_owned(),
        finality: "final",
        endorsed_by: vec!["provider".to_owned(), "user".to_owned()],
    }
}

fn written(format: Format, terminal: Terminal, endless: bool, events: &[EventRecord]) -> String {
    let mut bytes = Vec::new();
    let view = EventView::new(Lines::Ledger, 3, terminal);
    let mut sink = EventSink::new(&mut bytes, format, view, terminal, endless);
    for event in events {
        sink.push(event).unwrap();
    }
    assert_eq!(sink.finish().unwrap(), events.len() as u64);
    String::from_utf8(bytes).unwrap()
}

fn two() -> Vec<EventRecord> {
    let mut late = event(
        "die",
        &[
            ("name", "web"),
            ("exitCode", "137"),
            ("image", "nginx:1@sha256:00"),
        ],
    );
    (late.late, late.delay_ms, late.observed) = (true, 90_000, "inferred");
    vec![event("start", &[("name", "web"), ("image", "nginx:1")]), late]
}

#[test]
fn a_line_says_what_happened_and_who_endorsed() {
    let text = written(Format::Table, Terminal::default(), false, &two());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].starts_with("TIME (UTC)") && lines[0].ends_with("ENDORSED"),
        "{text}"
    );
    for part in [
        "2023-11-14 22:13:20.123",
        "container",
        "start",
        "web",
        "0123456789ab ",
        "nginx:1",
        "12",
        "2 of 3",
    ] {
        assert!(lines[1].contains(part), "`{part}` is missing in {}", lines[1]);
    }
    assert!(
        lines[2].contains("inferred, late by 90 s, exit 137, nginx:1"),
        "{}",
        lines[2]
    );
    assert!(!lines[2].contains("sha256"), "{}", lines[2]);
}

#[test]
fn eighty_columns_are_enough() {
    let terminal = Terminal {
        width: Some(80),
        colour: false,
    };
    let text = written(Format::Table, terminal, false, &two());
    for line in text.lines() {
        assert!(display_width(line) <= 80, "{line}");
    }
    for part in ["11-14 22:13:20", "start", "0123456789ab", "2 of 3"] {
        assert!(text.contains(part), "`{part}` is missing in {text}");
    }
}

#[test]
fn json_has_every_field_of_the_design() {
    let text = written(Format::Json, Terminal::default(), false, &two());
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(list.len(), 2);
    for field in EVENT_FIELDS {
        assert!(list[0].get(field).is_some(), "{field}");
    }
    assert_eq!(list[0].as_object().unwrap().len(), EVENT_FIELDS.len());
    assert_eq!(list[0]["attributes"]["image"], "nginx:1");
    assert_eq!(list[0]["endorsed_by"], serde_json::json!(["provider", "user"]));
    assert_eq!(written(Format::Json, Terminal::default(), false, &[]), "[]\n");
}

#[test]
fn an_endless_list_is_one_object_a_line() {
    for (format, endless) in [(Format::Json, true), (Format::Jsonl, false)] {
        let text = written(format, Terminal::default(), endless, &two());
        let actions: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone())
            .collect();
        assert_eq!(actions, ["start", "die"]);
    }
}

#[test]
fn csv_has_a_header_even_without_events() {
    let header = format!("{}\r\n", EVENT_FIELDS.join(","));
    assert_eq!(written(Format::Csv, Terminal::default(), false, &[]), header);
    let text = written(Format::Csv, Terminal::default(), false, &two());
    assert!(text.starts_with(&header));
    assert!(
        text.contains(r#""{""image"":""nginx:1"",""name"":""web""}""#),
        "{text}"
    );
}

#[test]
fn hostile_names_stay_on_their_line() {
    let hostile = event("start", &[("name", "x\n\x1b[2Jcleared\u{202e}")]);
    let text = written(
        Format::Table,
        Terminal::default(),
        false,
        std::slice::from_ref(&hostile),
    );
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains('\x1b'));
    let json = written(
        Format::Jsonl,
        Terminal::default(),
        false,
        std::slice::from_ref(&hostile),
    );
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        read["attributes"]["name"], hostile.attributes["name"],
        "programs get it byte for byte"
    );
}

#[test]
fn what_was_forged_stands_out() {
    let mut forged = event("die", &[("name", "web"), ("exitCode", "0")]);
    forged.conflict = Some("exitCode: event says 0, inspection says 137".to_owned());
    forged.swarm = Some("contradicted");
    let mut honest = event("start", &[("name", "task")]);
    honest.swarm = Some("confirmed");
    let events = [forged, honest];
    let table = written(Format::Table, Terminal::default(), false, &events);
    let lines: Vec<&str> = table.lines().skip(1).collect();
    assert!(
        lines[0]
            .contains("CONFLICT exitCode: event says 0, inspection says 137, CONFLICT swarm contradicted"),
        "{table}"
    );
    assert!(lines[1].contains("swarm confirmed"), "{table}");
    let list: Value =
        serde_json::from_str(&written(Format::Json, Terminal::default(), false, &events)).unwrap();
    assert_eq!(list[0]["conflict"], "exitCode: event says 0, inspection says 137");
    assert_eq!(
        (&list[0]["swarm"], &list[1]["swarm"]),
        (&"contradicted".into(), &"confirmed".into())
    );
    assert_eq!(list[1]["conflict"], Value::Null);
}
