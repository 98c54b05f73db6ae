//! Certificates that are revoked.

use super::steps::{EVENTS, approve, start_collector, text};
use e2l_tests::{Network, PATIENCE, said, wait_until};
use std::path::PathBuf;

#[test]
fn a_revoked_collector_is_cut_off_and_the_other_goes_on() {
    let network = Network::start(2);
    let mut revoked = start_collector(&network);
    network.configure_synthetic(2, 200.0, 2000);
    let mut other = network.collector(2, &["--source", "synthetic"]);
    wait_until("the collector has submitted", PATIENCE, || {
        (network.view("user")?.transactions > 500).then_some(())
    });
    let certificate: PathBuf = network.collector_home(1).join("collector.pem");
    let id = network.run("developer", &["proposal", "create", "revoke", text(&certificate)]);
    approve(&network, &["provider", "user"], &id);
    wait_until(
        "the peers close its connections",
        std::time::Duration::from_secs(5),
        || {
            network
                .peer_log("provider")
                .contains("a connection is closed: its certificate is not trusted any more")
                .then_some(())
        },
    );
    let done = other.wait().unwrap();
    assert!(done.success(), "{}", network.collector_log(2));
    let _ = revoked.kill();
    let _ = revoked.wait();
    let events = network.events("user");
    let of = |name: &str| events.iter().filter(|event| event["sender"] == name).count();
    assert_eq!(of("collector-2"), 2000, "the other collector lost nothing");
    assert!(of("collector-1") < EVENTS as usize);
    // What it signed before stays proven.
    let first = events
        .iter()
        .find(|event| event["sender"] == "collector-1")
        .unwrap();
    network.run("user", &["receipt", first["tx_id"].as_str().unwrap()]);
    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
}
