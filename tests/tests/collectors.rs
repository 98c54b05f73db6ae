//! Collectors beside a real engine where nothing happens: the ledger knows them by their heartbeats, and every actor's peer
//! says so when one falls silent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{CollectorProcess, Docker, Network, PrivateEngine, TlsEngine, skip, wait_until};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const NAMES: [&str; 2] = ["provider/collector/collector-1", "provider/collector/collector-2"];

/// State of each collector, as an actor's peer has it.
fn states(network: &Network, actor: &str) -> Vec<(String, String)> {
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let found = network.json(actor, &["collectors"]);
    let found = found.as_array().unwrap().iter();
    found
        .map(|one| (text(one, "collector"), text(one, "state")))
        .collect()
}

fn wait_for(network: &Network, expected: [&str; 2]) {
    let expected: Vec<_> = NAMES
        .iter()
        .zip(expected)
        .map(|(name, state)| ((*name).to_owned(), state.to_owned()))
        .collect();
    for actor in Network::actors() {
        wait_until(&format!("{actor} sees {expected:?}"), PATIENCE, || {
            (states(network, actor) == expected).then_some(())
        });
    }
}

/// The alarms of an actor's peer about the second collector.
fn alarms(network: &Network, actor: &str) -> Vec<String> {
    let status = network.json(actor, &["peer", "status"]);
    let status = status.get(0).unwrap_or(&status);
    let alarms = status["alarms"].as_array().unwrap().iter();
    let alarms = alarms.map(|alarm| alarm.as_str().unwrap().to_owned());
    alarms.filter(|alarm| alarm.contains(NAMES[1])).collect()
}

/// The ledger's events, once a container's removal is among them.
fn wait_for_removal(network: &Network, id: &str) -> Vec<Value> {
    wait_until("its events are on the ledger", PATIENCE, || {
        let events = network.events("user");
        let removal = |event: &Value| event["actor_id"] == id && event["action"] == "destroy";
        events.iter().any(removal).then_some(events)
    })
}

#[test]
fn a_collector_that_falls_silent_is_noticed_by_every_actor() {
    let test = "a_collector_that_falls_silent_is_noticed_by_every_actor";
    if Docker::reachable().is_none() {
        return skip(test, "no Docker engine answers");
    }
    let network = Network::start(2);
    let start = |number| {
        let socket = Path::new("/var/run/docker.sock");
        CollectorProcess::of_engine(&network, number, socket)
    };
    for number in [1, 2] {
        network.configure_collector(number, |text| format!("heartbeat_every_s = 2\n{text}"));
    }
    let (_first, second) = (start(1), start(2));
    wait_for(&network, ["heard", "heard"]);
    let found = &network.json("user", &["collectors"])[0];
    assert_eq!(
        (&found["every_s"], &found["gaps"]),
        (&2.into(), &0.into()),
        "{found}"
    );
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"), "{found}");
    assert_eq!(found["executable"].as_str().unwrap().len(), 64, "{found}");
    assert!(
        found["source"].as_str().unwrap().contains("/var/run/docker.sock"),
        "{found}"
    );
    assert!(found["engine_ahead_ms"].as_i64().unwrap().abs() < 1000, "{found}");

    second.kill();
    wait_for(&network, ["heard", "silent"]);
    for actor in Network::actors() {
        let alarms = wait_until(&format!("{actor}'s peer raises an alarm"), PATIENCE, || {
            Some(alarms(&network, actor)).filter(|alarms| !alarms.is_empty())
        });
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert!(
            alarms[0].starts_with("silent collectors of provider: "),
            "{alarms:?}"
        );
    }

    let _second = start(2);
    wait_for(&network, ["heard", "heard"]);
    for actor in Network::actors() {
        wait_until(&format!("{actor}'s peer ends its alarm"), PATIENCE, || {
            alarms(&network, actor).is_empty().then_some(())
        });
    }
    // What a collector says of itself is a history like any other, with proof.
    let history = network.json("user", &["history", NAMES[1]]);
    let history = history.as_array().unwrap();
    let beats = history.iter().filter(|event| event["action"] == "heartbeat");
    assert!(beats.count() >= 2, "{history:?}");
}

#[test]
fn what_runs_at_a_moment_is_attested() {
    let Some(engine) = PrivateEngine::start("what_runs_at_a_moment_is_attested") else {
        return;
    };
    let network = Network::start(1);
    network.configure_collector(1, |text| {
        format!("inventory_every_s = 1\nreconcile_every_s = 1\n{text}")
    });
    let collector = CollectorProcess::of_engine(&network, 1, &engine.socket());
    let newest = || {
        let history = network.e2l("user", &["history", NAMES[0], "-o", "json"]);
        // Before the first statement there is no such history.
        let history: Value = serde_json::from_slice(&history.stdout).ok()?;
        let mut events = history.as_array()?.iter();
        events.rfind(|event| event["action"] == "inventory").cloned()
    };
    let wait_for = |what: &str, containers: &str| {
        wait_until(what, PATIENCE, || {
            newest().filter(|found| found["attributes"]["containers"] == containers)
        })
    };
    wait_for("nothing runs", "");
    let id = engine.run(&[
        "run",
        "-d",
        "--network",
        "none",
        engine.image(),
        "/bin/sleep",
        "300",
    ]);
    let state = engine.inspect(&id).unwrap();
    let started = state["StartedAt"].as_str().unwrap();
    let started = time::OffsetDateTime::parse(started, &time::format_description::well_known::Rfc3339);
    let found = wait_for(
        "it runs",
        &format!("{id}@{}", started.unwrap().unix_timestamp_nanos()),
    );
    assert_eq!(found["attributes"]["alive"], "1", "{found}");
    engine.run(&["kill", &id]);
    wait_for("nothing runs any more", "");
    collector.stop(&network);
}

