//! What several of these tests do.

use e2l_ledger::{Digest, Domain};
use e2l_tests::{Network, PATIENCE, component, said, wait_until};
use serde_json::Value;
use std::path::Path;
use std::process::Child;

/// What the collector invents.
pub const EVENTS: u64 = 6000;

/// How fast: events a second.
const RATE: f64 = 1000.0;

/// Digest of the events contract.
pub fn digest_of_events_contract() -> Digest {
    Domain::Chaincode.hash(&std::fs::read(component()).unwrap())
}

/// Runs what must fail with exit code 1, and returns all it says.
pub fn refused(network: &Network, actor: &str, arguments: &[&str]) -> String {
    let output = network.e2l(actor, arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether an actor's peer knows no contract but that of events.
pub fn has_no_other_contract(network: &Network, actor: &str) -> bool {
    let listed = network.json(actor, &["chaincode", "list"]);
    let mut listed = listed.as_array().unwrap().iter();
    listed.all(|one| one["chaincode"] == "eventdb")
}

/// Others approve what an actor has proposed.
pub fn approve(network: &Network, others: &[&str], id: &str) {
    for actor in others {
        assert_eq!(network.run(actor, &["proposal", "approve", id]), id);
    }
}

/// Records an event of a service's container with a contract.
pub fn record(network: &Network, chaincode: &str, id: &str, action: &str) {
    let event = serde_json::json!({
        "Type": "container", "Action": action, "scope": "local", "time": 1_800_000_000,
        "timeNano": 1_800_000_000_000_000_000_i64,
        "Actor": {"ID": id, "Attributes": {"com.docker.swarm.service.name": "web"}},
    });
    let call = [
        "chaincode",
        "invoke",
        "--chaincode",
        chaincode,
        "createEvent",
        &event.to_string(),
    ];
    network.run("provider", &call);
}

pub fn start_collector(network: &Network) -> Child {
    start_collector_of(network, EVENTS)
}

pub fn start_collector_of(network: &Network, events: u64) -> Child {
    network.configure_synthetic(1, RATE, events);
    network.collector(1, &["--source", "synthetic"])
}

/// Every event that the collector invented is on the ledger once, in its order.
pub fn is_complete(events: &[Value], count: u64) {
    let invented = events.iter().filter(|event| event["sender"] == "collector-1");
    let sequences: Vec<Option<u64>> = invented.map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(sequences.len() as u64, count, "lost or doubled");
    assert!(sequences.into_iter().eq((1..=count).map(Some)), "out of order");
    assert!(events.iter().all(|event| event["validation_code"] == "VALID"));
}

/// Waits until a proposal's contract is prepared and active; returns how many steps were seen at the most.
pub fn wait_until_active(network: &Network, id: &str) -> u64 {
    let mut steps = 0;
    wait_until("the new version is active", 2 * PATIENCE, || {
        let shown = network.json("user", &["proposal", "show", id]);
        let outcome = &shown["outcome"];
        steps = steps.max(outcome["steps"].as_u64().unwrap_or(0));
        assert!(
            matches!(outcome["status"].as_str().unwrap(), "preparing" | "active"),
            "{shown}"
        );
        (outcome["status"] == "active").then_some(())
    });
    steps
}
