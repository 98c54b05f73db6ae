//! What an honest peer says when it is outvoted: which of its results is not that of the others. Its engine, its disk
//! or its memory is at fault, or somebody has altered it (DESIGN section 5).

use crate::catch_up::proven_block;
use crate::links::{Link, Links};
use crate::node::Node;
use e2l_ledger::Block;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked for, and the others are asked again.
const TICK: Duration = Duration::from_millis(500);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until the peer has said what it computes otherwise, or the process ends.
pub async fn report_divergence(node: Arc<Node>, links: Arc<Links>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let Some(height) = node.with_finality(|finality| finality.outvoted()) else {
            continue;
        };
        for link in links.all() {
            match their_block(&node, &link, height).await {
                Ok(theirs) => return compare(&node, &link, &theirs),
                Err(why) => tracing::debug!(peer = %link.actor, height, why, "it does not show its block"),
            }
        }
    }
}

async fn their_block(node: &Node, link: &Link, height: u64) -> Result<Block, String> {
    let answer = async { link.fetch_blocks(height, 1).await?.message().await };
    let answer = tokio::time::timeout(TIMEOUT, answer).await;
    let reply = answer.map_err(|_| "no answer in time".to_owned())?;
    let reply = reply.map_err(|status| status.message().to_owned())?;
    let (block, _) = proven_block(node, &reply.ok_or("it has no such block")?)?;
    if block.header.height == height {
        return Ok(block);
    }
    Err(format!("it sent block {}", block.header.height))
}

fn compare(node: &Node, link: &Link, theirs: &Block) {
    let height = theirs.header.height;
    let own = match node.store.view().block(height) {
        Ok(Some(own)) => own,
        Ok(None) => return,
        Err(error) => {
            node.alarms.raise(format!(
                "block {height} cannot be compared with {}'s: {error}",
                link.actor
            ));
            return;
        }
    };
    if own.header == theirs.header {
        // Votes for another header than they have: evidence says who signed both.
        return;
    }
    node.alarms.raise(format!(
        "this peer computes something else than the others from height {height} on, and endorses nothing more: {}",
        first_difference(&own, theirs)
    ));
}

/// The first difference, in words; `theirs` is what a majority computed.
fn first_difference(own: &Block, theirs: &Block) -> String {
    if own.header.proposal != theirs.header.proposal {
        return "the others have executed another proposal".to_owned();
    }
    let both = own.results.iter().zip(&theirs.results).enumerate();
    let differing = both.into_iter().find(|(_, (own, theirs))| own != theirs);
    let Some((index, (own, theirs))) = differing else {
        return "all its results are the same, the state is another".to_owned();
    };
    format!(
        "the first transaction that differs is {} at index {index}: here {} with {} fuel, there {} with {}",
        theirs.id, own.code, own.fuel, theirs.code, theirs.fuel
    )
}
