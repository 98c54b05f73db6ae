//! A contract is deployed and limits change while events flow, each by all actors, whose peers may be away meanwhile.

use super::steps::{
    EVENTS, approve, digest_of_events_contract, has_no_other_contract, is_complete, record, refused,
    start_collector, text,
};
use e2l_tests::{Network, PATIENCE, component, said, wait_until};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;

/// Runs `e2l` for an actor while no other actor's admin is in its place: no command reads the keys of two.
fn alone(network: &Network, actor: &str, arguments: &[&str]) -> Output {
    let root = network.root();
    let others = Network::actors().into_iter().filter(|other| *other != actor);
    let admins: Vec<(PathBuf, PathBuf)> = others
        .map(|other| {
            let place = root.join("actors").join(other).join("admin");
            (place, root.with_file_name(format!("admin-of-{other}")))
        })
        .collect();
    for (place, away) in &admins {
        std::fs::rename(place, away).unwrap();
    }
    let output = network.e2l(actor, arguments);
    for (place, away) in &admins {
        std::fs::rename(away, place).unwrap();
    }
    assert!(
        output.status.success(),
        "{actor}: {arguments:?}: {}",
        said(&output)
    );
    output
}

/// What a command has printed on standard output.
fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// How many events `second` has.
fn recorded_in_second(network: &Network, actor: &str) -> u64 {
    let all = [
        "chaincode",
        "query",
        "--chaincode",
        "second",
        "queryAllEvents",
        "{}",
    ];
    let answer: Value = serde_json::from_str(&network.run(actor, &all)).unwrap();
    answer["total"].as_u64().unwrap()
}

#[test]
fn a_contract_is_deployed_and_limits_change_under_load_and_everything_is_proven_afterwards() {
    let mut network = Network::start(1);
    let mut collector = start_collector(&network);
    let id = printed(&alone(
        &network,
        "provider",
        &[
            "chaincode",
            "propose",
            text(component()),
            "--name",
            "second",
            "--note",
            "another",
        ],
    ));
    let shown = network.run("user", &["chaincode", "show", &id]);
    for line in [
        format!("proposal      {id}").as_str(),
        "proposed by   provider/admin/admin",
        "status        open",
        "note          another",
        "change        chaincode second becomes version",
        format!("digest {}", digest_of_events_contract()).as_str(),
        "approved      provider, signed by provider/admin/admin at height",
        "waits for     developer, user",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let listed = network.json("user", &["proposal", "list"]);
    assert_eq!(listed[0]["id"], id.as_str());
    assert_eq!(listed[0]["awaits"], serde_json::json!(["developer", "user"]));
    let twice = refused(&network, "provider", &["proposal", "approve", &id]);
    assert!(twice.contains("ALREADY_DECIDED"), "{twice}");
    let second = alone(&network, "developer", &["chaincode", "approve", &id[..10]]);
    assert_eq!(printed(&second), id);
    assert!(
        said(&second).contains("the proposal is open and waits for user"),
        "{}",
        said(&second)
    );
    assert!(
        has_no_other_contract(&network, "user"),
        "two of three are not all"
    );
    let last = alone(&network, "user", &["chaincode", "approve", &id]);
    assert_eq!(printed(&last), id);
    assert!(!said(&last).contains("waits for"), "{}", said(&last));
    let shown = network.json("developer", &["proposal", "show", &id]);
    assert!(
        shown["status"]
            .as_str()
            .unwrap()
            .starts_with("active from height"),
        "{shown}"
    );
    record(&network, "second", "c1", "start");
    assert_eq!(recorded_in_second(&network, "developer"), 1);

    // Another change of the configuration, by another actor.
    let limits = ["proposal", "create", "limits", "block_max_transactions=400"];
    let id = printed(&alone(&network, "user", &limits));
    for actor in ["provider", "developer"] {
        alone(&network, actor, &["proposal", "approve", &id]);
    }
    let done = collector.wait().unwrap();
    assert!(done.success(), "{}", network.collector_log(1));
    let agreed = wait_until("all is final everywhere", PATIENCE, || {
        let views = Network::actors().map(|actor| network.view(actor));
        let all: Option<Vec<_>> = views.into_iter().collect();
        let all = all?;
        let same = all.iter().all(|view| view.state_root == all[0].state_root);
        (same && all[0].transactions >= EVENTS + 7).then(|| all[0].clone())
    });
    is_complete(&network.events("developer"), EVENTS);

    // A receipt from under the newest configuration stands on the genesis alone.
    let events = network.events("user");
    let newest = events.last().unwrap()["tx_id"].as_str().unwrap().to_owned();
    let receipt = network.root().join("receipt.json");
    network.run("user", &["receipt", &newest, "--out", text(&receipt)]);
    let genesis = network.root().join("genesis.json");
    let verify = ["verify", text(&receipt), "--genesis", text(&genesis)];
    assert!(network.e2l("user", &verify).status.success());
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&receipt).unwrap()).unwrap();
    assert_eq!(file["configurations"].as_array().unwrap().len(), 2);
    file["configurations"].as_array_mut().unwrap().remove(0);
    std::fs::write(&receipt, file.to_string()).unwrap();
    let output = network.e2l("user", &verify);
    assert_ne!(
        output.status.code(),
        Some(0),
        "a change is left out: {}",
        said(&output)
    );

    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
    // What is on the disk says the same after a restart, and without a peer.
    for actor in Network::actors() {
        network.stop_peer(actor);
    }
    let data = network.root().join("actors/user/peer/data");
    let output = network.e2l("user", &["audit", "--data-dir", text(&data), "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
    for actor in Network::actors() {
        network.start_peer(actor);
    }
    network.wait_for_leader();
    assert_eq!(recorded_in_second(&network, "developer"), 1);
    assert_eq!(network.view("user").unwrap().state_root, agreed.state_root);
}

#[test]
fn a_peer_that_was_away_while_the_configuration_changed_catches_up() {
    let mut network = Network::start(1);
    network.stop_peer("user");
    // Majority is enough for finality; the lifecycle policy waits for the third.
    let id = network.run(
        "provider",
        &["chaincode", "propose", text(component()), "--name", "second"],
    );
    approve(&network, &["developer"], &id);
    // The user's admin signs at another actor's peer: its own is away.
    assert_eq!(network.run("user", &["proposal", "approve", &id]), id);
    record(&network, "second", "c1", "start");
    network.start_peer("user");
    wait_until("the peer that was away has caught up", PATIENCE, || {
        let views = [network.view("user")?, network.view("provider")?];
        (views[0].state_root == views[1].state_root && views[0].final_height == views[1].final_height)
            .then_some(())
    });
    assert_eq!(recorded_in_second(&network, "user"), 1);
}
