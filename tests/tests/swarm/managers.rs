//! What more than one manager tells of a service.

use super::stage::{PATIENCE, SERVICE, Scene};
use e2l_tests::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn what_two_managers_tell_of_a_service_occurs_once_and_has_a_witness() {
    let test = "what_two_managers_tell_of_a_service_occurs_once_and_has_a_witness";
    let Some(scene) = Scene::start(test) else { return };
    let second = &scene.swarm.all()[1];
    let id = second.run(&["info", "--format", "{{.Swarm.NodeID}}"]);
    scene.swarm.manager().run(&["node", "promote", &id]);
    wait_until("the second manager has joined", PATIENCE, || {
        (second.run(&["info", "--format", "{{.Swarm.ControlAvailable}}"]) == "true").then_some(())
    });
    scene.create_service();
    scene.service(&["scale", &format!("{SERVICE}=3")]);
    scene.remove_service();
    let told = scene.recordings[0].count("service", "create")
        + scene.recordings[0].count("service", "update")
        + scene.recordings[0].count("service", "remove");
    assert!(told >= 3, "the first manager told {told} times of the service");

    let services = wait_until("both managers' reports are on the ledger", PATIENCE, || {
        let events = ["events", "--type", "service", "--any-code", "--limit", "1000"];
        let events = scene.network.json("user", &events).as_array().unwrap().clone();
        (events.len() == 2 * told).then_some(events)
    });
    let mut occurrences: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for event in &services {
        // A removal has no time of the Swarm's.
        let time = if event["action"] == "remove" {
            &Value::Null
        } else {
            &event["time_nano"]
        };
        let key = format!("{} {} {time}", event["actor_id"], event["action"]);
        occurrences.entry(key).or_default().push(event);
    }
    assert_eq!(occurrences.len(), told);
    for (occurrence, reports) in occurrences {
        let codes: Vec<_> = reports.iter().map(|report| &report["validation_code"]).collect();
        assert_eq!(codes, ["VALID", "WITNESS"], "{occurrence}");
        assert_ne!(reports[0]["collector"], reports[1]["collector"], "{occurrence}");
    }
    let history = scene
        .network
        .json("user", &["history", services[0]["actor_id"].as_str().unwrap()]);
    let history = history.as_array().unwrap().iter();
    let occurred = history.filter(|event| event["type"] == "service").count();
    assert_eq!(occurred, told, "the history holds each occurrence once");
    for number in [1, 2] {
        let log = scene.network.collector_log(number);
        assert!(!log.contains("alarm=true"), "a witness is no alarm: {log}");
    }
}
