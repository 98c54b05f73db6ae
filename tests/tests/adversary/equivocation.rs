//! A leader that tells each follower another story, and signs each one's result.

use super::malicious_peer::Story;
use super::stage::{HONEST, NONE, Stage};
use e2l_client::wire::StatusReply;
use e2l_consensus::{MessageKind, forge};
use std::time::{Duration, Instant};

/// How long the honest peers are cut apart.
const CUT: Duration = Duration::from_secs(30);
/// Between two proposals.
const PACE: Duration = Duration::from_millis(200);
/// A bound for a busy machine; what it took is printed.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Two stories: each follower's own collector, so that both are in order.
struct TwoStories([Story; 2]);

impl TwoStories {
    fn begin(stage: &Stage) -> Self {
        Self([stage.liar.beginning.clone(), stage.liar.beginning.clone()])
    }

    /// One more block of each.
    fn go_on(&mut self, stage: &mut Stage) {
        let [one, other] = [0, 1].map(|which| {
            let batch = stage.batch(which);
            stage.liar.continue_story(&mut self.0[which], batch)
        });
        stage.liar.propose(one, Some((HONEST[1], other)));
    }
}

/// An alarm that says that the other was told something else.
fn disputes(status: &StatusReply) -> bool {
    let alarms = &status.alarms;
    alarms
        .iter()
        .any(|alarm| alarm.contains("acknowledgement of height"))
}

/// Both say why they stop, and nothing more becomes final however much is ordered.
async fn finality_has_stopped(stage: &mut Stage, stories: &mut TwoStories) {
    stage
        .until("both alarm", STOPS_WITHIN, |all| all.iter().all(disputes))
        .await;
    let before = stage.outcome().await;
    let applied = stage.status(0).await.applied_height;
    for _ in 0..5 {
        stories.go_on(stage);
    }
    stage
        .until("both execute more", STOPS_WITHIN, |all| {
            all.iter().all(|one| one.applied_height >= applied + 5)
        })
        .await;
    assert_eq!(stage.outcome().await, before);
}

async fn tell_two_stories_to_linked_peers(finality: &str) {
    let mut stage = Stage::set(finality).await;
    let mut stories = TwoStories::begin(&stage);
    for _ in 0..5 {
        stories.go_on(&mut stage);
        tokio::time::sleep(PACE).await;
    }
    finality_has_stopped(&mut stage, &mut stories).await;
    let outcome = stage.outcome().await;
    println!("linked, {finality}: {outcome:?}");
    assert_eq!(outcome.conflicting_finals, NONE, "{outcome:?}");
    let found = stage.only_the_guilty_is_convicted(&HONEST);
    assert!(
        found.contains(&"proposed two blocks at height 1 in term 1".to_owned()),
        "{found:?}"
    );
    stage.the_honest_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_peers_make_nothing_conflicting_final() {
    tell_two_stories_to_linked_peers("majority").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_peers_make_nothing_conflicting_final_under_all() {
    tell_two_stories_to_linked_peers("all").await;
}

/// Returns heights at which the two parts made another block final.
async fn tell_two_stories_to_peers_cut_apart(finality: &str) -> Vec<u64> {
    let mut stage = Stage::set(finality).await;
    let mut stories = TwoStories::begin(&stage);
    stage.cut(true);
    let began = Instant::now();
    while began.elapsed() < CUT {
        stories.go_on(&mut stage);
        tokio::time::sleep(PACE).await;
    }
    let apart = stage.outcome().await;
    assert_eq!(apart.conflicting_sealed, NONE, "{apart:?}");
    stage.cut(false);
    let healed = Instant::now();
    stage
        .until("both alarm", STOPS_WITHIN, |all| all.iter().all(disputes))
        .await;
    println!(
        "cut apart, {finality}: {} heights told twice, {} conflicting finals; finality stopped {} ms after healing",
        stories.0[0].height,
        apart.conflicting_finals.len(),
        healed.elapsed().as_millis()
    );
    finality_has_stopped(&mut stage, &mut stories).await;
    let outcome = stage.outcome().await;
    assert_eq!(outcome.conflicting_sealed, NONE, "{outcome:?}");
    stage.only_the_guilty_is_convicted(&HONEST);
    stage.the_honest_live();
    outcome.conflicting_finals
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_cut_apart_seal_nothing_conflicting_and_convict_the_leader_when_they_meet() {
    let conflicting = tell_two_stories_to_peers_cut_apart("majority").await;
    assert!(
        !conflicting.is_empty(),
        "the attack that the threat model concedes did not come off: this test shows nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_cut_apart_make_nothing_conflicting_final_under_all() {
    assert_eq!(tell_two_stories_to_peers_cut_apart("all").await, NONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_proposal_for_an_entry_that_is_held_convicts_its_leader() {
    let mut stage = Stage::set("majority").await;
    let mut story = stage.liar.beginning.clone();
    let other = stage.batch(1);
    let other = stage.liar.continue_story(&mut story.clone(), other);
    let batch = stage.batch(0);
    let payload = stage.liar.continue_story(&mut story, batch);
    stage.liar.propose(payload, None);
    let has_it = |all: &[StatusReply; 2]| all.iter().all(|one| one.final_height == 1);
    stage.until("both have it", e2l_tests::PATIENCE, has_it).await;
    stage.nobody_is_convicted();

    // The message that brought it, with another proposal in its place.
    let sent = stage.liar.sent_to(HONEST[0]);
    let (_, brought) = sent
        .iter()
        .find(|(kind, body)| {
            *kind == MessageKind::AppendEntries && forge::proposals(body).is_ok_and(|count| count > 0)
        })
        .unwrap();
    let second = forge::replace_proposals(brought, |_| Some(other.clone())).unwrap();
    let me = stage.liar.raft_id;
    let answer = stage
        .liar
        .send(HONEST[0], me, MessageKind::AppendEntries, second)
        .await;
    let status = answer.unwrap_err();
    assert!(
        status.message().contains("its leader tells two stories"),
        "{status}"
    );
    let found = stage.only_the_guilty_is_convicted(&HONEST[..1]);
    assert_eq!(found, ["proposed two blocks at height 1 in term 1"]);
    // The second batch was never ordered: its number is free.
    stage.collectors[1] = stage.members.collector(2, HONEST[0]).unwrap();
    stage.the_honest_go_on(1).await;
}
