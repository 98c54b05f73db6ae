//! Three nodes with real logs: order survives crashes, long absence, and a leader that proposes nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use bytes::Bytes;
use std::sync::atomic::Ordering;
use support::Group;

async fn propose_all(group: &Group, range: std::ops::Range<usize>) {
    for number in range {
        group.propose(&format!("proposal {number}")).await;
    }
}

/// A proposal may be there twice when its leader was lost in between: openraft does not de-duplicate.
fn is_in_order(proposals: &[Bytes]) -> bool {
    let numbers: Vec<usize> = proposals
        .iter()
        .map(|bytes| std::str::from_utf8(bytes).unwrap()[9..].parse().unwrap())
        .collect();
    numbers.is_sorted()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_survives_the_loss_of_the_leader() {
    let mut group = Group::found().await;
    propose_all(&group, 0..10).await;
    let before = group.agreed(10).await;

    let leader = group.leader().await;
    group.stop(leader).await;
    propose_all(&group, 10..20).await;
    let count = group.ledger(group.leader().await).proposals().len();
    let without = group.agreed(count).await;
    assert_eq!(without[..10], before);
    assert!(is_in_order(&without), "{without:?}");

    group.start(leader).await;
    assert_eq!(group.agreed(count).await, without);
    propose_all(&group, 20..21).await;
    let last = group.ledger(group.leader().await).proposals();
    assert_eq!(group.agreed(last.len()).await.last().unwrap(), "proposal 20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stop_and_nothing_is_lost() {
    let mut group = Group::found().await;
    propose_all(&group, 0..30).await;
    let before = group.agreed(30).await;
    for id in group.ids() {
        group.stop(id).await;
    }
    for id in [1, 2, 3] {
        group.start(id).await;
    }
    propose_all(&group, 30..31).await;
    let after = group.agreed(31).await;
    assert_eq!(after[..30], before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_longer_than_the_log_reaches_comes_back_through_a_pointer() {
    let mut group = Group::found().await;
    propose_all(&group, 0..3).await;
    group.agreed(3).await;
    let leader = group.leader().await;
    let away = group.ids().into_iter().find(|id| *id != leader).unwrap();
    group.stop(away).await;
    propose_all(&group, 3..120).await;
    group.start(away).await;
    group.agreed(120).await;
    assert!(
        group.ledger(away).installed.load(Ordering::SeqCst) > 0,
        "the log still held everything: no pointer was needed"
    );
    // It takes part again: with it and without another one there is a majority.
    let other = group.ids().into_iter().find(|id| *id != away).unwrap();
    group.stop(other).await;
    propose_all(&group, 120..140).await;
    let count = group.ledger(group.leader().await).proposals().len();
    assert!(is_in_order(&group.agreed(count).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_proposal_is_refused_is_replaced() {
    let group = Group::found().await;
    propose_all(&group, 0..5).await;
    group.agreed(5).await;
    let bad = group.leader().await;
    group.propose_at(bad, "bad idea");
    support::eventually("another node leads", || async { group.leader().await != bad }).await;
    propose_all(&group, 5..10).await;
    let count = group.ledger(group.leader().await).proposals().len();
    let all = group.agreed(count).await;
    assert!(is_in_order(&all), "what was refused is on a ledger: {all:?}");
}
