//! A peer that takes every question for blocks and never answers: the others are asked.

use super::stage::{HONEST, Stage};
use e2l_client::wire::StatusReply;
use e2l_store::Intruder;
use e2l_tests::{PATIENCE, wait_until};
use serde_json::Value;

/// What happened to the ledger of an actor's peer.
fn incidents(stage: &Stage, actor: &str) -> Vec<Value> {
    let list = stage.network.json(actor, &["incidents"]);
    list.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_answers_holds_up_neither_a_repair_nor_a_restore() {
    let mut stage = Stage::set("majority").await;
    let mut story = stage.liar.beginning.clone();
    for _ in 0..3 {
        let batch = stage.batch(0);
        let payload = stage.liar.continue_story(&mut story, batch);
        stage.liar.propose(payload, None);
    }
    let stands = |all: &[StatusReply; 2]| all.iter().all(|one| one.sealed_height == 3);
    stage.until("all have endorsed", PATIENCE, stands).await;

    // The malicious peer is the first that is asked.
    let [other, victim] = HONEST;
    assert!(stage.liar.raft_id < stage.liar.raft_id_of(other));
    stage.liar.stall();
    let ledger = stage.members.home(victim, "peer").join("data/ledger");
    stage.network.stop_peer(victim);
    let intruder = Intruder::open(&ledger).unwrap();
    let mut record = intruder.records("blocks").unwrap().remove(0);
    *record.value.last_mut().unwrap() ^= 1;
    intruder.put(&record).unwrap();
    drop(intruder);
    stage.network.start_peer(victim);
    wait_until("the block is repaired", PATIENCE, || {
        let found = incidents(&stage, victim);
        found
            .iter()
            .any(|one| one["repaired_from"] == other)
            .then_some(())
    });

    stage.network.stop_peer(victim);
    Intruder::open(&ledger).unwrap().drop_column("state").unwrap();
    stage.network.start_peer(victim);
    let found = incidents(&stage, victim);
    assert_eq!(
        found.len(),
        2,
        "the incident of before is not forgotten: {found:?}"
    );
    let restored = |one: &Value| one["what"] == "ledger" && one["repaired_from"] == other;
    assert!(found.iter().any(restored), "{found:?}");
    stage.until("all have endorsed", PATIENCE, stands).await;
    stage.the_honest_live();
}
