//! Asks the other peers what they were told where somebody's vote differs from this peer's own result, and tells them what
//! this one was told: the two together convict who tells two stories, a leader with proposals as well as a peer with
//! votes (DESIGN section 3).

use crate::evidence::{Told, compare, told};
use crate::links::Link;
use crate::node::Node;
use crate::standpoint::compare_standpoint;
use e2l_client::wire::{FetchProposalReply, FetchProposalRequest};
use e2l_ledger::proof::Signed;
use e2l_ledger::{Canonical, DecodeError, Vote};
use e2l_store::StoreError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Status};

/// How often it looks for heights to ask about, and asks a peer again that has not answered.
const TICK: Duration = Duration::from_millis(200);
/// Most votes of a message that are looked at: two of each kind for each of a few actors.
const MAX_VOTES: usize = 64;

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
enum Useless {
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this process ends")]
    Ending,
}

/// Asks one peer, until the process ends. Finality and the evidence remember a bounded number of heights, so the
/// questions are bounded.
pub async fn inquire(node: Arc<Node>, link: Arc<Link>) {
    let mut asked = BTreeSet::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let heights = heights(&node);
        asked.retain(|height| heights.contains(height));
        for height in heights {
            if !asked.contains(&height) && ask(&node, &link, height).await {
                asked.insert(height);
            }
        }
    }
}

/// Heights about which peers may have been told different things.
fn heights(node: &Node) -> BTreeSet<u64> {
    let mut heights: BTreeSet<u64> = node.with_finality(|finality| {
        let divergences = finality.divergences().iter();
        divergences.map(|divergence| divergence.height).collect()
    });
    heights.extend(node.evidence.heights());
    heights
}

/// Asks about one height; says whether it was answered for good.
async fn ask(node: &Arc<Node>, link: &Link, height: u64) -> bool {
    let (shared, actor) = (node.clone(), link.actor.clone());
    let known = tokio::task::spawn_blocking(move || told(&shared, height)).await;
    let votes = match known {
        Ok(Ok(told)) => told.map_or_else(Vec::new, |told| encode(&told.votes)),
        // It is asked about again, when it can be read.
        Ok(Err(_)) | Err(_) => return false,
    };
    match link.fetch_proposal(FetchProposalRequest { height, votes }).await {
        Ok(reply) => {
            let shared = node.clone();
            let done = tokio::task::spawn_blocking(move || take(&shared, &actor, height, &reply)).await;
            if let Err(why) = done.unwrap_or(Err(Useless::Ending)) {
                tracing::warn!(peer = %link.actor, height, %why, "what a peer was told convicts nobody");
            }
            true
        }
        Err(status) => is_final(&status, link, height),
    }
}

fn is_final(status: &Status, link: &Link, height: u64) -> bool {
    if matches!(status.code(), Code::NotFound | Code::Unimplemented) {
        tracing::warn!(peer = %link.actor, height, "a peer cannot show the proposal that it acknowledged");
        return true;
    }
    tracing::debug!(peer = %link.actor, height, status = status.message(), "no answer yet");
    false
}

/// Votes as they are passed on.
pub fn encode(votes: &[Signed<Vote>]) -> Vec<bytes::Bytes> {
    let votes = votes.iter().take(MAX_VOTES);
    votes.map(|vote| vote.encode().into()).collect()
}

/// Votes that are passed on.
///
/// # Errors
/// One is none.
pub fn decode(votes: &[bytes::Bytes]) -> Result<Vec<Signed<Vote>>, DecodeError> {
    let votes = votes.iter().take(MAX_VOTES);
    votes.map(|vote| Signed::decode(vote)).collect()
}

fn take(node: &Node, actor: &str, height: u64, reply: &FetchProposalReply) -> Result<(), Useless> {
    if let Some(theirs) = &reply.standpoint {
        compare_standpoint(node, actor, theirs)?;
    }
    let proposal = Signed::decode(&reply.proposal)?;
    let votes = decode(&reply.votes)?;
    Ok(compare(node, height, Told { proposal, votes })?)
}
