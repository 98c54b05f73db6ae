//! Peers that refuse a collector: one alone, which may be wrong or lie, does not stop it; all together do, and it
//! says who and why. A peer that calls final what it has told nobody is not believed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_client::wire::refusal::Reason;
use e2l_tests::{LyingPeer, Members, Network, RefusingPeer, wait_until};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// Runs the collector until it ends with a source of `count` invented events.
fn run(network: &Network, count: u64) -> ExitStatus {
    network.configure_synthetic(1, 0.0, count);
    let mut collector = network.collector(1, &["--source", "synthetic", "--exit-when-done"]);
    let ended = || collector.try_wait().expect("its state");
    wait_until("the collector ends", Duration::from_secs(120), ended)
}

#[test]
fn a_peer_that_refuses_alone_stops_no_collector() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    // The collector's own actor's peer: it is asked first.
    network.stop_peer("provider");
    network.wait_for_leader();
    let mut expected = 0;
    for reason in [
        Reason::Conflict,
        Reason::Unauthentic,
        Reason::Forbidden,
        Reason::Malformed,
        Reason::WrongNetwork,
    ] {
        let liar = RefusingPeer::start(&members, "provider", reason).unwrap();
        expected += 100;
        let ended = run(&network, 100);
        let log = network.collector_log(1);
        assert!(ended.success(), "{reason:?}: {ended}\n{log}");
        assert!(liar.refused() > 0, "it was not asked");
        assert!(
            log.contains(reason.as_str_name()),
            "the refusal is not in the log:\n{log}"
        );
        network.wait_for_agreement(expected);
    }
}

#[test]
fn what_a_peer_only_calls_final_is_sent_to_another() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    network.stop_peer("provider");
    network.wait_for_leader();
    // It also claims to know of batches in a far incarnation: a new spool does not begin above those.
    let liar = LyingPeer::start(&members, "provider", "user", Arc::new(|_| {})).unwrap();
    let ended = run(&network, 500);
    let log = network.collector_log(1);
    assert!(ended.success(), "{ended}\n{log}");
    assert!(
        log.contains("does not prove what it has called final"),
        "the lie is not in the log:\n{log}"
    );
    assert!(!log.contains("incarnation=41"), "{log}");
    network.wait_for_agreement(500);
    drop(liar);
}

#[test]
fn peers_that_refuse_together_stop_it_and_are_named() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    // A spool, so that the next start needs no peer to begin one.
    assert!(run(&network, 10).success(), "{}", network.collector_log(1));
    let mut refusing = Vec::new();
    let reasons = [Reason::Forbidden, Reason::Unauthentic, Reason::Malformed];
    for (actor, reason) in Network::actors().into_iter().zip(reasons) {
        network.stop_peer(actor);
        refusing.push(RefusingPeer::start(&members, actor, reason).unwrap());
    }
    let ended = run(&network, 10);
    let log = network.collector_log(1);
    assert_eq!(ended.code(), Some(1), "{log}");
    // A backtrace may follow.
    let error = log.lines().find(|line| line.starts_with("Error: "));
    let error = error.unwrap_or_else(|| panic!("no error is named:\n{log}"));
    for (actor, reason) in Network::actors().into_iter().zip(reasons) {
        let named = error
            .split("; ")
            .any(|part| part.contains(actor) && part.contains(reason.as_str_name()));
        assert!(named, "{actor} and {} are not in: {error}", reason.as_str_name());
    }

    // The spool was kept: with the peers back, its events reach the ledger.
    drop(refusing);
    for actor in Network::actors() {
        network.start_peer(actor);
    }
    network.wait_for_leader();
    assert!(run(&network, 10).success(), "{}", network.collector_log(1));
    assert!(network.view("provider").expect("it answers").transactions > 20);
}
