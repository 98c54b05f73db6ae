//! An intruder edits what no checksum protects from him. Nothing looks for damage in the background here: each lie must
//! be found by the read that would have told it, be refused, repaired and recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_client::{ClientError, LedgerClient, wire};
use e2l_ledger::{Digest, SignedBatch, StateKey};
use e2l_store::{Intruder, RawRecord};
use e2l_tests::{Members, Network, PATIENCE, TestCollector, event, eventually};
use std::collections::BTreeSet;

const ALTERED: u64 = 2;
const FORGED_HEADER: u64 = 3;
const REDIRECTED: u64 = 4;
const RENUMBERED: u64 = 5;
const PAIR: [u64; 2] = [6, 7];
const BLOCKS: u64 = 9;

/// One batch per block, each about a container of its own, but for a pair.
async fn fill(members: &Members) -> Vec<SignedBatch> {
    let mut collector = members.collector(1, "provider").unwrap();
    let mut batches = Vec::new();
    for height in 1..=BLOCKS {
        let container = match PAIR.contains(&height) {
            true => "pair".to_owned(),
            false => format!("c{height}"),
        };
        let batch = collector.batch(vec![event(&container, &format!("exec-{height}"))]);
        let done = collector
            .client
            .submit(TestCollector::encode(batch.clone()))
            .await;
        assert_eq!(done.unwrap().height, height);
        batches.push(batch);
    }
    members.settled(&Network::actors(), BLOCKS).await.unwrap();
    batches
}

fn record(intruder: &Intruder, column: &str, starts: &[u8]) -> RawRecord {
    let records = intruder.records(column).unwrap();
    let mut found = records
        .into_iter()
        .filter(|record| record.key.starts_with(starts));
    found
        .next()
        .unwrap_or_else(|| panic!("no such record of {column}"))
}

/// Records whose checksums the intruder makes anew, or that have none.
fn tamper(intruder: &Intruder, batches: &[SignedBatch]) {
    intruder.falsify((ALTERED, 0), b"exec-2", b"exec-9").unwrap();

    let mut header = record(intruder, "headers", &FORGED_HEADER.to_be_bytes());
    let at = header.value.len() - 30;
    header.value[at] ^= 1;
    intruder.put_with_checksum(&header).unwrap();

    let id = batches[REDIRECTED as usize - 1].header.transaction_id(0);
    let mut index = record(intruder, "tx_index", &id.0[..16]);
    index.value[..8].copy_from_slice(&1u64.to_be_bytes());
    intruder.put(&index).unwrap();

    let batch = &batches[RENUMBERED as usize - 1];
    let number = batch.header.sequence.to_be_bytes();
    let all = intruder.records("batches").unwrap();
    let mut place = all
        .into_iter()
        .find(|record| record.key.ends_with(&number))
        .unwrap();
    // Behind the checksum its height, and at the end the digest of its header: another statement seems to stand
    // elsewhere.
    let last = place.value.len() - 1;
    place.value[last] ^= 1;
    place.value[8] = 1;
    intruder.put_with_checksum(&place).unwrap();

    let prefix = StateKey::log("eventdb", b"id/pair").hash();
    let entry = |position: u64| {
        let key = [&prefix.0[..16], &position.to_be_bytes()].concat();
        record(intruder, "logs", &key)
    };
    let (one, other) = (entry(0), entry(1));
    for (place, content) in [(&one, &other), (&other, &one)] {
        let swapped = RawRecord {
            value: content.value.clone(),
            ..place.clone()
        };
        intruder.put(&swapped).unwrap();
    }
}

