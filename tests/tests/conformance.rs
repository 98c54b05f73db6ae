//! What every source of an engine's events must do, on real engines: the contract of `Source`. Real collectors bring what it
//! gives to a real ledger.
//!
//! Each engine goes through the same: lives are told whole, with facts that no label can forge; what happens while the
//! collector is away, or the engine is killed, is told, inferred, or covered by a gap; nothing is told twice; and when all is
//! quiet, what is recorded is what the engine says. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "conformance/expected.rs"]
mod expected;
#[path = "conformance/ledger.rs"]
mod ledger;
#[path = "conformance/scene.rs"]
mod scene;

use e2l_tests::{ContainerdEngine, PodmanEngine, PrivateEngine, TestEngine};
use scene::Scene;

/// Labels that claim what only the engine and the collector may say.
const FORGED: [&str; 6] = [
    "team=a",
    "exitCode=99",
    "containerExitCode=99",
    "namespace=forged",
    "image=forged",
    "event2ledger.run=forged",
];
const FOREVER: [&str; 2] = ["/bin/sleep", "3600"];

#[test]
fn docker_conforms() {
    if let Some(engine) = PrivateEngine::start("docker_conforms") {
        conforms(&engine);
    }
}

#[test]
fn podman_conforms() {
    if let Some(engine) = PodmanEngine::start("podman_conforms") {
        conforms(&engine);
    }
}

#[test]
fn containerd_conforms() {
    if let Some(engine) = ContainerdEngine::start("containerd_conforms") {
        conforms(&engine);
    }
}

fn conforms(engine: &dyn TestEngine) {
    let mut scene = Scene::set(engine);
    says_which_engine_it_is(&mut scene);
    engine.do_something_else();
    tells_a_life(&mut scene);
    makes_up_for_its_absence(&mut scene);
    makes_up_for_the_engines_absence(&mut scene);
    rests(&mut scene);
}

fn says_which_engine_it_is(scene: &mut Scene<'_>) {
    let (name, version) = scene.engine.identity();
    let found = scene.wait_for("it says which engine it is", |ledger| {
        ledger
            .statements("engine")
            .next_back()
            .map(|event| event.attributes.clone())
    });
    assert_eq!(
        (found["name"].as_str(), found["version"].as_str()),
        (name, version.as_str())
    );
    assert!(
        !found["api"].is_empty() && found["address"].starts_with("unix://"),
        "{found:?}"
    );
}

fn tells_a_life(scene: &mut Scene<'_>) {
    let engine = scene.engine;
    let id = scene.create(&FORGED, &FOREVER);
    scene.start(&id);
    scene.exec(&id, 3);
    scene.pause(&id);
    scene.unpause(&id);
    scene.end(&id);
    scene.start(&id);
    let second = engine.state(&id).unwrap();
    scene.end(&id);
    let last = engine.state(&id).unwrap();
    // What is removed at once is inspected too late.
    scene.check("a life");
    scene.remove(&id);
    scene.check("its end");

    let events = scene.ledger();
    let told: Vec<&str> = events.core(&id).map(ledger::word).collect();
    let expected = [
        "create",
        "start",
        "exec_start",
        "exec_die",
        "pause",
        "unpause",
        "die",
        "start",
        "die",
        "destroy",
    ];
    assert_eq!(
        told, expected,
        "the words of the ledger, in the order of what happened"
    );
    for event in events.of(&id) {
        assert_eq!(event.observation, e2l_event::Observation::Observed, "{event:#?}");
        let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
        assert_ne!(attribute("event2ledger.run"), Some("forged"), "{event:#?}");
        assert_ne!(attribute("image"), Some("forged"), "{event:#?}");
        assert!(
            engine.identity().0 != "containerd" || attribute("namespace") != Some("forged"),
            "{event:#?}"
        );
    }
    let create = events.core(&id).next().unwrap();
    assert_eq!(create.attributes["team"], "a", "labels are recorded");
    let facts = create.facts.as_ref().expect("facts of the image");
    assert!(
        facts.image_digest.as_ref().unwrap().starts_with("sha256:"),
        "{facts:?}"
    );
    // Where the engine tells the moments, they are its own, to the nanosecond.
    let die = events.core(&id).rfind(|event| event.action == "die").unwrap();
    let facts = die.facts.as_ref().expect("facts of the end");
    for (engines, recorded) in [
        (second.started_nano, facts.started_nano),
        (last.finished_nano, facts.finished_nano),
    ] {
        assert!(engines.is_none_or(|nano| recorded == Some(nano)), "{die:#?}");
    }
}

fn makes_up_for_its_absence(scene: &mut Scene<'_>) {
    let running = scene.create_and_start();
    let paused = scene.create_and_start();
    let dead = scene.create_and_start();
    scene.end(&dead);
    let untouched = scene.create_and_start();
    scene.check("before it is killed");
    let gaps = scene.ledger().gaps().count();

    scene.kill_collector();
    scene.end(&running);
    scene.pause(&paused);
    scene.remove(&dead);
    let later = scene.create_and_start();
    let short = scene.create_and_start();
    scene.end(&short);
    scene.start_collector();
    scene.check("after it was away");
    if scene.engine.remembers() {
        assert_eq!(
            scene.ledger().gaps().count(),
            gaps,
            "the engine remembers all of it"
        );
    }
    scene.unpause(&paused);
    for id in [&paused, &untouched, &later] {
        scene.end(id);
    }
    scene.check("after it is back");
}

fn makes_up_for_the_engines_absence(scene: &mut Scene<'_>) {
    let killed = scene.create_and_start();
    let spared = scene.create_and_start();
    scene.check("before the engine is killed");
    scene.kill_engine(&killed);
    scene.check("after the engine was killed");
    if scene.engine.spares_containers() {
        assert!(scene.engine.state(&spared).unwrap().alive);
        scene.end(&spared);
        scene.check("what lived on has ended");
    }
}

/// What is recorded is what the engine says, and stays so.
fn rests(scene: &mut Scene<'_>) {
    let alive = scene.create_and_start();
    scene.check("before it rests");
    let before = scene.ledger();
    let (inferred, gaps) = (before.inferred().count(), before.gaps().count());
    let inventories = before.statements("inventory").count();
    let rested = scene.wait_for("three more comparisons", |ledger| {
        (ledger.statements("inventory").count() >= inventories + 3).then(|| ledger.clone())
    });
    assert_eq!(
        (rested.inferred().count(), rested.gaps().count()),
        (inferred, gaps),
        "a comparison finds nothing new where nothing happens: {:#?}",
        rested.inferred().next_back()
    );
    let inventory = rested.statements("inventory").next_back().unwrap();
    let listed: Vec<&str> = inventory.attributes["containers"]
        .split(' ')
        .filter_map(|one| one.split('@').next())
        .filter(|id| !id.is_empty())
        .collect();
    assert_eq!(listed, scene.alive(), "{alive} runs");
    let known = |event: &&e2l_event::Event| event.kind == e2l_event::EventKind::Container;
    let strangers = rested
        .events
        .iter()
        .filter(known)
        .filter(|event| event.actor_id.starts_with("moby/"));
    assert_eq!(
        strangers.count(),
        0,
        "Docker's containers are its own collector's"
    );
    scene.assert_all_actors_agree();
}
