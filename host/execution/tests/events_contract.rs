//! The contract of the thesis on a real ledger: createEvent, getHistory, queryAllEvents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::members::Members;
use common::peer::{Orderer, Peer, outcomes};
use common::{call, create_event, deep, event};
use e2l_event::{Event, EventKind, Facts};
use e2l_ledger::{Call, Limits, StateKey, ValidationCode};
use serde_json::Value;

/// A peer after one block per list of calls; every result must be VALID unless it is asked for.
fn ledger(blocks: Vec<Vec<Call>>) -> Peer {
    let members = Members::new(Limits::default());
    let mut peer = Peer::new(&members);
    let mut orderer = Orderer::new(&members);
    for calls in blocks {
        let batch = orderer.batch(calls);
        let proposal = orderer.propose(&peer, vec![batch]);
        let block = peer.apply(&proposal);
        assert!(
            block
                .results
                .iter()
                .all(|result| result.code == ValidationCode::Valid)
        );
    }
    peer
}

fn sequences(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect()
}

#[test]
fn an_event_comes_back_as_it_was_with_its_provenance() {
    deep(|| {
        let mut sent = event("c1", 1);
        sent.action = "die".into();
        sent.facts = Some(Facts {
            image_digest: Some("sha256:00".into()),
            started_nano: Some(5),
            finished_nano: Some(6),
            exit_code: Some(137),
            oom_killed: Some(true),
        });
        let peer = ledger(vec![
            vec![create_event(&event("c2", 9))],
            vec![create_event(&sent)],
        ]);
        let page = peer.json("eventdb", "getHistory", r#"{"id": "c1"}"#);
        let block = peer.store.view().block(2).unwrap().unwrap();
        let row = &page["events"][0];
        let expected = serde_json::json!({
            "tx_id": block.results[0].id.to_string(),
            "height": 2, "index": 0, "position": 0,
            "type": "container", "action": "die", "actor_id": "c1",
            "attributes": {"image": "alpine"}, "scope": "local",
            "time": sent.time, "time_nano": sent.time_nano, "received_nano": sent.received_nano,
            "block_time_nano": block.header.time_nano,
            "sequence": 1, "observed": "observed",
            "facts": {
                "image_digest": "sha256:00", "started_nano": 5, "finished_nano": 6, "exit_code": 137,
                "oom_killed": true
            },
            "sender": "collector-1", "actor": "provider", "role": "collector",
        });
        assert_eq!(row, &expected);
        assert_eq!((&page["total"], &page["from"]), (&1.into(), &0.into()));
    });
}

#[test]
fn history_is_by_id_and_all_events_are_in_ledger_order() {
    deep(|| {
        let mut number = 0;
        let mut next = |container: &str| {
            number += 1;
            create_event(&event(container, number))
        };
        let peer = ledger(vec![
            vec![next("a"), next("b"), next("a")],
            vec![next("b"), next("a")],
            vec![next("c")],
        ]);
        let history = |id: &str| {
            let page = peer.json("eventdb", "getHistory", &format!(r#"{{"id": "{id}"}}"#));
            assert_eq!(page["total"], sequences(&page).len());
            sequences(&page)
        };
        assert_eq!(history("a"), [1, 3, 5]);
        assert_eq!(history("b"), [2, 4]);
        assert_eq!(history("c"), [6]);
        assert_eq!(history("unknown"), [0; 0]);
        assert_eq!(
            sequences(&peer.json("eventdb", "queryAllEvents", "")),
            [1, 2, 3, 4, 5, 6]
        );
        let places: Vec<(Value, Value)> = peer.json("eventdb", "queryAllEvents", "{}")["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (event["height"].clone(), event["index"].clone()))
            .collect();
        let expected = [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0)];
        assert_eq!(
            places,
            expected.map(|(height, index)| (height.into(), index.into()))
        );
    });
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    deep(|| {
        let events = |from: u64, to: u64| {
            (from..=to)
                .map(|number| create_event(&event("c1", number)))
                .collect()
        };
        let peer = ledger(vec![events(1, 120), events(121, 121), events(122, 250)]);
        for function in ["queryAllEvents", "getHistory"] {
            let id = if function == "getHistory" {
                r#""id": "c1", "#
            } else {
                ""
            };
            for limit in [1000, 100, 51, 50, 49, 7] {
                let mut seen = Vec::new();
                loop {
                    let argument = format!("{{{id}\"from\": {}, \"limit\": {limit}}}", seen.len());
                    let page = peer.json("eventdb", function, &argument);
                    assert_eq!((&page["total"], &page["from"]), (&250.into(), &seen.len().into()));
                    let found = sequences(&page);
                    assert!(found.len() <= limit);
                    if found.is_empty() {
                        break;
                    }
                    assert!(found.len() == limit || seen.len() + found.len() == 250);
                    seen.extend(found);
                }
                assert_eq!(seen, (1..=250).collect::<Vec<u64>>(), "{function} by {limit}");
            }
        }
        assert_eq!(
            sequences(&peer.json("eventdb", "queryAllEvents", "{}")).len(),
            100
        );
        assert_eq!(
            sequences(&peer.json("eventdb", "queryAllEvents", r#"{"from": 249}"#)),
            [250]
        );
        for beyond in ["250", "18446744073709551615"] {
            let argument = format!(r#"{{"from": {beyond}}}"#);
            assert_eq!(
                sequences(&peer.json("eventdb", "queryAllEvents", &argument)),
                [0; 0]
            );
        }
    });
}

#[test]
fn a_page_of_large_events_ends_early_and_goes_on() {
    deep(|| {
        let large = |number| {
            let mut event = event("c1", number);
            event.attributes.insert("label".into(), "x".repeat(200_000));
            vec![create_event(&event)]
        };
        let peer = ledger((1..=12).map(large).collect());
        let mut seen = Vec::new();
        let mut pages = 0;
        while seen.len() < 12 {
            let argument = format!(r#"{{"from": {}, "limit": 1000}}"#, seen.len());
            let page = peer.json("eventdb", "queryAllEvents", &argument);
            assert_eq!(page["total"], 12);
            assert!(!sequences(&page).is_empty());
            seen.extend(sequences(&page));
            pages += 1;
        }
        assert_eq!((seen, pages), ((1..=12).collect::<Vec<u64>>(), 6));
    });
}

#[test]
fn events_that_are_long_as_json_can_be_read() {
    deep(|| {
        // A control character is one byte in an event and six in JSON; a collector decides what it sends.
        let long = |number| {
            let mut event = event("c1", number);
            event.attributes.insert("label".into(), "\u{1}".repeat(250_000));
            create_event(&event)
        };
        let peer = ledger(
            (0..20)
                .map(|block| (1..4).map(|place| long(block * 3 + place)).collect())
                .collect(),
        );
        let mut seen = Vec::new();
        while seen.len() < 60 {
            let argument = format!(r#"{{"id": "c1", "from": {}, "limit": 1000}}"#, seen.len());
            let page = peer.json("eventdb", "getHistory", &argument);
            assert!(!sequences(&page).is_empty());
            seen.extend(sequences(&page));
        }
        assert_eq!(seen, (1..=60).collect::<Vec<u64>>());
    });
}

#[test]
fn what_another_manager_tells_of_a_service_is_a_witnesss_report() {
    deep(|| {
        let service = |action: &str, time_nano: i64, sequence: u64| {
            let mut event = event("s1", sequence);
            event.kind = EventKind::Service;
            event.action = action.into();
            event.time_nano = time_nano;
            create_event(&event)
        };
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let mut orderer = Orderer::new(&members);
        let mut apply = |calls| {
            let batch = orderer.batch(calls);
            let proposal = orderer.propose(&peer, vec![batch]);
            peer.apply(&proposal)
        };
        let block = apply(vec![
            service("create", 10, 1),
            service("update", 10, 2),
            service("update", 11, 3),
            service("update", 11, 4),
        ]);
        let first = block.results[2].id;
        let codes =
            |found: &[(ValidationCode, String)]| found.iter().map(|(code, _)| *code).collect::<Vec<_>>();
        use ValidationCode::{Valid, Witness};
        let found = outcomes(&block);
        assert_eq!(codes(&found), [Valid, Valid, Valid, Witness]);
        assert_eq!(found[3].1, format!("transaction {first} has reported it first"));
        // A removal has no time of the Swarm's; containers are an engine's own.
        let container = create_event(&event("s1", 8));
        let block = apply(vec![
            service("remove", 20, 5),
            service("create", 10, 6),
            service("remove", 21, 7),
            container.clone(),
            container,
        ]);
        assert_eq!(codes(&outcomes(&block)), [Valid, Witness, Witness, Valid, Valid]);
        let history = peer.json("eventdb", "getHistory", r#"{"id": "s1"}"#);
        assert_eq!(sequences(&history), [1, 2, 3, 5, 8, 8]);
    });
}

#[test]
fn nobody_speaks_for_anothers_collector() {
    deep(|| {
        let says = |of: &str, action: &str, kind: EventKind, sequence: u64| {
            let mut event = event(of, sequence);
            event.kind = kind;
            event.action = action.into();
            event
        };
        let own = "provider/collector/collector-1";
        let (gap, beat) = (
            says(own, "gap", EventKind::Collector, 1),
            says(own, "heartbeat", EventKind::Collector, 2),
        );
        let others = says("user/collector/collector-1", "heartbeat", EventKind::Collector, 3);
        let disguised = says("user/collector/collector-1", "start", EventKind::Container, 4);
        // A gap of a container is its collector's to say, and of no collector's history.
        let of_container = says("c1", "heartbeat", EventKind::Collector, 5);
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let mut orderer = Orderer::new(&members);
        let all = [&gap, &beat, &others, &disguised, &of_container];
        let batch = orderer.batch(all.map(create_event).into());
        let proposal = orderer.propose(&peer, vec![batch]);
        let block = peer.apply(&proposal);
        use ValidationCode::{ContractRejected, Valid};
        let found = outcomes(&block);
        let codes = found.iter().map(|(code, _)| *code).collect::<Vec<_>>();
        assert_eq!(codes, [Valid, Valid, ContractRejected, ContractRejected, Valid]);
        assert!(found[2].1.contains("only that collector"), "{}", found[2].1);
        let view = peer.store.view();
        let kept = |of: &str| {
            view.get(&StateKey::value("eventdb", format!("heartbeat/{of}").as_bytes()))
                .unwrap()
        };
        let expected = [block.header.time_nano.to_be_bytes().as_slice(), &beat.encode()].concat();
        assert_eq!(kept(own), Some(expected));
        assert_eq!(kept("user/collector/collector-1").or(kept("c1")), None);
    });
}

#[test]
fn malformed_parameters_are_refused_with_what_is_wrong() {
    deep(|| {
        let good = event("c1", 1);
        let encoded = good.encode();
        let with = |change: fn(&mut Event)| {
            let mut event = good.clone();
            change(&mut event);
            event.encode()
        };
        let cases = [
            (Vec::new(), "it is empty"),
            (b"{}".to_vec(), "version 123 is unknown"),
            (encoded[..encoded.len() - 1].to_vec(), "is not an encoded event"),
            ([encoded.as_slice(), &[0]].concat(), "is not an encoded event"),
            (with(|event| event.actor_id.clear()), "`Actor.ID` is missing"),
            (
                with(|event| event.actor_id = "a".repeat(257)),
                "`Actor.ID` is malformed: 257 bytes",
            ),
            (with(|event| event.actor_id = "a\nb".into()), "control characters"),
            (with(|event| event.action.clear()), "`Action` is missing"),
            (
                with(|event| event.action = "a".repeat(1025)),
                "`Action` is malformed: 1025 bytes",
            ),
            (
                with(|event| event.sequence = 0),
                "`sequence` is malformed: it counts from 1",
            ),
            (with(|event| event.time_nano = 0), "`timeNano` is missing"),
            (with(|event| event.received_nano = -1), "`received` is missing"),
        ];
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let mut orderer = Orderer::new(&members);
        let calls = cases
            .iter()
            .map(|(argument, _)| call("eventdb", "createEvent", argument));
        let calls = calls.chain([call("eventdb", "deleteEvent", &encoded)]).collect();
        let batch = orderer.batch(calls);
        let proposal = orderer.propose(&peer, vec![batch]);
        let found = outcomes(&peer.apply(&proposal));
        let words = cases
            .iter()
            .map(|(_, word)| *word)
            .chain(["there is no function `deleteEvent`"]);
        for ((code, output), word) in found.iter().zip(words) {
            assert_eq!(*code, ValidationCode::ContractRejected, "{word}");
            assert!(output.contains(word), "{output}");
        }
        assert_eq!(found.len(), cases.len() + 1);
        assert_eq!(peer.json("eventdb", "queryAllEvents", "")["total"], 0);
    });
}

#[test]
fn malformed_queries_are_refused_with_what_is_wrong() {
    deep(|| {
        let peer = ledger(vec![vec![create_event(&event("c1", 1))]]);
        for (function, argument, word) in [
            ("getHistory", "", "must be JSON like"),
            ("getHistory", "{}", "missing field `id`"),
            ("getHistory", r#"{"id": 5}"#, "invalid type"),
            ("getHistory", r#"{"id": "c1", "form": 1}"#, "unknown field `form`"),
            ("getHistory", r#"{"id": "c1", "from": -1}"#, "must be JSON like"),
            (
                "getHistory",
                r#"{"id": "c1", "limit": 0}"#,
                "`limit` is 0; it must be from 1 to 1000",
            ),
            ("queryAllEvents", r#"{"limit": 1001}"#, "`limit` is 1001"),
            ("queryAllEvents", "[", "must be JSON like"),
            ("queryAllEvents", r#"{"id": "c1"}"#, "unknown field `id`"),
            (
                "createEvent",
                "{}",
                "there is no function `createEvent` of this kind",
            ),
        ] {
            let error = peer.query("eventdb", function, argument).unwrap_err();
            assert!(error.starts_with("the contract refuses: "), "{error}");
            assert!(error.contains(word), "{function} {argument}: {error}");
        }
    });
}

#[test]
fn an_admin_may_create_events_too() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let orderer = Orderer::new(&members);
        let requests = vec![
            orderer.request(1, 10, create_event(&event("c1", 1))),
            orderer.request(2, 10, create_event(&event("c1", 2))),
        ];
        let proposal = orderer.propose(&peer, requests);
        let block = peer.apply(&proposal);
        assert!(
            block
                .results
                .iter()
                .all(|result| result.code == ValidationCode::Valid)
        );
        let page = peer.json("eventdb", "getHistory", r#"{"id": "c1"}"#);
        assert_eq!(sequences(&page), [1, 2]);
        assert_eq!(page["events"][1]["role"], "admin");
        assert_eq!(page["events"][1]["index"], 1);
    });
}