async fn history(client: &LedgerClient, container: &str) -> Result<String, ClientError> {
    let argument = format!(r#"{{"id": "{container}"}}"#);
    let reply = client
        .query("eventdb", "getHistory", argument.into_bytes().into())
        .await?;
    Ok(String::from_utf8(reply.output.to_vec()).unwrap())
}

async fn ancestry(client: &LedgerClient) -> Result<wire::GetAncestryReply, ClientError> {
    let ranges = vec![wire::HeightRange { from: 1, count: 8 }];
    client.ancestry(wire::GetAncestryRequest { ranges }).await
}

fn is_damaged<T>(answer: Result<T, ClientError>) -> bool {
    matches!(answer, Err(ClientError::Damaged { .. }))
}

#[test]
fn what_no_checksum_protects_is_checked_by_the_read_that_needs_it() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = runtime.block_on(fill(&members));
    network.stop_peer("user");
    network.configure_peer("user", |settings| {
        format!("{settings}\n[scrub]\nblocks_per_second = 0\n")
    });
    let home = network.root().join("actors/user/peer");
    let intruder = Intruder::open(&home.join("data/ledger")).unwrap();
    tamper(&intruder, &batches);
    drop(intruder);
    network.start_peer("user");
    let redirected: Digest = batches[REDIRECTED as usize - 1].header.transaction_id(0);

    runtime.block_on(async {
        let user = members.reader("user").unwrap();
        members.settled(&Network::actors(), BLOCKS).await.unwrap();
        // What is beyond the end is the caller's mistake, and no damage.
        let beyond = wire::GetLogPageRequest {
            chaincode: "eventdb".to_owned(),
            log: b"id/c1".to_vec().into(),
            from: 2,
            limit: 1,
        };
        let refused = user.log_page(beyond).await;
        assert!(matches!(refused, Err(ClientError::Invalid { .. })), "{refused:?}");
        assert!(history(&user, "c1").await.unwrap().contains("exec-1"));
        assert!(
            user.incidents(wire::IncidentsRequest::default())
                .await
                .unwrap()
                .incidents
                .is_empty()
        );

        let altered = history(&user, &format!("c{ALTERED}")).await;
        assert!(is_damaged(altered.clone()), "{altered:?}");
        let swapped = history(&user, "pair").await;
        assert!(is_damaged(swapped.clone()), "{swapped:?}");
        let forged = ancestry(&user).await;
        assert!(is_damaged(forged.clone()), "{forged:?}");
        let elsewhere = user.receipt(&redirected).await;
        assert!(is_damaged(elsewhere.clone()), "{elsewhere:?}");
        // The collector's honest batch is no contradiction, whatever the index says.
        let identity = members.identity("provider", e2l_ledger::Role::Collector, "collector-1");
        let collector = members.only(&identity.unwrap(), "user").unwrap();
        let again = TestCollector::encode(batches[RENUMBERED as usize - 1].clone());
        assert_eq!(collector.submit(again.clone()).await.unwrap().height, RENUMBERED);

        let named: BTreeSet<String> = [
            // Neighbours, found one after the other: one incident.
            format!("blocks {ALTERED} to {FORGED_HEADER}"),
            format!("index entry of transaction {redirected}"),
            format!("index of block {RENUMBERED}"),
            "log id/pair".to_owned(),
        ]
        .into();
        eventually("everything is repaired", PATIENCE, || async {
            let found = user.incidents(wire::IncidentsRequest::default()).await?.incidents;
            let repaired = found.iter().filter(|incident| !incident.repaired_from.is_empty());
            let what: BTreeSet<String> = repaired.map(|incident| incident.what.clone()).collect();
            anyhow::ensure!(what == named, "{what:?}");
            anyhow::ensure!(found.iter().all(|incident| incident.found_by == "read"));
            anyhow::ensure!(found.len() == named.len(), "{found:?}");
            Ok(())
        })
        .await
        .unwrap();
        let truth = history(&user, &format!("c{ALTERED}")).await.unwrap();
        assert!(truth.contains("exec-2"), "{truth}");
        let (pair, known) = (
            history(&user, "pair").await.unwrap(),
            history(&members.reader("provider").unwrap(), "pair")
                .await
                .unwrap(),
        );
        assert_eq!(pair, known);
        ancestry(&user).await.unwrap();
        user.receipt(&redirected).await.unwrap();
        assert_eq!(collector.submit(again).await.unwrap().height, RENUMBERED);
        assert!(user.evidence().await.unwrap().evidence.is_empty());
        assert_eq!(
            user.incidents(wire::IncidentsRequest::default())
                .await
                .unwrap()
                .incidents
                .len(),
            named.len()
        );
    });
}

#[test]
fn a_query_is_answered_as_of_the_height_that_is_asked_for() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        fill(&members).await;
        for actor in Network::actors() {
            let reader = members.reader(actor).unwrap();
            for at_height in [0, BLOCKS, PAIR[0]] {
                let request = wire::QueryRequest {
                    chaincode: "eventdb".to_owned(),
                    function: "getHistory".to_owned(),
                    argument: br#"{"id": "pair"}"#.to_vec().into(),
                    at_height,
                };
                let reply = reader.query_with(request).await.unwrap();
                let height = if at_height == 0 { BLOCKS } else { at_height };
                assert_eq!(reply.height, height);
                let block = reader.block(height).await.unwrap().block;
                let block = <e2l_ledger::Block as e2l_ledger::Canonical>::decode(&block).unwrap();
                assert_eq!(reply.header, block.header.digest().0.to_vec());
                let page: serde_json::Value = serde_json::from_slice(&reply.output).unwrap();
                assert_eq!(page["total"], if height == PAIR[0] { 1 } else { 2 });
            }
            let future = wire::QueryRequest {
                chaincode: "eventdb".to_owned(),
                function: "queryAllEvents".to_owned(),
                at_height: BLOCKS + 1,
                ..wire::QueryRequest::default()
            };
            let refused = reader.query_with(future).await.unwrap_err();
            assert!(refused.is_transient(), "{refused}");
        }
    });
}
