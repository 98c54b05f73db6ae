//! Blocks of hostile and honest calls: every transaction has its own code, and two peers agree on every byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::members::Members;
use common::peer::{Orderer, Peer, Shelf, apply_alike, executor, outcomes};
use common::{call, contracts, count, create_event, deep, event, hostile};
use e2l_execution::ExecutionError;
use e2l_ledger::{Call, Digest, Envelope, InspectedProposal, Limits, Signer, StateKey, ValidationCode};
use std::sync::Arc;

/// Every way to fail, with the code that it gets.
fn hostile_calls() -> Vec<(Call, ValidationCode)> {
    vec![
        (hostile("loop", ""), ValidationCode::OutOfFuel),
        (hostile("bomb", ""), ValidationCode::OutOfMemory),
        (hostile("grow", "60000"), ValidationCode::OutOfMemory),
        (hostile("recurse", "10000000"), ValidationCode::StackOverflow),
        (hostile("panic", ""), ValidationCode::Trapped),
        (hostile("oversized", "65537"), ValidationCode::OutputTooLarge),
        (hostile("many-writes", "254"), ValidationCode::WriteLimit),
        (hostile("many-bytes", "1048576"), ValidationCode::WriteLimit),
        (hostile("long-key", "1025"), ValidationCode::IllegalAccess),
        (hostile("beyond-argument", "x"), ValidationCode::IllegalAccess),
        (hostile("reject", "no"), ValidationCode::ContractRejected),
        (
            call("eventdb", "createEvent", b"junk"),
            ValidationCode::ContractRejected,
        ),
        (call("nowhere", "count", b""), ValidationCode::ExpiredChaincode),
    ]
}

fn two_peers(members: &Members) -> [Peer; 2] {
    [Peer::new(members), Peer::new(members)]
}

#[test]
fn each_hostile_call_has_its_code_between_valid_neighbours_on_two_peers() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peers = two_peers(&members);
        let mut orderer = Orderer::new(&members);
        let (mut calls, mut expected) = (vec![count()], vec![ValidationCode::Valid]);
        for (number, (hostile, code)) in (1..).zip(hostile_calls()) {
            calls.extend([hostile, count(), create_event(&event("c1", number))]);
            expected.extend([code, ValidationCode::Valid, ValidationCode::Valid]);
        }
        let hostile = hostile_calls().len() as u64;
        // Once with many in a block, and once with each in a block and a session of its own.
        let batch = orderer.batch(calls.clone());
        let proposal = orderer.propose(&peers[0], vec![batch]);
        let together = outcomes(&apply_alike(&mut peers, &proposal));
        let codes: Vec<ValidationCode> = together.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, expected);
        for (number, position) in (1..).zip((0..calls.len()).filter(|place| calls[*place] == count())) {
            assert_eq!(
                together[position].1,
                number.to_string(),
                "a neighbour left a write"
            );
        }
        for (code, output) in &together {
            assert!(
                *code == ValidationCode::Valid || !output.is_empty(),
                "{code} without a reason"
            );
        }
        for ((call, code), (found, output)) in calls.into_iter().zip(expected).zip(&together) {
            if code == ValidationCode::Valid {
                continue;
            }
            let batch = orderer.batch(vec![call]);
            let proposal = orderer.propose(&peers[0], vec![batch]);
            let alone = outcomes(&apply_alike(&mut peers, &proposal));
            assert_eq!(alone, [(*found, output.clone())]);
        }
        for peer in &peers {
            assert_eq!(
                peer.query("hostile", "count", "").unwrap(),
                (hostile + 1).to_string()
            );
            assert_eq!(peer.json("eventdb", "queryAllEvents", "")["total"], hostile);
        }
    });
}

#[test]
fn memory_of_a_call_reaches_no_other_verdict_in_its_block() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peers = two_peers(&members);
        let mut orderer = Orderer::new(&members);
        let mut calls = Vec::new();
        for manner in ["trap", "reject", "loop", "bomb"] {
            calls.extend([hostile("taint", ""), hostile("touchy", manner)]);
        }
        let batch = orderer.batch(calls);
        let proposal = orderer.propose(&peers[0], vec![batch]);
        let block = apply_alike(&mut peers, &proposal);
        assert!(
            block
                .results
                .iter()
                .all(|result| result.code == ValidationCode::Valid)
        );
        assert_eq!(peers[1].query("hostile", "count", "").unwrap(), "4");
        // Nor the next block.
        let batch = orderer.batch(vec![hostile("taint", "")]);
        let proposal = orderer.propose(&peers[0], vec![batch]);
        apply_alike(&mut peers, &proposal);
        let batch = orderer.batch(vec![hostile("touchy", "say so")]);
        let proposal = orderer.propose(&peers[0], vec![batch]);
        let block = apply_alike(&mut peers, &proposal);
        assert_eq!(outcomes(&block), [(ValidationCode::Valid, "5".to_owned())]);
    });
}

