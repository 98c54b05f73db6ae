//! Contracts whose next versions are prepared before they come into force.

use super::steps::{EVENTS, approve, is_complete, record, start_collector_of, text, wait_until_active};
use e2l_tests::{Latency, Network, PATIENCE, Probe, component, next_component, percentile, said, wait_until};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Runs what must fail, and returns all it says.
fn fails(network: &Network, actor: &str, arguments: &[&str]) -> String {
    let output = network.e2l(actor, arguments);
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// Events on the ledger when the upgrade begins; `E2L_HISTORY` sets another number.
fn history() -> u64 {
    let set = std::env::var("E2L_HISTORY").ok();
    set.and_then(|number| number.parse().ok()).unwrap_or(3000)
}

/// Prints how long finality took before and during an upgrade. Not asserted: a loaded machine is slow at times.
fn tell(seen: &[Latency], [begin, proposed, approved, active]: [Instant; 4]) {
    let second = Duration::from_secs(1);
    let usual = percentile(seen, begin, proposed, 99);
    for (what, from, to) in [
        ("while it is proposed and approved", proposed, approved),
        (
            "while it is prepared, and a second after",
            approved,
            active + second,
        ),
        (
            "in the second before the change, from the approval on, and in that after it",
            approved.max(active - second),
            active + second,
        ),
    ] {
        let p99 = percentile(seen, from, to, 99);
        let ratio = p99.as_secs_f64() / usual.as_secs_f64();
        println!("p99 {what}: {p99:.1?}, {ratio:.1} times the usual {usual:.1?}");
    }
}

#[test]
fn an_upgrade_under_load_is_prepared_while_events_flow_and_loses_nothing() {
    let network = Network::start(1);
    let events = history() + EVENTS;
    // What the new version is asked about; the collector's events are of other containers.
    for (id, action) in [("web-1", "start"), ("web-2", "start"), ("web-1", "die")] {
        record(&network, "eventdb", id, action);
    }
    let mut collector = start_collector_of(&network, events);
    let question = ["chaincode", "query", "runningContainers", "{}"];
    let none = fails(&network, "user", &question);
    assert!(none.contains("has no function `runningContainers`"), "{none}");
    let long = PATIENCE + Duration::from_secs(history() / 500);
    wait_until("there is a history", long, || {
        (network.view("user")?.transactions > history()).then_some(())
    });
    let old = network.json("provider", &["chaincode", "list"]);
    let probe = Probe::start(&network, "developer").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let (begin, proposed) = (Instant::now() - Duration::from_secs(2), Instant::now());
    let id = network.run("developer", &["chaincode", "propose", text(next_component())]);
    approve(&network, &["provider"], &id);
    let still = network.json("provider", &["chaincode", "list"]);
    assert_eq!(still, old, "two of three are not all");
    let approved = Instant::now();
    approve(&network, &["user"], &id);
    let steps = wait_until_active(&network, &id);
    let active = Instant::now();
    std::thread::sleep(Duration::from_millis(1200));
    let seen = probe.stop().unwrap();
    println!(
        "{} events of history; at least {steps} steps in {:.1?}",
        history(),
        active - approved
    );
    tell(&seen, [begin, proposed, approved, active]);
    // What an actor reads before it approves: here the way back.
    let back = network.run("provider", &["chaincode", "propose", text(component())]);
    let diff = network.json("user", &["chaincode", "diff", "--proposal", &back]);
    let changes = diff["changes"].as_array().unwrap();
    let removed = |change: &Value| change["name"] == "runningContainers" && change["change"] == "removed";
    assert!(changes.iter().any(removed), "{diff}");
    record(&network, "eventdb", "web-3", "start");
    let asked = r#"{"service": "web", "at": 1800000000000000000}"#;
    for actor in Network::actors() {
        let answer = network.run(actor, &["chaincode", "query", "runningContainers", asked]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["containers"],
            serde_json::json!(["web-2", "web-3"]),
            "{answer}"
        );
    }
    assert!(
        collector.wait().unwrap().success(),
        "{}",
        network.collector_log(1)
    );
    network.wait_for_agreement(events + 8 + seen.len() as u64);
    is_complete(&network.events("provider"), events);
    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn an_idle_network_cuts_empty_blocks_for_a_preparation_and_only_then() {
    let mut network = Network::start(1);
    network.configure_synthetic(1, 20_000.0, 4000);
    assert!(
        network
            .collector(1, &["--source", "synthetic"])
            .wait()
            .unwrap()
            .success()
    );
    record(&network, "eventdb", "web-1", "start");
    let height = |actor: &str| network.view(actor).map(|view| view.final_height);
    let id = network.run("developer", &["chaincode", "propose", text(next_component())]);
    approve(&network, &["provider", "user"], &id);
    let before = height("user").unwrap();
    wait_until_active(&network, &id);
    let after = height("user").unwrap();
    println!("{before} to {after}: {} steps", after - before);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(height("provider").unwrap(), after, "no block is cut without need");
    // A peer that was restarted has the same ledger, and the ledger can be executed again.
    network.stop_peer("user");
    network.start_peer("user");
    let asked = r#"{"service": "web", "at": 1800000000000000000}"#;
    let answer = network.run("user", &["chaincode", "query", "runningContainers", asked]);
    assert!(answer.contains("web-1"), "{answer}");
    network.wait_for_agreement(4004);
    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
}
