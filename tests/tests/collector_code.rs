//! What collectors record is decided by a component that the actors approve: real peers, real collectors, the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "collector_code/stage.rs"]
mod stage;

use e2l_client::ClientError;
use e2l_client::wire::refusal::Reason;
use e2l_tests::{
    PATIENCE, collector_component, event, failing_collector_component, strict_collector_component, wait_until,
};
use serde_json::Value;
use stage::Stage;
use std::time::Duration;

/// Attribute that the strict component hides.
const HIDDEN: &str = "com.docker.swarm.task.id";

fn hides(event: &Value) -> bool {
    event["attributes"].get(HIDDEN).is_none()
}

/// A peer has refused a batch for the code that made it, and says why.
fn assert_other_code(refused: &ClientError, why: &str) {
    let reason = matches!(
        refused,
        ClientError::Refused {
            reason: Reason::OtherCode,
            ..
        }
    );
    assert!(reason, "{refused}");
    assert!(refused.to_string().contains(why), "{refused}");
}

#[test]
fn what_the_actors_approve_is_fetched_checked_used_and_named_while_events_flow() {
    const EVENTS: u64 = 15_000;
    let stage = Stage::set(1);
    let mut collector = stage.invents(500.0, EVENTS);
    wait_until("the first events", PATIENCE, || {
        (stage.spooled_so_far() > 400).then_some(())
    });
    let strict = stage.deploy(strict_collector_component());
    stage.wait_for_log(&format!("from now on component={strict}"));
    let then = stage.spooled_so_far();
    wait_until("some more", PATIENCE, || {
        (stage.spooled_so_far() > then + 800).then_some(())
    });
    let plain = stage.deploy(collector_component());
    stage.wait_for_log(&format!("from now on component={plain}"));
    let done = collector.wait().unwrap();
    assert!(done.success(), "{}", stage.network.collector_log(1));

    let stats = stage.stats();
    let left_out = stats["left_out"].as_u64().unwrap();
    assert!(left_out > 50, "{stats}");
    assert_eq!(
        stats["taken"].as_u64().unwrap() + left_out,
        EVENTS,
        "nothing is lost"
    );
    assert_eq!(
        (&stats["recorded_anew"], &stats["component_failures"]),
        (&0.into(), &0.into())
    );
    assert_eq!(stats["component"], plain.to_string());
    stage
        .network
        .wait_for_agreement(stats["taken"].as_u64().unwrap() + 6);
    let events = stage.events();
    let sequences = events.iter().map(|event| event["sequence"].as_u64().unwrap());
    assert!(
        sequences.eq(1..=stats["taken"].as_u64().unwrap()),
        "each once, in its order"
    );

    // Every batch names what its events were recorded by, and the program that recorded them.
    let named = stage.batches();
    let kinds: Vec<_> = named.iter().map(|batch| batch.header.component).collect();
    let mut in_turn = kinds.clone();
    in_turn.dedup();
    assert_eq!(in_turn, [None, Some(strict), Some(plain)]);
    let executable = Stage::executable();
    assert!(named.iter().all(|batch| batch.header.executable == executable));
    for (batch, component) in named.iter().zip(kinds) {
        for event in Stage::events_of(batch) {
            let strictly = component == Some(strict);
            assert_eq!(!event.attributes.contains_key(HIDDEN), strictly, "{event:?}");
            assert!(!strictly || event.action != "kill");
        }
    }

    // All of it holds for whoever has only the genesis.
    let output = stage.network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", e2l_tests::said(&output));
}

#[test]
fn a_batch_that_names_another_component_is_taken_for_the_grace_and_refused_after_it() {
    let stage = Stage::set(2);
    stage.set_limit("collector_grace_ms=4000");
    let strict = stage.deploy(strict_collector_component());
    stage.block_on(async |members| {
        let mut old = members.collector(2, "provider").unwrap();
        let within = old.batch(vec![event("c1", "start")]);
        let within = e2l_tests::TestCollector::encode(within);
        let taken = old.client.submit(within.clone()).await.unwrap();
        assert_eq!(taken.codes.as_ref(), [0], "within the grace");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let again = old.client.submit(within).await.unwrap();
        assert_eq!(
            (again.height, again.first_index),
            (taken.height, taken.first_index),
            "its original answer"
        );

        let refused = old.clone().submit(vec![event("c1", "die")]).await.unwrap_err();
        assert_other_code(&refused, &strict.to_string());

        let mut calls = old.clone();
        let call = calls.create_event(event("c1", "die"));
        let mut header = calls.header(std::slice::from_ref(&call));
        header.component = Some(strict);
        let batch = e2l_tests::TestCollector::encode(calls.sign(header, vec![call]));
        assert_eq!(calls.client.submit(batch).await.unwrap().codes.as_ref(), [0]);
    });
}

