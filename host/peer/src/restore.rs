//! Restores a ledger from the other peers: their proven blocks are executed again, from the genesis or from where a
//! rolled-back ledger ends.

use crate::catch_up::fetch_up_to;
use crate::chain_thread::ChainThread;
use crate::incident::Incident;
use crate::links::Links;
use crate::node::Node;
use crate::standing::{Standing, ask_all, majority_of_others};
use crate::votes_in::now_nano;
use anyhow::{Context, Result, anyhow};
use e2l_consensus::LogStanding;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before the others are asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long all the others are waited for; then a majority is enough.
const PATIENCE: Duration = Duration::from_secs(20);

/// Restores the ledger; it takes as long as it takes, since without the others there is nothing to serve. What this
/// peer has signed before, as the others heard it, is remembered.
///
/// # Errors
/// This peer's own store or engine failed.
pub async fn restore(
    node: &Arc<Node>,
    links: &Links,
    chain: &ChainThread,
    log: &LogStanding,
    why: String,
) -> Result<()> {
    tracing::error!(%why, "this peer's ledger is restored from the other peers; it serves nothing until then");
    let found_nano = now_nano();
    let started = Instant::now();
    let resumed = loop {
        let answers = ask_all(node, links).await;
        for vote in answers.iter().flat_map(|answer| &answer.own_votes) {
            node.store.remember_signed(vote)?;
        }
        let enough = answers.len() >= majority_of_others(node)
            && (answers.len() == links.iter().count() || started.elapsed() > PATIENCE);
        if enough {
            fetch_all(node, links, chain, &answers).await?;
            if let Some(answer) = resume_from(&answers, node.newest().header.height) {
                break (answer.actor.clone(), log.not_below_purged(&answer.marker)?);
            }
        }
        tracing::warn!(
            answered = answers.len(),
            "waiting for the other peers, to restore the ledger from them"
        );
        tokio::time::sleep(PAUSE).await;
    };
    let (actor, marker) = resumed;
    let saved = chain.run(move |chain| chain.save_marker(marker)).await;
    saved.map_err(|_| anyhow!("the execution thread has stopped"))??;
    let incident = Incident {
        repaired_from: Some(actor),
        repaired_nano: Some(now_nano()),
        ..Incident::at_start("ledger", why, found_nano)
    };
    incident.save(&node.store, &format!("{found_nano:020}-ledger"))?;
    node.store.set_restoring(None).context("the ledger is restored")?;
    tracing::warn!(height = node.newest().header.height, "the ledger is restored");
    Ok(())
}

/// Executes all that the others can prove.
async fn fetch_all(node: &Arc<Node>, links: &Links, chain: &ChainThread, answers: &[Standing]) -> Result<()> {
    let highest = answers
        .iter()
        .map(|answer| answer.final_height)
        .max()
        .unwrap_or(0);
    for link in links.iter() {
        if let Err(why) = fetch_up_to(node, link, chain, highest).await? {
            tracing::info!(peer = %link.actor, %why, "no more blocks from this peer");
        }
    }
    Ok(())
}

/// Where Raft goes on: the lowest position of those whose blocks are here. One that is too low only has Raft offer
/// again what is executed; one that is too high would skip entries, and an honest answer among several is not.
fn resume_from(answers: &[Standing], height: u64) -> Option<&Standing> {
    let reached = answers.iter().filter(|answer| answer.final_height <= height);
    reached
        .filter(|answer| !answer.marker.is_empty())
        .min_by_key(|answer| answer.marker_index)
}
