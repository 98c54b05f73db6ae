//! Restores a ledger from the other peers: their proven blocks are executed again, from the genesis or from where a
//! rolled-back ledger ends.

use crate::application::voters;
use crate::catch_up::fetch_up_to;
use crate::chain_thread::ChainThread;
use crate::incident::Incident;
use crate::links::Links;
use crate::node::Node;
use crate::standing::{Standing, ask_until, majority_of_others};
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
/// peer has signed before, as the others heard it, is remembered. Nothing but blocks that are proven is taken from them:
/// where Raft goes on this peer's own log says.
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
    let (found_nano, began) = (now_nano(), Instant::now());
    let actor = loop {
        let answers = ask_until(node, links, PATIENCE.saturating_sub(began.elapsed())).await;
        for vote in answers.iter().flat_map(|answer| &answer.own_votes) {
            node.store.remember_signed(vote)?;
        }
        fetch_all(node, links, chain, &answers).await?;
        let height = node.newest().header.height;
        match reached(&answers, height, majority_of_others(node)) {
            Some(actor) if height >= log.height => {
                break actor.or_else(|| Some(node.me.member().actor.clone()));
            }
            _ => {}
        }
        tracing::warn!(
            answered = answers.len(),
            height,
            needed = log.height,
            "waiting for the other peers, to restore the ledger from them"
        );
        tokio::time::sleep(PAUSE).await;
    };
    let marker = log.resume(voters(&node.config()))?;
    let saved = chain.run(move |chain| chain.save_marker(marker)).await;
    saved.map_err(|_| anyhow!("the execution thread has stopped"))??;
    let incident = Incident {
        repaired_from: actor,
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
    for link in links.all() {
        if let Err(why) = fetch_up_to(node, &link, chain, highest).await? {
            tracing::info!(peer = %link.actor, %why, "no more blocks from this peer");
        }
    }
    Ok(())
}

/// Whether so many of those who answered have made no more final than is here; the first of them, if there must be any.
/// One that claims more than it proves is not waited for, nor is one believed that claims less.
fn reached(answers: &[Standing], height: u64, majority: usize) -> Option<Option<String>> {
    let reached = answers.iter().filter(|answer| answer.final_height <= height);
    let actors: Vec<&str> = reached.map(|answer| answer.actor.as_str()).collect();
    (actors.len() >= majority).then(|| actors.first().map(|actor| (*actor).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(actor: &str, final_height: u64) -> Standing {
        Standing {
            actor: actor.to_owned(),
            final_height,
            own_votes: Vec::new(),
            term: 1,
            leads: false,
            last: 0,
            matched: None,
            rejoining: false,
            voting: true,
            seen_term: 0,
        }
    }

    #[test]
    fn a_majority_must_have_no_more_than_is_here_whatever_one_claims() {
        let answers = [standing("one", 10), standing("liar", u64::MAX)];
        assert_eq!(reached(&answers, 9, 1), None);
        assert_eq!(reached(&answers, 10, 1), Some(Some("one".to_owned())));
        assert_eq!(reached(&answers, 10, 2), None);
        assert_eq!(reached(&[], 0, 1), None);
        assert_eq!(reached(&[], 0, 0), Some(None), "a peer without others");
    }
}
