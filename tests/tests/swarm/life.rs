//! What engines tell of a service while it lives: it is on every ledger.

use super::stage::{LABEL, PATIENCE, SERVICE, Scene};
use e2l_tests::wait_until;
use serde_json::Value;

fn actions(events: &[Value], kind: &str) -> Vec<String> {
    let matching = events.iter().filter(|event| event["type"] == kind);
    matching
        .map(|event| event["action"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_life_of_a_service_is_on_every_ledger_as_its_engines_told_it() {
    let test = "the_life_of_a_service_is_on_every_ledger_as_its_engines_told_it";
    let Some(scene) = Scene::start(test) else { return };
    scene.create_service();
    scene.service(&["scale", &format!("{SERVICE}=3")]);
    // Every container is replaced.
    scene.service(&[
        "update",
        "--update-parallelism",
        "0",
        "--container-label-add",
        "changed=yes",
        SERVICE,
    ]);
    scene.remove_service();
    let recorded = scene.check();

    // The recordings show what was meant to happen, so that the ledgers, which equal them, do.
    let manager = actions(&recorded[0], "service");
    assert_eq!(
        (manager[0].as_str(), manager[manager.len() - 1].as_str()),
        ("create", "remove")
    );
    let scaled = recorded[0]
        .iter()
        .find(|event| event["attributes"]["replicas.new"].is_string());
    let scaled = scaled.expect("an update of the replicas");
    assert_eq!(scaled["action"], "update");
    assert_eq!(scaled["attributes"]["replicas.old"], "1");
    assert_eq!(scaled["attributes"]["replicas.new"], "3");
    let (key, value) = LABEL.split_once('=').unwrap();
    for (host, events) in recorded.iter().enumerate() {
        assert!(
            host == 0 || actions(events, "service").is_empty(),
            "services are a manager's"
        );
        // One replica each, as the scheduler spreads them; where the second round of three runs is its choice.
        for action in ["create", "start", "die", "destroy"] {
            assert!(
                actions(events, "container").iter().any(|found| found == action),
                "no {action} on host {host}"
            );
        }
        let of_containers = events.iter().filter(|event| event["type"] == "container");
        of_containers.for_each(|event| assert_eq!(event["attributes"][key], value));
    }
    let died = recorded
        .iter()
        .flat_map(|events| actions(events, "container"))
        .filter(|action| action == "die");
    assert_eq!(died.count(), 6, "three replicas, each replaced once");
}

#[test]
fn a_collector_killed_while_a_service_scales_loses_nothing_and_repeats_nothing() {
    let test = "a_collector_killed_while_a_service_scales_loses_nothing_and_repeats_nothing";
    let Some(mut scene) = Scene::start(test) else {
        return;
    };
    let worker = 1;
    let seen = |scene: &Scene, action| scene.recordings[worker].count("container", action);
    scene.create_service();
    scene.service(&["scale", "--detach", &format!("{SERVICE}=12")]);
    wait_until("the worker's engine has begun", PATIENCE, || {
        (seen(&scene, "create") > 0).then_some(())
    });
    scene.kill_collector(worker);
    wait_until("all replicas have started", PATIENCE, || {
        (scene.started() >= 12).then_some(())
    });
    scene.start_collector(worker);
    scene.service(&["scale", "--detach", &format!("{SERVICE}=3")]);
    wait_until("the worker's engine stops containers", PATIENCE, || {
        (seen(&scene, "die") > 0).then_some(())
    });
    scene.kill_collector(worker);
    scene.start_collector(worker);
    scene.remove_service();
    // A gap would be an event that no engine emitted: there is none, because the engine remembers everything.
    let recorded = scene.check();
    assert!(
        actions(&recorded[worker], "container").len() >= 20,
        "{recorded:?}"
    );
}