#[test]
fn what_was_signed_before_and_arrives_after_the_grace_is_recorded_anew_and_nothing_is_lost() {
    let mut stage = Stage::set(1);
    stage.set_limit("collector_grace_ms=0");
    let mut collector = stage.invents(300.0, 1_000_000);
    wait_until("the first events", PATIENCE, || {
        (stage.spooled_so_far() > 300).then_some(())
    });
    // Nobody takes anything any more, and the collector goes on.
    stage.stop_peers();
    wait_until("a full backlog", PATIENCE, || {
        (stage.stats()["spooled"].as_u64().unwrap_or_default() > 900).then_some(())
    });
    stage.terminate(&mut collector);
    let first = stage.stats();
    assert!(first["spooled"].as_u64().unwrap() > 800, "{first}");
    stage.start_peers();
    let strict = stage.deploy(strict_collector_component());

    let mut collector = stage.invents(300.0, 50);
    let done = collector.wait().unwrap();
    let log = stage.network.collector_log(1);
    assert!(done.success(), "{log}");
    assert!(log.contains("recorded anew in another incarnation"), "{log}");
    let second = stage.stats();
    let (anew, left_out) = (&second["recorded_anew"], second["left_out"].as_u64().unwrap());
    assert!(anew.as_u64().unwrap() > 600, "{second}");
    assert!(left_out > 50, "{second}");

    // Every event that was taken is on the ledger once, but for those that the component leaves out.
    let events = stage.events();
    let invented: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "container")
        .collect();
    let mut distinct: Vec<String> = invented
        .iter()
        .map(|event| format!("{}{}{}", event["actor_id"], event["time_nano"], event["action"]))
        .collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), invented.len(), "one is there twice");
    let taken = first["taken"].as_u64().unwrap() + 50;
    assert_eq!(invented.len() as u64 + left_out, taken, "one is lost");
    let gaps: Vec<&Value> = events.iter().filter(|event| event["observed"] == "gap").collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let said = &gaps[0]["attributes"];
    assert!(
        said["reason"].as_str().unwrap().starts_with("recorded anew"),
        "{said}"
    );
    assert_eq!(said["events"], anew.to_string());

    let batches = stage.batches();
    let after: Vec<_> = batches
        .iter()
        .filter(|batch| batch.header.incarnation > 1)
        .collect();
    assert!(after.iter().all(|batch| batch.header.component == Some(strict)));
    let hidden = after.iter().flat_map(|batch| Stage::events_of(batch));
    assert!(
        hidden
            .into_iter()
            .all(|event| !event.attributes.contains_key(HIDDEN) && event.action != "kill")
    );
    let output = stage.network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", e2l_tests::said(&output));
}

#[test]
fn an_event_that_the_component_fails_on_is_recorded_bare_and_marked() {
    const EVENTS: u64 = 800;
    let stage = Stage::set(1);
    let failing = stage.deploy(failing_collector_component());
    let mut collector = stage.invents(200.0, EVENTS);
    let done = collector.wait().unwrap();
    assert!(done.success(), "{}", stage.network.collector_log(1));
    let events = stage.events();
    assert_eq!(events.len() as u64, EVENTS, "nothing is lost");
    let marks = [
        ("start", "failed: trapped"),
        ("stop", "failed: out of fuel"),
        ("pause", "failed: bad answer"),
        ("unpause", "failed: bad answer"),
        ("kill", "failed: rejected"),
        ("die", "failed: bad answer"),
    ];
    for event in &events {
        assert_eq!(
            (&event["observed"], &event["validation_code"]),
            (&"observed".into(), &"VALID".into())
        );
        let attributes = event["attributes"].as_object().unwrap();
        let mark = marks.iter().find(|(action, _)| event["action"] == *action);
        match mark {
            Some((_, mark)) => assert_eq!(
                (attributes.len(), attributes["event2ledger.component"].as_str()),
                (1, Some(*mark)),
                "{event}"
            ),
            None => assert!(!hides(event) && event["action"] == "create", "{event}"),
        }
        if event["action"] == "die" {
            assert_eq!(
                event["facts"]["exit_code"], 0,
                "what bills are made from stays: {event}"
            );
        }
    }
    assert!(
        stage
            .batches()
            .iter()
            .all(|batch| batch.header.component == Some(failing))
    );
    assert!(stage.stats()["component_failures"].as_u64().unwrap() > EVENTS / 2);
    assert!(
        stage
            .network
            .collector_log(1)
            .contains("does not say how an event is recorded")
    );
}

#[test]
fn an_executable_that_is_not_on_the_list_is_refused_until_it_is() {
    const EVENTS: u64 = 600;
    let stage = Stage::set(2);
    let other = "11".repeat(32);
    stage
        .network
        .decide(&["proposal", "create", "executables", &other]);
    let mut collector = stage.invents(200.0, EVENTS);
    stage.wait_for_log("the actors have not approved what this collector runs");
    assert!(collector.try_wait().unwrap().is_none(), "it waits");
    stage.block_on(async |members| {
        let mut one = members.collector(2, "provider").unwrap();
        let refused = one.submit(vec![event("c1", "start")]).await.unwrap_err();
        assert_other_code(&refused, "is not among those");
    });
    let program = e2l_tests::binary("e2l-collector");
    stage
        .network
        .decide(&["proposal", "create", "executables", program.to_str().unwrap()]);
    let done = collector.wait().unwrap();
    assert!(done.success(), "{}", stage.network.collector_log(1));
    assert_eq!(stage.events().len() as u64, EVENTS, "nothing is lost");
    assert!(stage.batches().iter().all(|batch| batch.header.incarnation == 1));
    stage.network.decide(&["proposal", "create", "executables"]);
}

#[test]
fn what_the_genesis_names_needs_no_approval_and_is_used_from_the_first_event() {
    const EVENTS: u64 = 300;
    let stage = Stage::set_on(strict_collector_component(), 1);
    let strict = Stage::digest(strict_collector_component());
    let contract = e2l_tests::component().to_str().unwrap();
    stage.network.decide(&["chaincode", "propose", contract]);
    let done = stage.invents(300.0, EVENTS).wait().unwrap();
    assert!(done.success(), "{}", stage.network.collector_log(1));

    let events = stage.events();
    assert!(!events.is_empty() && events.iter().all(hides));
    let stats = stage.stats();
    assert_eq!(
        stats["taken"].as_u64().unwrap() + stats["left_out"].as_u64().unwrap(),
        EVENTS
    );
    let batches = stage.batches();
    assert!(batches.iter().all(|batch| batch.header.component == Some(strict)));
}
