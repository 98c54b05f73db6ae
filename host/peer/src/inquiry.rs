//! Asks peers that acknowledged another proposal what they were told: the answer is what convicts a leader that
//! tells two stories (DESIGN section 3).

use crate::evidence::{Told, compare};
use crate::finality::{Disputed, Divergence};
use crate::links::{Link, Links};
use crate::node::Node;
use e2l_client::wire::FetchProposalReply;
use e2l_ledger::Canonical;
use e2l_ledger::proof::Signed;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;

/// How often new divergences are looked for, and a peer that does not answer is asked again.
const TICK: Duration = Duration::from_millis(200);
/// Most votes of an answer that are looked at: two for each of a few actors.
const MAX_VOTES: usize = 64;

/// Runs until the process ends. Finality remembers a bounded number of divergences, so the questions are bounded.
pub async fn inquire(node: Arc<Node>, links: Arc<Links>) {
    let mut asked = BTreeSet::new();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        for Divergence { actor, height, .. } in disputed(&node) {
            if !asked.insert((actor.clone(), height)) {
                continue;
            }
            if let Some(link) = links.iter().find(|link| link.actor == actor) {
                tokio::spawn(ask(node.clone(), link.clone(), height));
            }
        }
    }
}

fn disputed(node: &Node) -> Vec<Divergence> {
    node.with_finality(|finality| {
        let all = finality.divergences().iter();
        all.filter(|divergence| divergence.what == Disputed::Proposal)
            .cloned()
            .collect()
    })
}

/// Asks one peer about one height until it answers, or says that it has nothing.
async fn ask(node: Arc<Node>, link: Link, height: u64) {
    loop {
        match link.fetch_proposal(height).await {
            Ok(reply) => {
                let peer = link.actor.clone();
                let done = tokio::task::spawn_blocking(move || {
                    if let Err(why) = take(&node, height, &reply) {
                        tracing::warn!(%peer, height, why, "what a peer was told convicts nobody");
                    }
                });
                // It fails when the process ends.
                let _ = done.await;
                return;
            }
            Err(status) if matches!(status.code(), Code::NotFound | Code::Unimplemented) => {
                tracing::warn!(peer = %link.actor, height, "a peer cannot show the proposal that it acknowledged");
                return;
            }
            Err(status) => {
                tracing::debug!(peer = %link.actor, height, status = status.message(), "no answer yet");
                tokio::time::sleep(TICK).await;
            }
        }
    }
}

fn take(node: &Node, height: u64, reply: &FetchProposalReply) -> Result<(), String> {
    let proposal = Signed::decode(&reply.proposal).map_err(|error| error.to_string())?;
    let votes = reply.votes.iter().take(MAX_VOTES);
    let votes = votes.map(|vote| Signed::decode(vote));
    let votes = votes
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    compare(node, height, Told { proposal, votes }).map_err(|error| error.to_string())
}
