//! Actors change the network together, with the command line, while events flow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_ledger::{Block, Digest, Domain};
use e2l_tests::{
    Latency, Load, Members, Network, PATIENCE, Probe, component, next_component, percentile, said, wait_until,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::time::{Duration, Instant};

/// What the collector invents, and how fast.
const EVENTS: u64 = 6000;
const RATE: f64 = 1000.0;

/// Runs `e2l` for an actor, and returns what it prints on standard output.
fn run(network: &Network, actor: &str, arguments: &[&str]) -> String {
    let output = network.e2l(actor, arguments);
    assert!(
        output.status.success(),
        "{actor}: {arguments:?}: {}",
        said(&output)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

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

/// Digest of the events contract.
fn digest_of_events_contract() -> Digest {
    Domain::Chaincode.hash(&std::fs::read(component()).unwrap())
}

/// Runs what must fail with exit code 1, and returns all it says.
fn refused(network: &Network, actor: &str, arguments: &[&str]) -> String {
    let output = network.e2l(actor, arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs what must fail, and returns all it says.
fn fails(network: &Network, actor: &str, arguments: &[&str]) -> String {
    let output = network.e2l(actor, arguments);
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// Others approve what an actor has proposed.
fn approve(network: &Network, others: &[&str], id: &str) {
    for actor in others {
        assert_eq!(run(network, actor, &["proposal", "approve", id]), id);
    }
}

/// Records an event of a service's container with a contract.
fn record(network: &Network, chaincode: &str, id: &str, action: &str) {
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
    run(network, "provider", &call);
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
    let answer: Value = serde_json::from_str(&run(network, actor, &all)).unwrap();
    answer["total"].as_u64().unwrap()
}

fn start_collector(network: &Network) -> Child {
    start_collector_of(network, EVENTS)
}

fn start_collector_of(network: &Network, events: u64) -> Child {
    network.configure_synthetic(1, RATE, events);
    network.collector(1, &["--source", "synthetic"])
}

/// Every event that the collector invented is on the ledger once, in its order.
fn is_complete(events: &[Value], count: u64) {
    let invented = events.iter().filter(|event| event["sender"] == "collector-1");
    let sequences: Vec<Option<u64>> = invented.map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(sequences.len() as u64, count, "lost or doubled");
    assert!(sequences.into_iter().eq((1..=count).map(Some)), "out of order");
    assert!(events.iter().all(|event| event["validation_code"] == "VALID"));
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
    let shown = run(&network, "user", &["chaincode", "show", &id]);
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
    let listed = network.json("user", &["chaincode", "list"]);
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["chaincode"] == "eventdb"),
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
    run(&network, "user", &["receipt", &newest, "--out", text(&receipt)]);
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

/// Events of a batch, and what a block may hold from some height on: two of them.
const BATCH: usize = 50;
const BLOCK: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_block_holds_more_than_a_limit_says_from_the_height_on_at_which_it_is_in_force() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let collector = members.collector(1, "provider").unwrap();
    let mut load = Load::start(collector, BATCH, usize::MAX);
    load.progress(40).await.unwrap();
    let limit = format!("block_max_transactions={BLOCK}");
    let id = run(&network, "user", &["proposal", "create", "limits", &limit]);
    approve(&network, &["provider", "developer"], &id);
    let shown = network.json("developer", &["proposal", "show", &id]);
    let from = shown["outcome"]["from_height"].as_u64().unwrap();
    load.progress(40).await.unwrap();
    let (_, receipts) = load.stop().await.unwrap();

    let ledger = members.same_ledgers(&Network::actors(), from).await.unwrap();
    ledger.check_receipts(&receipts).unwrap();
    let (before, after) = ledger.blocks.split_at(usize::try_from(from).unwrap() - 1);
    let largest = |blocks: &[Block]| blocks.iter().map(|block| block.proposal.transactions()).max();
    assert!(
        largest(before) > Some(BLOCK),
        "it was no limit: {:?}",
        largest(before)
    );
    assert!(largest(after) > Some(BATCH), "{:?}", largest(after));
    assert!(largest(after) <= Some(BLOCK), "{:?}", largest(after));
}

/// Events on the ledger when the upgrade begins; `E2L_HISTORY` sets another number.
fn history() -> u64 {
    let set = std::env::var("E2L_HISTORY").ok();
    set.and_then(|number| number.parse().ok()).unwrap_or(3000)
}

/// Waits until a proposal's contract is prepared and active; returns how many steps were seen at the most.
fn wait_until_active(network: &Network, id: &str) -> u64 {
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
    let id = run(
        &network,
        "developer",
        &["chaincode", "propose", text(next_component())],
    );
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
    let back = run(&network, "provider", &["chaincode", "propose", text(component())]);
    let diff = network.json("user", &["chaincode", "diff", "--proposal", &back]);
    let changes = diff["changes"].as_array().unwrap();
    let removed = |change: &Value| change["name"] == "runningContainers" && change["change"] == "removed";
    assert!(changes.iter().any(removed), "{diff}");
    record(&network, "eventdb", "web-3", "start");
    let asked = r#"{"service": "web", "at": 1800000000000000000}"#;
    for actor in Network::actors() {
        let answer = run(
            &network,
            actor,
            &["chaincode", "query", "runningContainers", asked],
        );
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
    let id = run(
        &network,
        "developer",
        &["chaincode", "propose", text(next_component())],
    );
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
    let answer = run(
        &network,
        "user",
        &["chaincode", "query", "runningContainers", asked],
    );
    assert!(answer.contains("web-1"), "{answer}");
    network.wait_for_agreement(4004);
    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_peer_that_was_away_while_the_configuration_changed_catches_up() {
    let mut network = Network::start(1);
    network.stop_peer("user");
    // Majority is enough for finality; the lifecycle policy waits for the third.
    let id = run(
        &network,
        "provider",
        &["chaincode", "propose", text(component()), "--name", "second"],
    );
    approve(&network, &["developer"], &id);
    // The user's admin signs at another actor's peer: its own is away.
    assert_eq!(run(&network, "user", &["proposal", "approve", &id]), id);
    record(&network, "second", "c1", "start");
    network.start_peer("user");
    wait_until("the peer that was away has caught up", PATIENCE, || {
        let views = [network.view("user")?, network.view("provider")?];
        (views[0].state_root == views[1].state_root && views[0].final_height == views[1].final_height)
            .then_some(())
    });
    assert_eq!(recorded_in_second(&network, "user"), 1);
}

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
    let id = run(
        &network,
        "developer",
        &["proposal", "create", "revoke", text(&certificate)],
    );
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
    run(&network, "user", &["receipt", first["tx_id"].as_str().unwrap()]);
    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_component_that_peers_refuse_and_a_source_that_is_another_change_nothing() {
    let network = Network::start(1);
    let junk = network.root().join("junk.wasm");
    std::fs::write(&junk, b"no component").unwrap();
    let output = network.e2l("provider", &["chaincode", "propose", text(&junk)]);
    assert!(!output.status.success());
    assert!(
        said(&output).contains("is not a contract that peers would run"),
        "{}",
        said(&output)
    );
    // A package is proposed as the component that is in it.
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaincode/eventdb");
    let package = network.root().join("eventdb.tar");
    let pack = ["chaincode", "package", text(&events), "--out", text(&package)];
    run(&network, "provider", &pack);
    let id = run(
        &network,
        "provider",
        &["chaincode", "propose", text(&package), "--name", "second"],
    );
    let shown = network.json("user", &["proposal", "show", &id]);
    let proposed = &shown["changes"][0]["change"]["chaincode"];
    assert_eq!(proposed["name"], "second", "{shown}");
    assert_eq!(
        proposed["digest"],
        digest_of_events_contract().to_string(),
        "{shown}"
    );
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/hostile");
    let other = refused(
        &network,
        "user",
        &["chaincode", "approve", &id, "--rebuild", text(&source)],
    );
    assert!(other.contains("nothing was approved"), "{other}");
    run(
        &network,
        "user",
        &["chaincode", "approve", &id, "--rebuild", text(&events)],
    );
    run(&network, "developer", &["chaincode", "reject", &id]);
    let closed = refused(&network, "developer", &["chaincode", "approve", &id]);
    assert!(closed.contains("PROPOSAL_CLOSED"), "{closed}");
    let shown = network.json("user", &["proposal", "show", &id]);
    assert_eq!(shown["status"], "rejected");
    let listed = network.json("user", &["chaincode", "list"]);
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["chaincode"] == "eventdb")
    );
}

#[tokio::test]
async fn an_event_outside_the_window_that_the_actors_set_is_late_wherever_it_is_shown() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut collector = members.collector(1, "provider").unwrap();
    // Half a minute old: within the window of a minute, and outside one of ten seconds.
    let old = |container: &str| {
        let mut event = e2l_tests::event(container, "start");
        event.time_nano -= 30_000_000_000;
        event.time -= 30;
        event
    };
    let one = collector.submit(vec![old("c-before")]).await.unwrap();
    let created = ["proposal", "create", "limits", "collection_window_ms=10000"];
    let id = run(&network, "provider", &created);
    approve(&network, &["developer", "user"], &id);
    wait_until_active(&network, &id);
    let two = collector.submit(vec![old("c-after")]).await.unwrap();
    assert_eq!(
        (one.codes.as_ref(), two.codes.as_ref()),
        ([0].as_ref(), [0].as_ref())
    );

    let events = network.events("user");
    for (container, late) in [("c-before", false), ("c-after", true)] {
        let told = events
            .iter()
            .find(|event| event["actor_id"] == container)
            .unwrap();
        let history = network.json("developer", &["history", container]);
        for shown in [told, &history[0]] {
            let delay_ms = shown["delay_ms"].as_i64().unwrap();
            assert!((30_000..60_000).contains(&delay_ms), "{shown}");
            assert_eq!(shown["late"], late, "{shown}");
        }
        let shown = run(&network, "user", &["history", container]);
        assert_eq!(shown.contains("late by 3"), late, "{shown}");
    }
}
