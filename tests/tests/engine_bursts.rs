//! More events at once than an engine keeps, through a collector as it is shipped, to the ledger. No real engine can be made to
//! emit them so fast: a socket replays them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../collector/tests/support/fake_engine.rs"]
mod fake_engine;

/// What the engine's module needs of its own crate.
mod engine {
    pub use e2l_tests::now_nano;
}

use e2l_tests::{CollectorProcess, Network, PATIENCE, component, strict_collector_component, wait_until};
use fake_engine::FakeEngine;
use serde_json::Value;

const EVENTS: usize = 10_000;

/// Emits them, and checks that each is on the ledger once, in their order.
async fn all_are_on_the_ledger(network: &Network) {
    network.configure_collector(1, |text| format!("stats_file = \"stats.json\"\n{text}"));
    let engine = FakeEngine::start(0);
    let source = format!("docker:{}", engine.socket().display());
    let _collector = CollectorProcess::of_source(network, 1, &source);
    engine.followed(1).await;
    let now = engine.now_nano();
    engine.emit((0..EVENTS as i64).map(|number| now + number));
    let stats = network.collector_home(1).join("stats.json");
    wait_until("all of them are final", PATIENCE * 2, || {
        let stats: Value = serde_json::from_slice(&std::fs::read(&stats).ok()?).ok()?;
        (stats["events"].as_u64()? >= EVENTS as u64).then_some(())
    });
    let events = network.events("user");
    // On a machine that is busy elsewhere the reading may be late enough for a doubt, which is said; nothing else is.
    let numbers = events
        .iter()
        .filter_map(|event| event["attributes"]["number"].as_str());
    let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_at_once_are_on_the_ledger_once_each_in_order() {
    all_are_on_the_ledger(&Network::start(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_is_asked_about_each_of_them_loses_none() {
    let network = Network::start_on(strict_collector_component(), 1);
    let contract = component().to_str().unwrap();
    network.decide(&["chaincode", "propose", contract]);
    all_are_on_the_ledger(&network).await;
}
