//! A leader that keeps back what it should pass on.

use super::stage::{HONEST, Stage};
use e2l_client::wire::StatusReply;
use e2l_tests::{PATIENCE, event};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_leader_shows_to_one_follower_alone_reaches_the_other_without_it() {
    let mut stage = Stage::set("majority").await;
    let mut story = stage.liar.beginning.clone();
    stage.liar.be_silent_to(HONEST[1]);
    for _ in 0..3 {
        let batch = stage.batch(0);
        let payload = stage.liar.continue_story(&mut story, batch);
        stage.liar.propose(payload, None);
    }
    // The other one acknowledges nothing, and is left behind after a second.
    let alone = |all: &[StatusReply; 2]| all[0].final_height == 3 && all[1].applied_height == 0;
    stage.until("one has it", PATIENCE, alone).await;
    let outcome = stage.outcome().await;
    assert_eq!(
        outcome.sealed,
        [0, 0],
        "one actor has endorsed nothing: {outcome:?}"
    );
    stage.the_honest_go_on(0).await;
    assert_eq!(stage.status(1).await.transactions, 4);
    stage.nobody_is_convicted();
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_a_leader_keeps_back_wait_until_another_leads() {
    let mut stage = Stage::set("majority").await;
    let mut kept_back = stage.collectors[1].clone();
    let waiting = tokio::spawn(async move { kept_back.submit(vec![event("db", "start")]).await });
    // It has reached the leader, which orders the other collector's batches alone.
    let held = e2l_tests::eventually("the leader holds it", PATIENCE, || async {
        let held = stage.liar.take_forwarded();
        anyhow::ensure!(!held.is_empty(), "nothing was forwarded");
        Ok(held)
    });
    assert_eq!(held.await.unwrap().len(), 1);
    let mut story = stage.liar.beginning.clone();
    for _ in 0..3 {
        let batch = stage.batch(0);
        let payload = stage.liar.continue_story(&mut story, batch);
        stage.liar.propose(payload, None);
    }
    let others = |all: &[StatusReply; 2]| all.iter().all(|one| one.final_height == 3);
    stage.until("the others are final", PATIENCE, others).await;
    // It is seen to wait.
    assert_eq!(stage.status(0).await.pool_envelopes, 1);
    stage.liar.stop().await;
    let answer = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert_eq!(answer.unwrap().unwrap().unwrap().height, 4);
    stage.the_honest_go_on(0).await;
    stage.nobody_is_convicted();
}
