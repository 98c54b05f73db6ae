//! Actors and their peers come and go while events flow, with the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Members, Network, Newcomer, PATIENCE, SteadyLoad, said, wait_until};
use serde_json::Value;
use std::process::Output;

/// What the collector invents, and how fast.
const EVENTS: u64 = 12_000;
const RATE: f64 = 800.0;

/// The id that a command about a proposal prints.
fn proposal(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn proposed(network: &Network, actor: &str, arguments: &[&str]) -> String {
    proposal(&network.e2l(actor, arguments))
}

fn approved(network: &Network, actors: &[&str], id: &str) {
    for actor in actors {
        assert_eq!(proposed(network, actor, &["proposal", "approve", id]), id);
    }
}

/// What an actor's peer says of itself.
fn status(network: &Network, actor: &str) -> Value {
    let status = network.json(actor, &["peer", "status"]);
    status.get(0).unwrap_or(&status).clone()
}

/// What a peer says of another actor's peer.
fn other(network: &Network, actor: &str, named: &str) -> Option<Value> {
    let peers = status(network, actor)["peers"].as_array()?.clone();
    peers.into_iter().find(|peer| peer["actor"] == named)
}

/// Waits until an actor's peer votes, as another sees it.
fn wait_until_it_votes(network: &Network, actor: &str, named: &str) {
    wait_until("the newcomer's peer endorses", PATIENCE, || {
        let peer = other(network, actor, named)?;
        let status = network.view(actor)?;
        (peer["endorsed_height"].as_u64()? + 50 >= status.final_height).then_some(())
    });
}

/// Records an event of a container.
fn record(network: &Network, id: &str) {
    let event = serde_json::json!({
        "Type": "container", "Action": "start", "scope": "local", "time": 1_800_000_000,
        "timeNano": 1_800_000_000_000_000_000_i64, "Actor": {"ID": id, "Attributes": {}},
    });
    let call = ["chaincode", "invoke", "createEvent", &event.to_string()];
    let output = network.e2l("provider", &call);
    assert!(output.status.success(), "{}", said(&output));
}

/// Every event that a collector has brought is on the ledger once, in its order.
fn is_complete(events: &[Value], sender: &str, count: u64) {
    let brought = events.iter().filter(|event| event["sender"] == sender);
    let sequences: Vec<Option<u64>> = brought.map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(sequences.len() as u64, count, "lost or doubled");
    assert!(sequences.into_iter().eq((1..=count).map(Some)), "out of order");
    assert!(events.iter().all(|event| event["validation_code"] == "VALID"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fourth_actor_joins_and_a_dead_one_is_removed_while_events_flow() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    network.configure_synthetic(1, RATE, EVENTS);
    let mut collector = network.collector(1, &["--source", "synthetic"]);
    // No request of an actor that stays may fail, whoever joins, dies or leaves.
    let mut load = SteadyLoad::start(&network, &members, "developer").unwrap();
    let mut auditor = Newcomer::of(&network, "auditor", &[]);
    auditor.start_peer();
    wait_until("the newcomer waits", PATIENCE, || {
        auditor.log().contains("waiting until a proposal").then_some(())
    });

    let id = proposed(&network, "provider", &["peer", "join", &auditor.file()]);
    let shown = said(&network.e2l("user", &["proposal", "show", &id]));
    assert!(shown.contains("auditor joins the network with a vote"), "{shown}");
    approved(&network, &["developer", "user"], &id);
    wait_until_it_votes(&network, "provider", "auditor");
    load.progress(3).await.unwrap();

    // Three of four are a majority of those who endorse and of those who order; two would not be.
    network.kill_peer("user");
    let id = proposed(&network, "provider", &["peer", "remove", "user"]);
    approved(&network, &["developer"], &id);
    let open = network.json("developer", &["proposal", "show", &id]);
    let open = open.get(0).unwrap_or(&open);
    assert_eq!(open["status"], "open", "the newcomer has a say: {open}");
    let last = auditor.e2l(&["proposal", "approve", &id]);
    assert_eq!(proposal(&last), id);
    assert!(said(&last).contains("active from height"), "{}", said(&last));
    wait_until("the provider's peer counts three", PATIENCE, || {
        other(&network, "provider", "user").is_none().then_some(())
    });
    record(&network, "after the removal");
    load.progress(3).await.unwrap();

    assert!(
        collector.wait().unwrap().success(),
        "{}",
        network.collector_log(1)
    );
    let steady = load.stop().await.unwrap();
    members.settled(&["developer", "provider"], 1).await.unwrap();
    let events = network.events("provider");
    is_complete(&events, "collector-1", EVENTS);
    is_complete(&events, "steady", steady);
    let three = serde_json::json!(["auditor", "developer", "provider"]);
    let after = ["events", "--container", "after the removal"];
    wait_until("what came after is sealed by the three", PATIENCE, || {
        let events = network.json("provider", &after);
        (events[0]["endorsed_by"] == three && events[0]["finality"] == "sealed").then_some(())
    });
    wait_until("the newcomer's own peer has the same", PATIENCE, || {
        let status = auditor.json(&["peer", "status"])?;
        let status = status.get(0).unwrap_or(&status).clone();
        let theirs = auditor.json(&after)?;
        let same = theirs[0]["tx_id"] == network.json("provider", &after)[0]["tx_id"];
        (same && status["actor"] == "auditor").then_some(())
    });

    // Who knows only the genesis follows all of it.
    let audited = network.e2l("developer", &["audit", "--of", "provider"]);
    assert!(audited.status.success(), "{}", said(&audited));
}

/// The actor whose peer leads is removed, or another one, while its peer runs and events flow.
async fn a_running_voter_is_removed(leads: bool) {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let leader = network.wait_for_leader();
    let followers = Network::actors().into_iter().filter(|actor| *actor != leader);
    let followers: Vec<&str> = followers.collect();
    let leaving = if leads { leader.as_str() } else { followers[1] };
    let mut staying = Network::actors().to_vec();
    staying.retain(|actor| *actor != leaving);
    staying.sort_unstable();
    let mut load = SteadyLoad::start(&network, &members, followers[0]).unwrap();
    load.progress(3).await.unwrap();
    let id = proposed(&network, staying[0], &["peer", "remove", leaving]);
    assert_eq!(network.wait_for_leader(), leader, "the leader was lost too early");
    let last = network.e2l(staying[1], &["proposal", "approve", &id]);
    assert_eq!(proposal(&last), id);
    assert!(said(&last).contains("active from height"), "{}", said(&last));
    wait_until("one of those that stay leads", PATIENCE, || {
        let leader = status(&network, followers[0])["leader"].clone();
        staying.iter().any(|actor| leader == *actor).then_some(())
    });
    load.progress(20).await.unwrap();
    assert!(
        other(&network, followers[0], leaving).is_none(),
        "it still counts"
    );

    let brought = load.stop().await.unwrap();
    members.same_ledgers(&staying, 1).await.unwrap();
    is_complete(&network.events(staying[1]), "steady", brought);
    // Sealed means signed by all that vote: its peer, which runs for some seconds more, is not one of them.
    let two = serde_json::json!(staying);
    wait_until("the newest is sealed by those that stay", PATIENCE, || {
        let newest = network.json(staying[0], &["events", "--limit", "1"]);
        (newest[0]["endorsed_by"] == two && newest[0]["finality"] == "sealed").then_some(())
    });
    let audited = network.e2l(staying[0], &["audit", "--of", staying[1]]);
    assert!(audited.status.success(), "{}", said(&audited));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_actor_whose_peer_leads_is_removed_and_no_request_of_the_others_fails() {
    a_running_voter_is_removed(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_whose_peer_runs_and_follows_is_removed_and_no_request_of_the_others_fails() {
    a_running_voter_is_removed(false).await;
}

#[test]
fn an_auditor_sees_and_verifies_everything_and_decides_nothing() {
    let network = Network::start(1);
    network.configure_synthetic(1, 500.0, 2_000);
    let mut collector = network.collector(1, &["--source", "synthetic"]);
    let mut auditor = Newcomer::of(&network, "auditor", &["--observer"]);
    let id = proposed(&network, "provider", &["peer", "join", &auditor.file()]);
    approved(&network, &["developer", "user"], &id);
    auditor.start_peer();
    assert!(
        collector.wait().unwrap().success(),
        "{}",
        network.collector_log(1)
    );
    let newest = network.json("provider", &["events", "--limit", "1"]);
    wait_until("the auditor's own peer has all", PATIENCE, || {
        let status = auditor.json(&["peer", "status"])?;
        let status = status.get(0).unwrap_or(&status).clone();
        let height = status["final_height"].as_u64()?;
        (status["actor"] == "auditor" && Some(height) >= newest[0]["height"].as_u64()).then_some(())
    });
    let theirs = auditor.json(&["events", "--limit", "1"]).unwrap();
    assert_eq!(theirs[0]["tx_id"], newest[0]["tx_id"]);
    assert_eq!(
        theirs[0]["endorsed_by"],
        serde_json::json!(["developer", "provider", "user"])
    );
    let all = auditor.e2l(&["audit", "--of", "provider"]);
    assert!(all.status.success(), "{}", said(&all));

    let to_all = ["proposal", "create", "policies", "--lifecycle", "majority"];
    let asked = auditor.e2l(&to_all);
    assert_eq!(asked.status.code(), Some(1), "{}", said(&asked));
    assert!(said(&asked).contains("ROLE_NOT_ALLOWED"), "{}", said(&asked));
    let id = proposed(&network, "provider", &to_all);
    approved(&network, &["developer", "user"], &id);
    // From now on two of three are enough, and the auditor is not one of them: it is let go.
    let id = proposed(&network, "provider", &["peer", "remove", "auditor"]);
    approved(&network, &["user"], &id);
    wait_until("the others have no more to do with it", PATIENCE, || {
        let log = network.peer_log("provider");
        log.contains("actor `auditor` is not a member of this network")
            .then_some(())
    });
}

#[test]
fn a_lost_peer_is_replaced_by_its_actor_alone() {
    let mut network = Network::start(1);
    network.configure_synthetic(1, 500.0, 5_000);
    let mut collector = network.collector(1, &["--source", "synthetic"]);
    wait_until("events are final", PATIENCE, || {
        network.view("provider").filter(|view| view.final_height > 10)
    });
    network.kill_peer("developer");
    let address = other(&network, "provider", "developer").unwrap()["address"].clone();
    network.replace_peer_files("developer", "peer-2");
    let replace = [
        "peer",
        "replace",
        "--name",
        "peer-2",
        "--address",
        address.as_str().unwrap(),
    ];
    let output = network.e2l("developer", &replace);
    assert!(said(&output).contains("active from height"), "{}", said(&output));
    let same = network.e2l("developer", &replace);
    assert_eq!(same.status.code(), Some(2), "{}", said(&same));
    network.start_peer("developer");
    wait_until_it_votes(&network, "provider", "developer");
    // It counts: without another one nothing is final that it does not endorse.
    network.kill_peer("user");
    let height = network.view("provider").unwrap().final_height;
    assert!(
        collector.wait().unwrap().success(),
        "{}",
        network.collector_log(1)
    );
    let events = network.json("provider", &["events", "--limit", "1"]);
    assert!(events[0]["height"].as_u64().unwrap() > height);
    assert_eq!(
        events[0]["endorsed_by"],
        serde_json::json!(["developer", "provider"])
    );
    let audited = network.e2l("provider", &["audit", "--of", "provider"]);
    assert!(audited.status.success(), "{}", said(&audited));
}
