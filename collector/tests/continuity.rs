//! What the source `docker` says of events that it may have missed, on a real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_collector::SharedStats;
use e2l_collector::fingerprint;
use e2l_collector::source::{DockerSource, EngineOptions, Given, Resume, Source, SourceSpec, Sourced};
use e2l_ledger::event::Observation;
use std::time::Duration;
use support::engine::{Engine, now_nano};
use tokio::sync::mpsc;
use tokio::time::timeout;

fn read(resume: Resume) -> mpsc::Receiver<Given> {
    let (sender, events) = mpsc::channel(1024);
    let source = DockerSource::new(
        &SourceSpec::Docker,
        EngineOptions::default(),
        SharedStats::default(),
    );
    tokio::spawn(Box::new(source).run(resume, sender));
    events
}

/// Everything up to the creation of `id`, without other containers.
async fn until_created(events: &mut mpsc::Receiver<Given>, id: &str) -> Vec<Sourced> {
    let mut all = Vec::new();
    loop {
        let given = timeout(Duration::from_secs(30), events.recv()).await;
        let Given::Event(sourced) = given.unwrap().unwrap() else {
            continue;
        };
        let created = sourced.event.actor_id == id;
        if created || sourced.event.observation == Observation::Gap {
            all.push(sourced);
        }
        if created {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_recorded_unless_the_engine_remembers_what_was_read_last() {
    let Some(engine) = Engine::find("a_gap_is_recorded_unless_the_engine_remembers_what_was_read_last")
    else {
        return;
    };
    let floor_nano = now_nano();
    let id = engine.docker(&["create", &engine.image, "/bin/true"]);
    let resume = |newest: Option<[u8; 16]>| Resume {
        floor_nano,
        recent: newest.into_iter().collect(),
        read_nano: newest.map(|_| floor_nano - 1),
        collector: "provider/collector/collector-1".to_owned(),
        ..Resume::default()
    };

    let forgotten = until_created(&mut read(resume(Some([7; 16]))), &id).await;
    let gap = &forgotten[0].event;
    assert_eq!(forgotten.len(), 2);
    assert_eq!((gap.action.as_str(), gap.observation), ("gap", Observation::Gap));
    assert_eq!(gap.actor_id, "provider/collector/collector-1");
    let reason = gap.attributes["reason"].as_str();
    let reasons = [
        "the engine was restarted",
        "not read for too long: the engine forgot events",
    ];
    assert!(reasons.contains(&reason), "{reason}");
    let bound = |name: &str| gap.attributes[name].parse::<i64>().unwrap();
    assert_eq!(
        bound("from"),
        floor_nano - 1_000_000_001,
        "a second before the last event"
    );
    assert!(bound("to") > floor_nano, "{gap:?}");

    let last = fingerprint(&forgotten[1].event);
    let next = engine.docker(&["create", &engine.image, "/bin/true"]);
    let known = until_created(&mut read(resume(Some(last))), &next).await;
    assert_eq!(known.len(), 1, "nothing is missing: {known:?}");
    let fresh = until_created(&mut read(resume(None)), &next).await;
    assert_eq!(
        fresh.len(),
        1,
        "a new spool has nothing to be continuous with: {fresh:?}"
    );
}
