//! A leader that tells each follower another story, and signs each one's result.

use super::malicious_peer::Story;
use super::stage::{HONEST, NONE, Stage};
use e2l_client::wire::StatusReply;
use e2l_consensus::{MessageKind, forge};
use e2l_tests::{PATIENCE, eventually};
use std::time::{Duration, Instant};

/// How long the honest peers are cut apart.
const CUT: Duration = Duration::from_secs(30);
/// Between two proposals.
const PACE: Duration = Duration::from_millis(200);
/// How long finality may go on after the two hear each other again.
const BAR: Duration = Duration::from_secs(1);
/// What looking may take on a busy machine: a status of each peer, over TLS.
const SLACK: Duration = Duration::from_millis(500);
/// What executing a few blocks may take.
const EXECUTES_WITHIN: Duration = Duration::from_secs(30);
/// Blocks of the longer story: more than a peer's newest votes reach down.
const FAR: u64 = 300;

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
        .until("both alarm", EXECUTES_WITHIN, |all| all.iter().all(disputes))
        .await;
    let before = stage.outcome().await;
    let applied = stage.status(0).await.applied_height;
    for _ in 0..5 {
        stories.go_on(stage);
    }
    stage
        .until("both execute more", EXECUTES_WITHIN, |all| {
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

/// Lets the two hear each other, and measures how long it takes until both have stopped.
async fn both_stop_after_healing(stage: &Stage) -> Duration {
    stage.cut(false);
    let healed = Instant::now();
    stage
        .until("both have stopped", BAR + SLACK, |all| all.iter().all(disputes))
        .await;
    healed.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_cut_apart_stop_when_they_meet_however_far_apart_they_are() {
    let mut stage = Stage::set("majority").await;
    stage.cut(true);
    let (mut long, mut short) = (stage.liar.beginning.clone(), stage.liar.beginning.clone());
    let batch = stage.batch(1);
    let alone = stage.liar.continue_story(&mut short, batch);
    // One is told a block after the other, the other the same one again and again, of which no second block comes.
    for told in 1..=FAR {
        let batch = stage.batch(0);
        let next = stage.liar.continue_story(&mut long, batch);
        stage.liar.propose(next, Some((HONEST[1], alone.clone())));
        if told % 20 == 0 {
            let far = |all: &[StatusReply; 2]| all[0].final_height >= told;
            stage.until("the longer story grows", PATIENCE, far).await;
        }
    }
    let apart = |all: &[StatusReply; 2]| (all[0].final_height, all[1].final_height) == (FAR, 1);
    stage.until("each has its story", PATIENCE, apart).await;

    let took = both_stop_after_healing(&stage).await;
    println!(
        "{FAR} blocks and 1: finality stopped {} ms after healing",
        took.as_millis()
    );
    let stopped = stage.outcome().await;
    assert_eq!(stopped.conflicting_sealed, NONE, "{stopped:?}");
    // Both stories go on, and neither peer makes more of its own final.
    for _ in 0..5 {
        let (one, other) = (stage.batch(0), stage.batch(1));
        let one = stage.liar.continue_story(&mut long, one);
        let other = stage.liar.continue_story(&mut short, other);
        stage.liar.propose(one, Some((HONEST[1], other)));
    }
    let more = |all: &[StatusReply; 2]| (all[0].applied_height, all[1].applied_height) == (FAR + 5, 6);
    stage.until("both execute more", EXECUTES_WITHIN, more).await;
    assert_eq!(stage.outcome().await.finals, stopped.finals);
    let found = stage.only_the_guilty_is_convicted(&HONEST);
    assert!(
        found.contains(&"proposed two blocks at height 1 in term 1".to_owned()),
        "{found:?}"
    );
    stage.the_honest_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn finality_that_has_stopped_stays_so_after_a_restart_until_the_operator_decides() {
    let mut stage = Stage::set("majority").await;
    let mut stories = TwoStories::begin(&stage);
    stories.go_on(&mut stage);
    finality_has_stopped(&mut stage, &mut stories).await;
    let says = |status: &StatusReply| {
        let alarm = status
            .alarms
            .iter()
            .find(|alarm| alarm.contains("--accept-dispute"));
        alarm.cloned()
    };
    let alarm = says(&stage.status(0).await).unwrap();
    let height = alarm.split("of height ").nth(1).unwrap();
    let height: String = height.chars().take_while(char::is_ascii_digit).collect();
    let stopped = stage.status(0).await.final_height;

    // Nobody is there to say it again.
    stage.network.stop_peer(HONEST[1]);
    stage.network.stop_peer(HONEST[0]);
    let error = stage
        .network
        .try_start_peer(HONEST[0], &["--accept-dispute", "999999"])
        .unwrap_err();
    assert!(
        error.contains("there is no dispute about height 999999"),
        "{error}"
    );
    stage.network.start_peer(HONEST[0]);
    let status = stage.status(0).await;
    assert_eq!(says(&status), Some(alarm.clone()));
    assert_eq!(status.final_height, stopped);

    stage.network.stop_peer(HONEST[0]);
    stage
        .network
        .try_start_peer(HONEST[0], &["--accept-dispute", &height])
        .unwrap();
    let goes_on = || async {
        let status = stage.status(0).await;
        anyhow::ensure!(
            status.final_height > stopped && says(&status).is_none(),
            "{status:?}"
        );
        Ok(())
    };
    eventually("it goes on on its own chain", PATIENCE, goes_on)
        .await
        .unwrap();
    let incidents = stage.network.json(HONEST[0], &["incidents"]).to_string();
    assert!(
        incidents.contains("dispute with user") && incidents.contains("operator"),
        "{incidents}"
    );
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
    let took = both_stop_after_healing(&stage).await;
    println!(
        "cut apart, {finality}: {} heights told twice, {} conflicting finals; finality stopped {} ms after healing",
        stories.0[0].height,
        apart.conflicting_finals.len(),
        took.as_millis()
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
