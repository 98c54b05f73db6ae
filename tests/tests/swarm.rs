//! A Swarm of one manager and two workers, real engines all: a service is created, scaled, updated and removed,
//! and what each engine emitted is on all three ledgers once, in that engine's order, as independent recordings
//! have it. Needs root; see `Swarm`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{CollectorProcess, Network, Recording, Swarm, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long two busy cores may take for what takes free ones seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// An engine publishes to each reader on its own: two events of the same moment may reach two readers in either
/// order. Those further apart may not.
const SAME_MOMENT_NANO: i64 = 20_000_000;

const SERVICE: &str = "billed";
const LABEL: &str = "weird=quotes \" and ' , a\nnewline, ünïcödé ☃ and {\"json\": [1, {\"nested\": null}]}";

/// A Swarm, a collector beside each of its engines, and an independent recording of each.
struct Scene {
    // In the order in which they must go.
    collectors: Vec<Option<CollectorProcess>>,
    recordings: Vec<Recording>,
    network: Network,
    swarm: Swarm,
}

impl Scene {
    fn start(test: &str) -> Option<Self> {
        let mut scene = Self::unwatched(test)?;
        (0..scene.collectors.len()).for_each(|host| scene.start_collector(host));
        Some(scene)
    }

    /// Without collectors yet.
    fn unwatched(test: &str) -> Option<Self> {
        let swarm = Swarm::start(test)?;
        let network = Network::start(swarm.all().len());
        let recordings = swarm.all().iter().map(|host| host.record()).collect();
        Some(Self {
            collectors: swarm.all().iter().map(|_| None).collect(),
            recordings,
            network,
            swarm,
        })
    }

    fn start_collector(&mut self, host: usize) {
        let socket = self.swarm.all()[host].socket();
        let collector = CollectorProcess::of_engine(&self.network, host + 1, &socket);
        self.collectors[host] = Some(collector);
    }

    fn kill_collector(&mut self, host: usize) {
        self.collectors[host].take().expect("it runs").kill();
    }

    /// Runs `docker service` on the manager.
    fn service(&self, arguments: &[&str]) {
        self.swarm.manager().run(&[&["service"], arguments].concat());
    }

    /// Creates the service with one replica, and waits until it runs. Its processes know no signal but the last.
    fn create_service(&self) {
        let fixed = [
            "create",
            "--no-resolve-image",
            "--name",
            SERVICE,
            "--replicas",
            "1",
        ];
        let container = ["--stop-signal", "KILL", "--container-label", LABEL];
        let command = [self.swarm.image(), "/bin/sleep", "3600"];
        self.service(&[&fixed[..], &container, &command].concat());
    }

    /// Removes the service, and waits until every engine has said the last that it had to say.
    fn remove_service(&self) {
        self.service(&["rm", SERVICE]);
        wait_until("service and containers are gone", PATIENCE, || {
            let gone = self.swarm.all().iter().all(|host| host.containers() == 0);
            let said = |recording: &Recording| {
                recording.count("container", "create") == recording.count("container", "destroy")
            };
            let removed = self.recordings[0].count("service", "remove") == 1;
            (gone && removed && self.recordings.iter().all(said)).then_some(())
        });
    }

    /// Containers that were started so far, on all engines.
    fn started(&self) -> usize {
        let started = |recording: &Recording| recording.count("container", "start");
        self.recordings.iter().map(started).sum()
    }

    /// Checks every ledger against every recording, and returns the recordings as the ledger tells them.
    fn check(mut self) -> Vec<Vec<Value>> {
        let recorded: Vec<Vec<Value>> = self
            .recordings
            .iter()
            .map(|recording| recording.events().iter().map(as_emitted).collect())
            .collect();
        let expected: usize = recorded.iter().map(Vec::len).sum();
        for actor in Network::actors() {
            wait_until("every event is on the ledger", PATIENCE, || {
                let events = self.network.events(actor);
                (of_engines(&events).count() >= expected).then_some(())
            });
        }
        for collector in self.collectors.drain(..) {
            collector.expect("it runs").stop(&self.network);
        }
        let ledgers = Network::actors().map(|actor| self.network.events(actor));
        for (actor, ledger) in Network::actors().iter().zip(&ledgers) {
            for (number, emitted) in (1..).zip(&recorded) {
                let name = format!("provider/collector-{number}");
                let of_collector: Vec<&Value> = ledger
                    .iter()
                    .filter(|event| event["collector"] == name.as_str())
                    .collect();
                check_collector(
                    &format!("{name} on the ledger of {actor}"),
                    &of_collector,
                    emitted,
                );
            }
            assert_eq!(
                of_engines(ledger).count(),
                expected,
                "the ledger of {actor} has events of nobody"
            );
        }
        let transactions = |ledger: &[Value]| {
            ledger
                .iter()
                .map(|event| event["tx_id"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(transactions(&ledgers[0]), transactions(&ledgers[1]));
        assert_eq!(transactions(&ledgers[0]), transactions(&ledgers[2]));
        self.network.wait_for_agreement(ledgers[0].len() as u64);
        recorded
    }
}

/// What an event is, from a line of `docker events`.
fn as_emitted(event: &Value) -> Value {
    json!({
        "type": event["Type"],
        "action": event["Action"],
        "actor_id": event["Actor"]["ID"],
        "attributes": event["Actor"]["Attributes"],
        "scope": event["scope"],
        "time_nano": event["timeNano"],
    })
}

/// The same, from the ledger.
fn as_recorded(event: &Value) -> Value {
    let fields = ["type", "action", "actor_id", "attributes", "scope", "time_nano"];
    fields
        .iter()
        .map(|name| ((*name).to_owned(), event[*name].clone()))
        .collect()
}

/// What engines emitted: a collector also says that it is there and what it reads, once at each start, and on a manager which
/// tasks there are.
fn of_engines(events: &[Value]) -> impl Iterator<Item = &Value> {
    events.iter().filter(|event| !is_statement(event))
}

fn is_statement(event: &Value) -> bool {
    let own = ["heartbeat", "engine", "tasks"];
    event["type"] == "collector" && own.iter().any(|action| event["action"] == *action)
}

/// One collector's events on one ledger are what its engine emitted: all, once, in order, in force.
fn check_collector(whose: &str, ledger: &[&Value], emitted: &[Value]) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, event) in emitted.iter().enumerate() {
        let twice = places.insert(event.to_string(), place);
        assert_eq!(twice, None, "the engine itself emitted this twice: {event}");
    }
    let mut before: Option<(usize, i64)> = None;
    for (number, event) in (1..).zip(ledger) {
        assert_eq!(event["sequence"], number, "{whose}: {event}");
        if is_statement(event) {
            continue;
        }
        let this = as_recorded(event);
        let place = places.remove(&this.to_string());
        let place = place.unwrap_or_else(|| panic!("{whose}: not emitted, or there twice: {event}"));
        let time = this["time_nano"].as_i64().unwrap();
        if let Some((place_before, time_before)) = before {
            let same_moment = (time - time_before).abs() < SAME_MOMENT_NANO;
            assert!(
                place > place_before || same_moment,
                "{whose}: not in the engine's order: {event}"
            );
        }
        before = Some((place, time));
        assert_eq!(event["validation_code"], "VALID", "{whose}: {event}");
        assert_eq!(event["observed"], "observed", "{whose}: {event}");
        assert!(
            event["endorsed_by"].as_array().unwrap().len() >= 2,
            "{whose}: {event}"
        );
    }
    assert!(places.is_empty(), "{whose}: missing: {:?}", places.keys());
}

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