#[test]
fn a_restarted_peer_stays_with_the_others() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peers = two_peers(&members);
        let mut orderer = Orderer::new(&members);
        for round in 0..3 {
            let calls = vec![
                count(),
                hostile("panic", ""),
                create_event(&event("c1", round + 1)),
                count(),
            ];
            let batch = orderer.batch(calls);
            let proposal = orderer.propose(&peers[0], vec![batch]);
            apply_alike(&mut peers, &proposal);
            peers[1].restart();
        }
        assert_eq!(peers[1].query("hostile", "count", "").unwrap(), "6");
    });
}

#[test]
fn a_hostile_query_harms_nothing() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peers = two_peers(&members);
        let mut orderer = Orderer::new(&members);
        let batch = orderer.batch(vec![count()]);
        let proposal = orderer.propose(&peers[0], vec![batch]);
        let block = apply_alike(&mut peers, &proposal);
        for (function, argument, expected) in [
            ("bomb", "", "OutOfMemory"),
            ("recurse", "10000000", "StackOverflow"),
            ("panic", "", "Trapped"),
            ("oversized", "4194305", "OutputTooLarge"),
            ("loop", "", "OutOfFuel"),
            ("put", "", "IllegalAccess"),
            ("delete", "", "IllegalAccess"),
            ("append", "", "IllegalAccess"),
            ("append-argument", "", "IllegalAccess"),
            ("reject", "because", "the contract refuses: because"),
            ("nothing", "", "there is no query `nothing`"),
        ] {
            let error = peers[0].query("hostile", function, argument).unwrap_err();
            assert!(error.contains(expected), "{function}: {error}");
            assert_eq!(peers[0].query("hostile", "count", "").unwrap(), "1");
        }
        let error = peers[0].query("nowhere", "count", "").unwrap_err();
        assert!(error.contains("no chaincode `nowhere` is active"), "{error}");
        // The ledger is what it was, and goes on.
        assert_eq!(peers[0].store.tip().unwrap().header, block.header);
        let batch = orderer.batch(vec![count()]);
        let proposal = orderer.propose(&peers[0], vec![batch]);
        assert_eq!(outcomes(&apply_alike(&mut peers, &proposal))[0].1, "2");
    });
}

#[test]
fn envelopes_are_judged_one_by_one() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peers = two_peers(&members);
        let mut orderer = Orderer::new(&members);
        let first = orderer.batch(vec![count()]);
        let header_digest = first.signed_digest();
        let gap = Envelope::Batch(orderer.batch_by(&members.collector, 5, header_digest, vec![count()]));
        let forged = Envelope::Batch(orderer.batch_by(&members.stranger, 1, Digest::ZERO, vec![count()]));
        let client = Envelope::Batch(orderer.batch_by(&members.admin, 1, Digest::ZERO, vec![count()]));
        let Envelope::Batch(mut altered) = orderer.batch(vec![count()]) else {
            panic!("a batch")
        };
        altered.calls[0].function = "loop".into();
        let second = orderer.batch_by(&members.collector, 2, header_digest, vec![count()]);
        let envelopes = vec![
            first.clone(),
            first,
            gap,
            forged,
            client,
            Envelope::Batch(altered),
            Envelope::Batch(second),
            orderer.request(1, 10, count()),
            orderer.request(1, 10, count()),
            orderer.request(2, 0, count()),
            orderer.request(3, 1_000_000, count()),
        ];
        let proposal = orderer.propose(&peers[0], envelopes);
        let block = apply_alike(&mut peers, &proposal);
        let codes: Vec<ValidationCode> = block.results.iter().map(|result| result.code).collect();
        assert_eq!(
            codes,
            [
                ValidationCode::Valid,
                ValidationCode::DuplicateTxid,
                ValidationCode::SequenceGap,
                ValidationCode::BadCreatorSignature,
                ValidationCode::RoleNotAllowed,
                ValidationCode::BadPayload,
                ValidationCode::Valid,
                ValidationCode::Valid,
                ValidationCode::DuplicateTxid,
                ValidationCode::Expired,
                ValidationCode::BadPayload,
            ]
        );
        assert_eq!(peers[0].query("hostile", "count", "").unwrap(), "3");
        let stranger = StateKey::certificate(&members.stranger.certificate().digest());
        assert_eq!(peers[0].store.view().get(&stranger).unwrap(), None);
    });
}

#[test]
fn limits_are_those_of_the_configuration() {
    deep(|| {
        let members = Members::new(Limits {
            output_max_bytes: 1000,
            writes_per_call: 10,
            contract_memory_bytes: 4 << 20,
            fuel_per_call: 1_000_000,
            ..Limits::default()
        });
        let mut peers = two_peers(&members);
        let mut orderer = Orderer::new(&members);
        let batch = orderer.batch(vec![
            hostile("oversized", "1000"),
            hostile("oversized", "1001"),
            hostile("many-writes", "7"),
            hostile("many-writes", "8"),
            hostile("grow", "30"),
            hostile("grow", "64"),
            hostile("spend", "100"),
            hostile("spend", "5000"),
        ]);
        let proposal = orderer.propose(&peers[0], vec![batch]);
        let block = apply_alike(&mut peers, &proposal);
        let codes: Vec<ValidationCode> = block.results.iter().map(|result| result.code).collect();
        use ValidationCode::{OutOfFuel, OutOfMemory, OutputTooLarge, Valid, WriteLimit};
        let expected = [
            Valid,
            OutputTooLarge,
            Valid,
            WriteLimit,
            Valid,
            OutOfMemory,
            Valid,
            OutOfFuel,
        ];
        assert_eq!(codes, expected);
        assert!(block.results.iter().all(|result| result.fuel <= 1_000_000));
    });
}

