//! Blocks of another time.

use super::malicious_peer::now_nano;
use super::stage::{HONEST, Stage};
use e2l_client::wire::StatusReply;
use e2l_ledger::{Canonical, PackedProposal};
use e2l_tests::{PATIENCE, wait_until};

const SECOND: i64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn blocks_dated_before_their_parent_or_after_the_clock_do_not_come_to_be() {
    let mut stage = Stage::set("majority").await;
    let mut story = stage.liar.beginning.clone();
    let batch = stage.batch(0);
    let payload = stage.liar.continue_story(&mut story, batch);
    stage.liar.propose(payload, None);
    let first = |all: &[StatusReply; 2]| all.iter().all(|one| one.final_height == 1);
    stage.until("the first block", PATIENCE, first).await;

    // Before the block below: it is committed, and void on both. Its batch may come again.
    let batch = stage.batch(0);
    let dated_back = stage.liar.sign(&story, story.time_nano - 1, batch.clone());
    let payload = PackedProposal::pack(&dated_back).encode();
    stage.liar.propose(payload.into(), None);
    for actor in HONEST {
        wait_until("it is void", PATIENCE, || {
            let log = stage.network.peer_log(actor);
            log.contains("a committed proposal is void").then_some(())
        });
    }
    assert_eq!(stage.outcome().await.finals, [1, 1]);
    let payload = stage.liar.continue_story(&mut story, batch);
    stage.liar.propose(payload, None);
    let second = |all: &[StatusReply; 2]| all.iter().all(|one| one.final_height == 2);
    stage.until("the second block", PATIENCE, second).await;

    // Further ahead than the clocks may drift: it is not acknowledged, and its leader is heard no more.
    let drift_ms = i64::try_from(stage.members.config().limits.clock_drift_ms).unwrap();
    let batch = stage.batch(1);
    let ahead = now_nano() + drift_ms * 1_000_000 + 60 * SECOND;
    let early = stage.liar.sign(&story, ahead, batch);
    let payload = PackedProposal::pack(&early).encode();
    stage.liar.propose(payload.into(), None);
    for actor in HONEST {
        wait_until("it is refused", PATIENCE, || {
            let log = stage.network.peer_log(actor);
            log.contains("ahead of this peer's clock").then_some(())
        });
    }
    assert_eq!(stage.outcome().await.finals, [2, 2]);
    stage.the_honest_go_on(0).await;
    assert_eq!(stage.outcome().await.finals, [3, 3]);
    stage.nobody_is_convicted();
}