#[test]
fn an_engine_behind_tls_is_read_and_no_other_is_taken_for_it() {
    let test = "an_engine_behind_tls_is_read_and_no_other_is_taken_for_it";
    let Some(engine) = PrivateEngine::start(test) else {
        return;
    };
    let network = Network::start(2);
    let (behind, other) = (
        TlsEngine::before(&engine.socket()),
        TlsEngine::before(&engine.socket()),
    );
    let collector = CollectorProcess::of_environment(&network, 1, behind.environment());
    let misled = CollectorProcess::of_environment(&network, 2, behind.environment_of_a_stranger(&other));
    let id = engine.run(&["create", engine.image(), "/bin/sleep", "1"]);
    engine.run(&["rm", &id]);
    let events = wait_for_removal(&network, &id);
    // The other one says that it is there, and no more.
    let mut of_containers = events.iter().filter(|event| event["type"] == "container");
    assert!(
        of_containers.all(|event| event["collector"] == "provider/collector-1"),
        "{events:?}"
    );
    let log = wait_until("the other collector says what is wrong", PATIENCE, || {
        let log = network.collector_log(2);
        log.contains("connecting again").then_some(log)
    });
    assert!(log.contains("invalid peer certificate"), "{log}");
    collector.stop(&network);
    misled.stop(&network);
}

#[test]
fn a_collector_needs_no_privileges_and_writes_to_its_spool_only() {
    let test = "a_collector_needs_no_privileges_and_writes_to_its_spool_only";
    let Some(engine) = PrivateEngine::start(test) else {
        return;
    };
    let network = Network::start(1);
    let collector = CollectorProcess::confined(&network, 1, &engine.socket());
    let status = collector.status();
    for line in [
        "Uid:\t65534\t65534",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "no `{line}` in {status}");
    }
    let id = engine.run(&[
        "run",
        "-d",
        "--network",
        "none",
        engine.image(),
        "/bin/sleep",
        "300",
    ]);
    engine.run(&["rm", "-f", &id]);
    wait_for_removal(&network, &id);
    collector.stop(&network);
}

#[test]
fn a_collector_that_root_has_started_becomes_the_user_that_it_is_told() {
    let test = "a_collector_that_root_has_started_becomes_the_user_that_it_is_told";
    let Some(engine) = PrivateEngine::start(test) else {
        return;
    };
    let network = Network::start(1);
    network.configure_collector(1, |text| format!("user = \"nobody\"\n{text}"));
    let collector = CollectorProcess::given_away(&network, 1, &engine.socket());
    let status = collector.status();
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "no `{line}` in {status}");
    }
    let id = engine.run(&["create", "--network", "none", engine.image(), "/bin/true"]);
    engine.run(&["rm", &id]);
    wait_for_removal(&network, &id);
    collector.stop(&network);
    assert!(!network.collector_log(1).contains("runs as root"));
}

#[test]
fn what_waits_for_its_batch_is_in_the_spool_long_before() {
    // Fifty events a second, of which one batch takes five hundred.
    let network = Network::start(1);
    network.configure_synthetic(1, 50.0, 1_000_000);
    network.configure_collector(1, |text| {
        format!("stats_file = \"stats.json\"\n{text}\n[batch]\ngather_ms = 10000\n")
    });
    let mut collector = network.collector(1, &["--source", "synthetic"]);
    let file = network.collector_home(1).join("stats.json");
    let (taken, last) = wait_until("it takes what it makes no batch of", PATIENCE, || {
        let stats: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        let taken = stats["taken"]
            .as_u64()
            .filter(|taken| (20..400).contains(taken))?;
        Some((taken, stats["events"].as_u64()?))
    });
    assert!(last < 20, "{taken} taken, {last} final");
    // Longer than an event may wait for its sync.
    std::thread::sleep(Duration::from_secs(1));
    collector.kill().unwrap();
    collector.wait().unwrap();
    std::fs::remove_file(&file).unwrap();
    let mut collector = network.collector(1, &["--source", "replay:/dev/null"]);
    wait_until("what was taken is there", PATIENCE, || {
        let stats: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        let found = stats["spooled"].as_u64()? + stats["events"].as_u64()? + last;
        (found >= taken).then_some(())
    });
    collector.kill().unwrap();
    collector.wait().unwrap();
}
