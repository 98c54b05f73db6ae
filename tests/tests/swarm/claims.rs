//! What a container's labels claim of tasks, and what the manager says.

use super::stage::{PATIENCE, SERVICE, Scene};
use e2l_tests::wait_until;
use serde_json::Value;

/// What `e2l history` says of a container's claim, once all its events say the same; none while it is not on the ledger.
fn claim_of(scene: &Scene, container: &str) -> Option<(String, String)> {
    let history = scene.network.e2l("user", &["history", container, "-o", "json"]);
    let history: Value = serde_json::from_slice(&history.stdout).ok()?;
    let of_container = history.as_array()?.iter();
    let said: Vec<(&str, &str)> = of_container
        .filter(|event| event["type"] == "container")
        .filter_map(|event| Some((event["swarm"].as_str()?, event["swarm_why"].as_str()?)))
        .collect();
    let first = *said.first()?;
    assert!(
        said.iter().all(|one| *one == first),
        "one container has one verdict: {said:?}"
    );
    Some((first.0.to_owned(), first.1.to_owned()))
}

fn wait_for_claim(scene: &Scene, container: &str, verdict: &str) -> String {
    wait_until(&format!("{container} is {verdict}"), PATIENCE, || {
        claim_of(scene, container).and_then(|(found, why)| (found == verdict).then_some(why))
    })
}

#[test]
fn a_container_is_the_task_that_its_labels_claim_if_the_manager_says_so() {
    let test = "a_container_is_the_task_that_its_labels_claim_if_the_manager_says_so";
    let Some(mut scene) = Scene::unwatched(test) else {
        return;
    };
    for number in 1..=3 {
        scene.network.configure_collector(number, |text| {
            format!("tasks_every_s = 1\ninventory_every_s = 10\nreconcile_every_s = 5\n{text}")
        });
    }
    // The workers' collectors alone: nobody knows what the manager would say.
    scene.start_collector(1);
    scene.start_collector(2);
    scene.service(&[
        "create",
        "--no-resolve-image",
        "--name",
        SERVICE,
        "--mode",
        "global",
        "--stop-signal",
        "KILL",
        scene.swarm.image(),
        "/bin/sleep",
        "3600",
    ]);
    let worker = &scene.swarm.all()[1];
    let honest = worker.run(&[
        "ps",
        "-q",
        "--no-trunc",
        "--filter",
        "label=com.docker.swarm.task.id",
    ]);
    let label = |name: &str| {
        let format = format!("{{{{index .Config.Labels \"com.docker.swarm.{name}\"}}}}");
        let value = worker.run(&["inspect", "--format", &format, &honest]);
        format!("com.docker.swarm.{name}={value}")
    };
    let labels = [label("task.id"), label("service.id"), label("node.id")];
    let run = |labels: &[&str]| {
        let image = scene.swarm.image();
        let mut arguments = vec!["run", "-d", "--network", "none"];
        labels
            .iter()
            .for_each(|label| arguments.extend(["--label", *label]));
        arguments.extend([image, "/bin/sleep", "3600"]);
        worker.run(&arguments)
    };
    let forged = run(&[&labels[0], &labels[1], &labels[2]]);
    let invented = run(&["com.docker.swarm.task.id=neverheardof", &labels[1], &labels[2]]);
    let plain = run(&[]);
    for container in [&honest, &forged, &invented] {
        wait_for_claim(&scene, container, "unconfirmed");
    }

    scene.start_collector(0);
    let why = wait_for_claim(&scene, &honest, "confirmed");
    assert_eq!(why, "provider/collector-1 says the same");
    let why = wait_for_claim(&scene, &forged, "contradicted");
    assert!(why.ends_with(&format!("has container {honest}")), "{why}");
    // The manager goes on naming all tasks of the service, and this is none of them.
    let why = wait_for_claim(&scene, &invented, "contradicted");
    assert!(why.ends_with("the service has no task neverheardof"), "{why}");

    // The stream says the same, verified or not, and of a container that claims nothing it says nothing.
    for arguments in [
        &["events", "--limit", "1000"][..],
        &["events", "--limit", "1000", "--no-verify"],
    ] {
        let events = scene.network.json("developer", arguments);
        let of = |container: &str| {
            let matching = events.as_array().unwrap().iter();
            let mut found: Vec<Value> = matching
                .filter(|event| event["actor_id"] == container && event["type"] == "container")
                .map(|event| event["swarm"].clone())
                .collect();
            found.dedup();
            found
        };
        assert_eq!(of(&honest), ["confirmed"]);
        assert_eq!(of(&forged), ["contradicted"]);
        assert_eq!(of(&invented), ["contradicted"]);
        assert_eq!(of(&plain), [Value::Null]);
    }
    let table = scene.network.e2l("user", &["events", "--container", &forged]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("CONFLICT swarm contradicted"), "{table}");
    scene.swarm.all()[1].run(&["rm", "-f", &forged, &invented, &plain]);
    scene.service(&["rm", SERVICE]);
}
