//! What monitoring sees: a peer's numbers, its health, and damage that was found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_store::{Intruder, RawRecord};
use e2l_tests::{
    CollectorProcess, Members, Network, PATIENCE, PrivateEngine, event, free_ports, http_get, metric,
    wait_until,
};
use std::net::TcpListener;

#[test]
fn metrics_show_progress_and_damage_on_loopback_only() {
    let mut network = Network::start(1);
    let mut collector = Members::of(&network).unwrap().collector(1, "provider").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for number in 0..3 {
        let events = vec![event(&format!("web-{number}"), "start")];
        runtime.block_on(collector.submit(events)).unwrap();
    }
    network.wait_for_agreement(3);
    network.stop_peer("user");
    let home = network.root().join("actors/user/peer");
    let config = home.join("peer.toml");
    let plain = std::fs::read_to_string(&config).unwrap();
    let configure = |listen: &str| {
        std::fs::write(&config, format!("{plain}\n[metrics]\nlisten = \"{listen}\"\n")).unwrap();
    };

    configure("0.0.0.0:9464");
    let log = network.try_start_peer("user", &[]).unwrap_err();
    assert!(log.contains("is not a loopback address"), "{log}");

    let intruder = Intruder::open(&home.join("data/ledger")).unwrap();
    let mut records = intruder.records("transactions").unwrap();
    records[0].value[20] ^= 1;
    intruder.put(&records[0]).unwrap();
    drop(intruder);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    configure(&address);
    network.start_peer("user");

    let text = wait_until("the damage is found and mended", PATIENCE, || {
        let (status, text) = http_get(&address, "/metrics");
        assert_eq!(status, 200);
        let mended =
            metric(&text, "e2l_peer_incidents") == 1 && metric(&text, "e2l_peer_incidents_open") == 0;
        mended.then_some(text)
    });
    assert_eq!(metric(&text, "e2l_peer_transactions"), 3);
    assert_eq!(metric(&text, "e2l_peer_alarms"), 1);
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so");
    assert!(text.contains("e2l_peer_linked{actor=\"provider\"}"), "{text}");
    wait_until("it is healthy", PATIENCE, || {
        (http_get(&address, "/healthz").0 == 200).then_some(())
    });
    assert_eq!(http_get(&address, "/nothing").0, 404);

    // Records of what happened are damaged themselves: they are named, and hide nothing else.
    network.stop_peer("user");
    let intruder = Intruder::open(&home.join("data/ledger")).unwrap();
    let meta = intruder.records("meta").unwrap();
    let mut incident = meta
        .iter()
        .find(|record| record.key.starts_with(b"incident/"))
        .unwrap()
        .clone();
    let last = incident.value.len() - 1;
    incident.value[last] ^= 1;
    intruder.put(&incident).unwrap();
    let forged = RawRecord {
        key: b"evidence/forged".to_vec(),
        ..incident
    };
    intruder.put_with_checksum(&forged).unwrap();
    drop(intruder);
    network.start_peer("user");
    assert_eq!(network.json("user", &["evidence"]), serde_json::json!([]));
    let text = wait_until("both are found", PATIENCE, || {
        // Asked first: before damage is noted no incident is open either.
        let noted = network.json("user", &["incidents"]).to_string();
        let both = noted.contains("and 1 more");
        let (status, text) = http_get(&address, "/metrics");
        assert_eq!(status, 200, "{text}");
        (both && metric(&text, "e2l_peer_incidents_open") == 0).then_some(text)
    });
    assert_eq!(
        metric(&text, "e2l_peer_evidence"),
        0,
        "what convicts nobody is no evidence"
    );
    let noted = network.json("user", &["incidents"]);
    for incident in noted.as_array().unwrap() {
        assert!(
            incident["what"].as_str().unwrap().starts_with("record "),
            "{noted}"
        );
        assert_eq!(
            incident["repaired_from"], "nobody",
            "what is lost is not repaired"
        );
        assert_eq!(incident["quarantined"], 2);
    }
}

#[test]
fn a_collectors_numbers_and_health_follow_its_engine() {
    let Some(engine) = PrivateEngine::start("a_collectors_numbers_and_health_follow_its_engine") else {
        return;
    };
    let network = Network::start(1);
    let [port] = free_ports();
    let address = format!("127.0.0.1:{port}");
    network.configure_collector(1, |text| format!("{text}\n[metrics]\nlisten = \"{address}\"\n"));
    let collector = CollectorProcess::of_engine(&network, 1, &engine.socket());
    let healthy = || http_get(&address, "/healthz").0 == 200;
    wait_until("it reads its engine", PATIENCE, || healthy().then_some(()));
    let id = engine.run(&["create", engine.image(), "/bin/sleep", "1"]);
    engine.run(&["rm", &id]);
    let text = wait_until("its events are final", PATIENCE, || {
        let (status, text) = http_get(&address, "/metrics");
        assert_eq!(status, 200, "{text}");
        (metric(&text, "e2l_collector_events") >= 2).then_some(text)
    });
    assert_eq!(metric(&text, "e2l_collector_healthy"), 1);
    assert!(
        metric(&text, "e2l_collector_latency_p99_microseconds") > 0,
        "{text}"
    );

    engine.kill();
    wait_until("it is not well without an engine", PATIENCE, || {
        let (status, why) = http_get(&address, "/healthz");
        (status == 503).then(|| assert!(why.contains("does not answer"), "{why}"))
    });
    engine.restart();
    wait_until("it is well again", PATIENCE, || healthy().then_some(()));
    collector.stop(&network);
}
