//! When a peer that was started may take part in ordering. Its Raft log and vote are promises to the others: if it
//! may have lost any of them, it follows without voting until it holds again all that was committed with its help
//! (docs/decisions/0013-rejoin.md).

use crate::incident::Incident;
use crate::links::Links;
use crate::node::Node;
use crate::standing::{Standing, ask_all, ask_until, majority_of_others};
use crate::votes_in::now_nano;
use e2l_consensus::{ConsensusError, Participation, RaftNode};
use e2l_ledger::Vote;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Pause before the others are asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long all the others are waited for at a start; then a majority is enough. Longer than an answer may take, and short
/// enough for a network in which one peer is down.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause before those that were not heard are asked again.
const LATE_PAUSE: Duration = Duration::from_secs(1);

/// Pause before a founder looks again whether others vote, and how often it does.
const FOUNDING_PAUSE: Duration = Duration::from_millis(20);
const FOUNDING_TRIES: usize = 100;

/// Finds out whether this peer's log is the one it had, and lets it take part; returns when it votes and all the others
/// have been heard. Who does not answer for a while is not waited for, and compared with when it does.
///
/// # Errors
/// The log or the ledger cannot be written.
pub async fn take_part(
    node: Arc<Node>,
    raft: Arc<RaftNode>,
    links: Arc<Links>,
    rejoining: bool,
) -> Result<(), ConsensusError> {
    let answers = ask_until(&node, &links, PATIENCE).await;
    let lost = compare(&node, &raft, &answers)?;
    if rejoining || lost {
        follow_until_whole(&node, &raft, &links).await?;
    }
    raft.participate(Participation::Voting)?;
    wait_for_voters(&node, &raft, &links).await;
    raft.initialize().await?;
    hear_the_late(&node, &raft, &links, &answers).await
}

/// Remembers what others show that this peer has signed; says whether it has lost anything.
fn compare(node: &Node, raft: &RaftNode, answers: &[Standing]) -> Result<bool, ConsensusError> {
    let lost = what_is_lost(node, raft, answers);
    for vote in answers.iter().flat_map(|answer| &answer.own_votes) {
        node.store.remember_signed(vote)?;
    }
    if let Some(why) = &lost {
        note(node, why)?;
    }
    Ok(lost.is_some())
}

/// The others that had not answered when this peer began to vote: the one that did may be the liar.
async fn hear_the_late(
    node: &Node,
    raft: &RaftNode,
    links: &Links,
    answers: &[Standing],
) -> Result<(), ConsensusError> {
    let mut heard: BTreeSet<String> = answers.iter().map(|answer| answer.actor.clone()).collect();
    while heard.len() < links.count() {
        tokio::time::sleep(LATE_PAUSE).await;
        let late = ask_all(node, links).await;
        let late: Vec<Standing> = late
            .into_iter()
            .filter(|answer| heard.insert(answer.actor.clone()))
            .collect();
        if compare(node, raft, &late)? {
            follow_until_whole(node, raft, links).await?;
            raft.participate(Participation::Voting)?;
        }
    }
    Ok(())
}

/// Waits a little for others that vote: a group that is founded before has its first election in vain, and waits for
/// the next.
async fn wait_for_voters(node: &Node, raft: &RaftNode, links: &Links) {
    if raft.reach().last > 0 {
        return;
    }
    for _ in 0..FOUNDING_TRIES {
        let answers = ask_all(node, links).await;
        if answers.iter().filter(|answer| answer.voting).count() >= majority_of_others(node) {
            return;
        }
        tokio::time::sleep(FOUNDING_PAUSE).await;
    }
}

/// What others show that this peer has said and does not know of.
fn what_is_lost(node: &Node, raft: &RaftNode, answers: &[Standing]) -> Option<String> {
    // Read after the answers came: what this peer knows only grows.
    let (signed, reach) = (node.store.signed(), raft.reach());
    let (last, term) = (reach.last, reach.term);
    for answer in answers {
        for vote in &answer.own_votes {
            // What this actor's peer has signed with another disk is not this one's to know.
            if !node.me.votes_under(&node.anchor.config_at(vote.height())) {
                continue;
            }
            let known = match vote {
                Vote::Acknowledgement(_) => signed.ack,
                Vote::Endorsement(_) => signed.endorsement,
            };
            if known.is_none_or(|(height, _)| height < vote.height()) {
                return Some(format!(
                    "the peer of {} has this peer's signature for height {}, which is unknown here",
                    answer.actor,
                    vote.height()
                ));
            }
        }
        if let Some(matched) = answer.matched.filter(|matched| *matched > last) {
            return Some(format!(
                "the peer of {} knows this peer's Raft log to reach entry {matched}, it ends at {last}",
                answer.actor
            ));
        }
        if answer.seen_term > term {
            return Some(format!(
                "the peer of {} has seen this peer stand for election, lead or vote in term {}, its vote is of term {term}",
                answer.actor, answer.seen_term
            ));
        }
    }
    None
}

fn note(node: &Node, why: &str) -> Result<(), ConsensusError> {
    let now = now_nano();
    node.alarms.raise(format!(
        "this peer's files are older than what it has said: {why}"
    ));
    let incident = Incident::at_start("Raft log", why.to_owned(), now);
    Ok(incident.save(&node.store, &format!("{now:020}-raft"))?)
}

/// Appends and executes without voting until all the others have answered since this peer's start, so that its term
/// is above any it may have voted in, and its log holds all that the leader's held then.
async fn follow_until_whole(node: &Node, raft: &RaftNode, links: &Links) -> Result<(), ConsensusError> {
    let alarm = "this peer does not vote until it has caught up and heard every other voting peer".to_owned();
    node.alarms.raise(alarm.clone());
    raft.participate(Participation::Following)?;
    loop {
        tokio::time::sleep(PAUSE).await;
        let answers = ask_all(node, links).await;
        let others: Vec<&Standing> = answers.iter().filter(|answer| !answer.rejoining).collect();
        if others.len() < links.count() {
            continue;
        }
        let newest_term = others.iter().map(|answer| answer.term).max().unwrap_or(0);
        let leader = others
            .iter()
            .find(|answer| answer.leads && answer.term == newest_term);
        let Some(needed) = leader.map(|leader| leader.last) else {
            continue;
        };
        // The log grows on; what it held when it was asked is what counts.
        while raft.reach().applied < needed {
            if raft.fatal().borrow().is_some() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        if raft.reach().term >= newest_term {
            break;
        }
    }
    node.alarms.end(&alarm);
    tracing::warn!("this peer has caught up and votes again");
    close_notes(node)
}

/// Whatever was lost of the log is here again.
fn close_notes(node: &Node) -> Result<(), ConsensusError> {
    for (name, record) in node.store.incidents()? {
        let Ok(mut incident) = serde_json::from_slice::<Incident>(&record) else {
            continue;
        };
        if incident.what == "Raft log" && incident.repaired_nano.is_none() {
            incident.repaired_nano = Some(now_nano());
            incident.repaired_from = Some("the leader".to_owned());
            incident.save(&node.store, &name)?;
        }
    }
    Ok(())
}
