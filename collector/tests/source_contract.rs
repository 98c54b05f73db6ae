//! What holds for every source, also for one whose engine is not there. What holds on the engines themselves is in
//! `tests/tests/conformance.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_collector::SharedStats;
use e2l_collector::source::{
    ContainerdOptions, ContainerdSource, DockerSource, EngineOptions, Given, ReplayPace, ReplaySource,
    Resume, Source, SourceSpec, SyntheticOptions, SyntheticSource,
};
use e2l_ledger::event::{EventKind, Observation};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const NOWHERE: &str = "/nonexistent/engine.sock";

fn engines(stats: &SharedStats) -> Vec<Box<dyn Source>> {
    let options = EngineOptions::default();
    let spoken_to_as_docker =
        |spec| Box::new(DockerSource::new(&spec, options, stats.clone())) as Box<dyn Source>;
    let selection = ContainerdOptions::default();
    vec![
        spoken_to_as_docker(SourceSpec::Socket(NOWHERE.into())),
        spoken_to_as_docker(SourceSpec::Podman(Some(NOWHERE.into()))),
        Box::new(ContainerdSource::new(
            Some(Path::new(NOWHERE)),
            selection,
            options,
            stats.clone(),
        )),
    ]
}

fn without_engine() -> Vec<Box<dyn Source>> {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recording.jsonl");
    let endless = SyntheticOptions {
        rate: None,
        ..SyntheticOptions::default()
    };
    vec![
        Box::new(ReplaySource::new(&recording, ReplayPace::Instant)),
        Box::new(SyntheticSource::new(endless, SharedStats::default())),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_there_is_waited_for_and_said_to_be_missing() {
    let stats = SharedStats::default();
    for source in engines(&stats) {
        let name = source.name();
        assert!(name.ends_with(&format!("unix://{NOWHERE}")), "{name}");
        assert!(source.repeats() && !source.waits(), "{name}");
        let (sender, events) = mpsc::channel(4);
        let mut running = tokio::spawn(source.run(Resume::default(), sender));
        let troubled = async {
            while stats.get().troubles.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, troubled)
            .await
            .expect("it says that events are not read");
        assert!(!running.is_finished(), "{name} waits");
        drop(events);
        let ended = timeout(PATIENCE, &mut running).await;
        ended
            .unwrap_or_else(|_| panic!("{name} ends when nobody listens"))
            .unwrap()
            .unwrap();
        stats.change(|stats| stats.troubles.clear());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_without_an_engine_waits_gives_no_state_and_ends_when_nobody_listens() {
    for source in without_engine() {
        let name = source.name();
        assert!(source.waits(), "{name}");
        let (sender, mut events) = mpsc::channel(1);
        let running = tokio::spawn(source.run(Resume::default(), sender));
        for _ in 0..5 {
            let given = timeout(PATIENCE, events.recv()).await.unwrap();
            let Some(Given::Event(sourced)) = given else {
                panic!("{name} gave {given:?}");
            };
            assert_eq!(sourced.number, 0, "{name}");
            assert_ne!(sourced.event.kind, EventKind::Collector, "{name}");
            assert_eq!(sourced.event.observation, Observation::Observed, "{name}");
        }
        drop(events);
        let ended = timeout(PATIENCE, running).await;
        ended.unwrap_or_else(|_| panic!("{name} ends")).unwrap().unwrap();
    }
}