#[test]
fn a_peer_without_the_component_stops_and_says_which() {
    deep(|| {
        let members = Members::new(Limits::default());
        let peer = Peer::new(&members);
        let config = &members.genesis.config;
        let (name, digest, bytes) = &contracts()[1];

        let mut shelf = Shelf::full();
        shelf.0.remove(digest);
        let error = executor(&peer.store, shelf)
            .prepare(config, &peer.store.view())
            .unwrap_err();
        assert!(error.to_string().contains(&format!("{digest}.wasm")), "{error}");
        assert!(matches!(error, ExecutionError::MissingComponent { name: found, .. } if found == *name));

        let mut shelf = Shelf::full();
        shelf.0.insert(*digest, bytes[1..].to_vec());
        let error = executor(&peer.store, shelf)
            .prepare(config, &peer.store.view())
            .unwrap_err();
        assert!(matches!(error, ExecutionError::WrongComponent { name: found, .. } if found == *name));

        executor(&peer.store, Shelf::full())
            .prepare(config, &peer.store.view())
            .unwrap();
    });
}

#[test]
fn a_chaincode_that_is_not_admissible_stops_the_peer() {
    deep(|| {
        let mut members = Members::new(Limits::default());
        let junk = b"no component".to_vec();
        let digest = e2l_ledger::Domain::Chaincode.hash(&junk);
        members.genesis.config.chaincodes[1].digest = digest;
        let peer = Peer::new(&members);
        let mut shelf = Shelf::full();
        shelf.0.insert(digest, junk);
        let error = executor(&peer.store, shelf)
            .prepare(&members.genesis.config, &peer.store.view())
            .unwrap_err();
        assert!(matches!(error, ExecutionError::Admission { .. }), "{error}");
    });
}

#[test]
fn a_state_that_does_not_hash_to_the_header_is_refused() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let mut orderer = Orderer::new(&members);
        let batch = orderer.batch(vec![count()]);
        let proposal = orderer.propose(&peer, vec![batch]);
        let tip = peer.store.tip().unwrap();
        let config = &members.genesis.config;
        let view = Arc::new(peer.store.view());
        let mut done = peer
            .executor
            .execute(InspectedProposal::of(proposal), &tip.header, config, view)
            .unwrap();
        // A disk, or its owner, changes one value.
        let value = StateKey::value("hostile", b"count");
        for (key, found) in &mut done.writes.state {
            if *key == value {
                *found = Some(b"2".to_vec());
            }
        }
        let write = e2l_store::BlockWrite {
            block: &done.block,
            state: done.writes.state,
            logs: done.writes.logs,
            packed: Vec::new(),
            raft_applied: b"applied",
            acknowledges: false,
            endorsement: None,
        };
        peer.store.write_block(&write).unwrap();
        let runtime = Arc::new(e2l_runtime::Runtime::new().unwrap());
        let opened = e2l_execution::Executor::new(
            &peer.store,
            runtime,
            Arc::new(Shelf::full()),
            Arc::new(e2l_execution::SignatureCache::default()),
        );
        assert!(matches!(
            opened.err(),
            Some(ExecutionError::StateRoot { height: 1, .. })
        ));
    });
}

#[test]
fn a_state_that_lacks_a_key_has_too_few() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut peer = Peer::new(&members);
        let mut orderer = Orderer::new(&members);
        let batch = orderer.batch(vec![count()]);
        let proposal = orderer.propose(&peer, vec![batch]);
        let tip = peer.store.tip().unwrap();
        let config = &members.genesis.config;
        let view = Arc::new(peer.store.view());
        let mut done = peer
            .executor
            .execute(InspectedProposal::of(proposal), &tip.header, config, view)
            .unwrap();
        // A disk, or its owner, loses one value.
        let value = StateKey::value("hostile", b"count");
        done.writes.state.retain(|(key, _)| *key != value);
        let write = e2l_store::BlockWrite {
            block: &done.block,
            state: done.writes.state,
            logs: done.writes.logs,
            packed: Vec::new(),
            raft_applied: b"applied",
            acknowledges: false,
            endorsement: None,
        };
        peer.store.write_block(&write).unwrap();
        let view = peer.store.view();
        let mut after = None;
        while let Some(last) = peer.executor.check_state(&view, after.as_ref(), 2).unwrap() {
            after = Some(last);
        }
        let (mut after, mut found) = (None, 0);
        while let (Some(last), count) = view.count_state(after.as_ref(), 2).unwrap() {
            found += count;
            after = Some(last);
        }
        assert_eq!(
            found + 1,
            peer.executor.state_keys(),
            "all that is there is right"
        );
    });
}
