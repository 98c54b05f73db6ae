//! The source `docker` on a real engine. Without one these tests say that they were skipped; with
//! E2L_REQUIRE_DOCKER=1 they fail instead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_collector::SharedStats;
use e2l_collector::recording::{Recorded, Recorder};
use e2l_collector::source::{DockerSource, EngineOptions, Given, Resume, Source, SourceSpec, Sourced};
use e2l_ledger::event::{EventKind, Facts};
use std::time::Duration;
use support::engine::{Engine, now_nano};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longest wait for an event that must come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Reading {
    events: mpsc::Receiver<Given>,
}

impl Reading {
    fn start(floor_nano: i64) -> Self {
        let (sender, events) = mpsc::channel(1024);
        let resume = Resume {
            floor_nano,
            ..Resume::default()
        };
        let source = DockerSource::new(
            &SourceSpec::Docker,
            EngineOptions::default(),
            SharedStats::default(),
        );
        tokio::spawn(Box::new(source).run(resume, sender));
        Self { events }
    }

    /// The next event; what the engine says of its state is passed over.
    async fn next(&mut self, awaited: &str) -> Sourced {
        loop {
            let next = timeout(PATIENCE, self.events.recv()).await;
            match next.unwrap_or_else(|_| panic!("{awaited} did not come")).unwrap() {
                Given::Event(sourced) => return sourced,
                Given::Inventory(_) | Given::LeftOut(_) => {}
            }
        }
    }

    /// Events about a container up to and including `last`.
    async fn until(&mut self, id: &str, last: &str) -> Vec<Sourced> {
        let mut all = Vec::new();
        loop {
            let sourced = self.next(last).await;
            if sourced.event.actor_id != id {
                continue;
            }
            let done = sourced.event.action == last;
            all.push(sourced);
            if done {
                return all;
            }
        }
    }
}

fn actions(all: &[Sourced]) -> Vec<&str> {
    all.iter().map(|sourced| sourced.event.action.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_comes_as_it_happens_with_facts_and_without_secrets() {
    let Some(engine) = Engine::find("a_life_comes_as_it_happens_with_facts_and_without_secrets") else {
        return;
    };
    let mut reading = Reading::start(now_nano());
    let label = "quotes=\"a\"\nline two ✓ {\"b\":[1]}";
    let id = engine.docker(&[
        "run",
        "-d",
        "--label",
        label,
        "--label",
        "exitCode=0",
        "--label",
        "event2ledger.conflict=none",
        &engine.image,
        "/bin/sleep",
        "600",
    ]);
    engine.docker(&["exec", &id, "/bin/sh", "-c", "true my-secret-token"]);
    engine.docker(&["pause", &id]);
    engine.docker(&["unpause", &id]);
    engine.docker(&["kill", &id]);
    let mut all = reading.until(&id, "die").await;
    engine.docker(&["rm", &id]);
    all.extend(reading.until(&id, "destroy").await);
    let mut recorder = Recorder::default();
    for sourced in &mut all {
        assert_eq!(recorder.record(&mut sourced.event), Recorded::Taken);
    }

    let expected = [
        "create",
        "start",
        "exec_create: [redacted]",
        "exec_start: [redacted]",
        "exec_die",
        "pause",
        "unpause",
        "kill",
        "die",
        "destroy",
    ];
    assert_eq!(actions(&all), expected);
    let event = |action: &str| {
        &all.iter()
            .find(|sourced| sourced.event.action == action)
            .unwrap()
            .event
    };
    assert_eq!(
        event("create").attributes["quotes"],
        "\"a\"\nline two ✓ {\"b\":[1]}"
    );
    assert!(
        all.iter()
            .all(|sourced| sourced.event.kind == EventKind::Container)
    );
    assert!(
        all.windows(2)
            .all(|pair| pair[0].event.time_nano <= pair[1].event.time_nano)
    );

    // A label can forge the attribute, not the facts.
    let die = event("die");
    assert_eq!(die.attributes["exitCode"], "0");
    assert_eq!(
        die.attributes["event2ledger.conflict"],
        "exitCode: event says 0, inspection says 137"
    );
    // Nor can one make up or hide a contradiction.
    assert_eq!(die.attributes["label:event2ledger.conflict"], "none");
    let others = all.iter().filter(|sourced| sourced.event.action != "die");
    assert!(
        others
            .into_iter()
            .all(|sourced| !sourced.event.attributes.contains_key("event2ledger.conflict"))
    );
    let facts = die.facts.as_ref().unwrap();
    assert_eq!((facts.exit_code, facts.oom_killed), (Some(137), Some(false)));
    assert!(facts.image_digest.as_ref().unwrap().starts_with("sha256:"));
    let (started, finished) = (facts.started_nano.unwrap(), facts.finished_nano.unwrap());
    assert!(event("create").time_nano < started && started < finished && finished <= die.time_nano);
    assert_eq!(
        event("create").facts,
        Some(Facts {
            image_digest: facts.image_digest.clone(),
            ..Facts::default()
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_while_nobody_read_is_fetched_and_what_was_before_is_not() {
    let Some(engine) = Engine::find("what_happened_while_nobody_read_is_fetched_and_what_was_before_is_not")
    else {
        return;
    };
    let before = engine.docker(&["create", &engine.image, "/bin/true"]);
    let floor = now_nano();
    let missed = engine.docker(&["create", &engine.image, "/bin/true"]);
    let mut reading = Reading::start(floor);
    engine.docker(&["rm", &before]);
    engine.docker(&["rm", &missed]);
    let mut of_before = Vec::new();
    let mut of_missed = Vec::new();
    while of_missed.last().is_none_or(|action| action != "destroy") {
        let event = reading.next("a removal").await.event;
        match event.actor_id {
            id if id == before => of_before.push(event.action),
            id if id == missed => of_missed.push(event.action),
            _ => {}
        }
    }
    assert_eq!(of_missed, ["create", "destroy"]);
    assert_eq!(of_before, ["destroy"]);
}

#[tokio::test]
async fn an_address_that_makes_no_sense_is_refused() {
    let (sender, _events) = mpsc::channel(1);
    let spec: Result<SourceSpec, _> = "crio".parse();
    assert!(spec.unwrap_err().to_string().contains("write docker, podman"));
    // A socket that is not there may come: the source waits for it, and ends when nobody listens.
    let source = DockerSource::new(
        &SourceSpec::Socket("/nonexistent/docker.sock".into()),
        EngineOptions::default(),
        SharedStats::default(),
    );
    let running = tokio::spawn(Box::new(source).run(Resume::default(), sender));
    drop(_events);
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
}
