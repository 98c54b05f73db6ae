//! Three peers as processes: what is acknowledged survives every crash, and the ledgers are identical.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Network, wait_until};
use std::collections::BTreeSet;
use std::time::Duration;

fn same_ledgers(network: &Network, expected: usize) {
    let ledgers = Network::actors().map(|actor| {
        let events = network.events(actor);
        let what: Vec<(String, u64, u64, String)> = events
            .iter()
            .map(|event| {
                let text = |name: &str| event[name].to_string();
                let number = |name: &str| event[name].as_u64().expect("a number");
                (
                    text("tx_id"),
                    number("height"),
                    number("index"),
                    text("attributes"),
                )
            })
            .collect();
        what
    });
    assert_eq!(ledgers[0].len(), expected);
    assert_eq!(ledgers[0], ledgers[1], "two actors' ledgers differ");
    assert_eq!(ledgers[0], ledgers[2], "two actors' ledgers differ");
    let ids: BTreeSet<&String> = ledgers[0].iter().map(|(id, ..)| id).collect();
    assert_eq!(ids.len(), expected, "a transaction stands twice");
}

#[test]
fn events_reach_every_ledger_and_survive_every_crash() {
    let mut network = Network::start(2);

    // Two collectors at full speed.
    network.configure_synthetic(1, 0.0, 1500);
    network.configure_synthetic(2, 0.0, 500);
    let mut one = network.collector(1, &["--source", "synthetic", "--exit-when-done"]);
    let mut two = network.collector(2, &["--source", "synthetic", "--exit-when-done"]);
    assert!(one.wait().unwrap().success(), "{}", network.collector_log(1));
    assert!(two.wait().unwrap().success(), "{}", network.collector_log(2));
    network.wait_for_agreement(2000);
    same_ledgers(&network, 2000);

    // The leader dies under load: the others go on, and nothing is lost.
    network.configure_synthetic(1, 400.0, 1600);
    let mut one = network.collector(1, &["--source", "synthetic", "--exit-when-done"]);
    let leader = network.wait_for_leader();
    wait_until("the load has begun", Duration::from_secs(20), || {
        network.view(&leader).filter(|view| view.transactions > 2100)
    });
    network.kill_peer(&leader);
    let next = network.wait_for_leader();
    assert_ne!(next, leader);
    assert!(one.wait().unwrap().success(), "{}", network.collector_log(1));
    network.wait_for_agreement(3600);

    // It comes back and catches up.
    network.start_peer(&leader);
    network.wait_for_agreement(3600);
    same_ledgers(&network, 3600);

    // Everyone stops, and everything is there again and goes on.
    for actor in Network::actors() {
        network.stop_peer(actor);
    }
    for actor in Network::actors() {
        network.start_peer(actor);
    }
    network.wait_for_leader();
    network.wait_for_agreement(3600);
    network.configure_synthetic(2, 0.0, 100);
    let mut two = network.collector(2, &["--source", "synthetic", "--exit-when-done"]);
    assert!(two.wait().unwrap().success(), "{}", network.collector_log(2));
    network.wait_for_agreement(3700);
    same_ledgers(&network, 3700);
}

#[test]
fn each_follower_may_crash() {
    let mut network = Network::start(1);
    network.configure_synthetic(1, 0.0, 200);
    for round in 1..=2 {
        let leader = network.wait_for_leader();
        let followers = Network::actors().into_iter().filter(|actor| *actor != leader);
        let follower = followers.into_iter().nth(round - 1).unwrap();
        network.kill_peer(follower);
        let mut one = network.collector(1, &["--source", "synthetic", "--exit-when-done"]);
        assert!(one.wait().unwrap().success(), "{}", network.collector_log(1));
        network.start_peer(follower);
        network.wait_for_agreement(200 * round as u64);
    }
    same_ledgers(&network, 400);
}
