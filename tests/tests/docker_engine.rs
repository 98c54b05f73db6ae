//! A real engine: what it emits is on all three ledgers once, in its order, as an independent recording has it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Docker, Network, skip, wait_until};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What makes an event the same on the ledger and in a recording.
fn identity(kind: &str, action: &str, id: &str, attributes: &Value, time_nano: &Value) -> String {
    format!("{kind} {action} {id} {attributes} {time_nano}")
}

#[test]
fn containers_handled_by_hand_are_on_every_ledger() {
    let Some(docker) = Docker::reachable() else {
        return skip(
            "containers_handled_by_hand_are_on_every_ledger",
            "no Docker engine answers",
        );
    };
    let network = Network::start(1);
    let recording = network.root().join("recording.jsonl");
    let file = std::fs::File::create(&recording).unwrap();
    let mut reference = Command::new("docker")
        .args(["events", "--filter", "type=container", "--format", "{{json .}}"])
        .stdout(Stdio::from(file))
        .spawn()
        .unwrap();
    let mut collector = network.collector(1, &["--source", "docker"]);

    let weird = "weird=quotes \" and ' , a\nnewline, ünïcödé ☃ and {\"json\": [1, {\"nested\": null}]}";
    let long = format!("long={}", "x".repeat(20_000));
    let id = docker.run(&[
        "run",
        "-d",
        "--label",
        weird,
        "--label",
        &long,
        docker.image(),
        "/bin/sleep",
        "300",
    ]);
    docker.run(&["exec", &id, "/bin/sh", "-c", "true secret-password"]);
    docker.run(&["pause", &id]);
    docker.run(&["unpause", &id]);
    docker.run(&["restart", "-t", "0", &id]);
    docker.run(&["kill", &id]);
    docker.run(&["rm", &id]);
    let short = docker.run(&["create", docker.image(), "/bin/sleep", "1"]);
    docker.run(&["start", &short]);
    docker.run(&["stop", "-t", "0", &short]);
    docker.run(&["rm", &short]);

    let mine = |event: &Value| event["Actor"]["ID"] == id.as_str() || event["Actor"]["ID"] == short.as_str();
    let recorded = wait_until(
        "the recording ends with the last removal",
        Duration::from_secs(20),
        || {
            let text = std::fs::read_to_string(&recording).ok()?;
            let events: Vec<Value> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(&mine)
                .collect();
            let last = events.last()?;
            (last["Action"] == "destroy" && last["Actor"]["ID"] == short.as_str()).then_some(events)
        },
    );
    reference.kill().unwrap();
    reference.wait().unwrap();
    let expected: Vec<String> = recorded
        .iter()
        .map(|event| {
            let action = event["Action"].as_str().unwrap();
            let action = match action.split_once(':') {
                Some((verb, _)) if verb.starts_with("exec_") => format!("{verb}: [redacted]"),
                _ => action.to_owned(),
            };
            let (actor, id) = (&event["Actor"], event["Actor"]["ID"].as_str().unwrap());
            let attributes = &actor["Attributes"];
            identity("container", &action, id, attributes, &event["timeNano"])
        })
        .collect();
    assert!(expected.len() >= 15, "the engine emitted only {}", expected.len());

    for actor in Network::actors() {
        let on_ledger =
            |event: &Value| event["actor_id"] == id.as_str() || event["actor_id"] == short.as_str();
        let found = wait_until("all events are on the ledger", Duration::from_secs(30), || {
            let events: Vec<Value> = network.events(actor).into_iter().filter(&on_ledger).collect();
            (events.len() >= expected.len()).then_some(events)
        });
        let found_ids: Vec<String> = found
            .iter()
            .map(|event| {
                let text = |name: &str| event[name].as_str().unwrap();
                identity(
                    text("type"),
                    text("action"),
                    text("actor_id"),
                    &event["attributes"],
                    &event["time_nano"],
                )
            })
            .collect();
        assert_eq!(
            found_ids, expected,
            "the ledger of {actor} is not what the engine emitted"
        );
        for event in &found {
            assert_eq!(event["validation_code"], "VALID");
            assert!(event["endorsed_by"].as_array().unwrap().len() >= 2, "{event}");
            assert!(
                !event.to_string().contains("secret-password"),
                "a command line is on the ledger"
            );
        }
        let history = network.json(actor, &["history", &id]);
        assert!(
            history.to_string().contains("ünïcödé ☃"),
            "the history of the container is incomplete"
        );
    }
    collector.kill().unwrap();
    collector.wait().unwrap();
}
