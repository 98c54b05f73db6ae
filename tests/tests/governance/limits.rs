//! Limits and windows: what they do once they are in force.

use super::steps::{approve, wait_until_active};
use e2l_ledger::Block;
use e2l_tests::{Load, Members, Network, event};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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
    let id = network.run("user", &["proposal", "create", "limits", &limit]);
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
    let id = network.run("provider", &created);
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
        let shown = network.run("user", &["history", container]);
        assert_eq!(shown.contains("late by 3"), late, "{shown}");
    }
}

/// What `block_timeout_ms` becomes: a transaction waits so long for its block to fill. Before, and unless it is set, a block
/// is cut as soon as those before it are final.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Nanoseconds that lie between two blocks then, at the least: block times are the leader's wall clock, which may be put
/// right meanwhile.
const APART: i64 = 1_900_000_000;

/// Nanoseconds from the block below to each of these but the first, by their headers.
fn times_between(blocks: &[Block]) -> Vec<(&Block, i64)> {
    let pairs = blocks.iter().zip(blocks.iter().skip(1));
    let times = pairs.map(|(below, block)| (block, block.header.time_nano - below.header.time_nano));
    times.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_wait_as_long_as_block_timeout_says() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut collector = members.collector(1, "provider").unwrap();
    // One after the other, each in a block of its own: the last block is final when the next event comes.
    let mut unset = 0;
    for number in 0..20 {
        let one = event(&format!("before-{number}"), "start");
        unset = collector.submit(vec![one]).await.unwrap().height;
    }
    let limits = [
        format!("block_timeout_ms={}", TIMEOUT.as_millis()),
        format!("block_max_transactions={BLOCK}"),
    ];
    let created = ["proposal", "create", "limits", &limits[0], &limits[1]];
    let id = network.run("provider", &created);
    approve(&network, &["developer", "user"], &id);
    let shown = network.json("developer", &["proposal", "show", &id]);
    let from = shown["outcome"]["from_height"].as_u64().unwrap();
    members.settled(&Network::actors(), from - 1).await.unwrap();

    // The same again.
    for number in 0..3 {
        let began = Instant::now();
        let one = event(&format!("after-{number}"), "start");
        let answer = collector.submit(vec![one]).await.unwrap();
        assert!(answer.height >= from);
        let took = began.elapsed();
        assert!(took >= TIMEOUT, "it was in a block after {took:?}");
    }
    // Several that wait share a block.
    let (collector, few) = Load::start(collector, 1, 24).finish().await.unwrap();
    let heights: BTreeSet<u64> = few.iter().map(|receipt| receipt.answer.height).collect();
    assert!(heights.len() < few.len(), "{heights:?}");
    // Blocks that are full wait for nothing.
    let (_, many) = Load::start(collector, BATCH, 16).finish().await.unwrap();

    let ledger = members.same_ledgers(&Network::actors(), from).await.unwrap();
    ledger.check_receipts(&few).unwrap();
    ledger.check_receipts(&many).unwrap();
    let before = times_between(&ledger.blocks[..usize::try_from(unset).unwrap()]);
    // With the last block below them: they came after it.
    let after = times_between(&ledger.blocks[usize::try_from(from).unwrap() - 2..]);
    let (full, waited): (Vec<_>, Vec<_>) = after
        .into_iter()
        .partition(|(block, _)| block.proposal.transactions() == BLOCK);
    let shortest = |times: &[(&Block, i64)]| times.iter().map(|(_, nanos)| *nanos).min().unwrap();
    let (before, full, waited) = (shortest(&before), shortest(&full), shortest(&waited));
    println!(
        "shortest times between blocks, ns: before {before}, then {waited}, and {full} if they are full"
    );
    assert!(waited >= APART, "{waited} ns between two blocks");
    assert!(2 * before < waited, "they were so far apart before: {before} ns");
    assert!(2 * full < waited, "a full block has waited: {full} ns");
}
