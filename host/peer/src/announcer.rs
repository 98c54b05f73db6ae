//! Tells another peer this peer's votes and hears its own: one task per link.

use crate::links::Link;
use crate::node::Node;
use crate::votes_in::take_votes;
use e2l_client::wire::AnnounceRequest;
use std::sync::Arc;
use std::time::Duration;

/// How often a peer says that it is there when it has nothing to say. Well below the time after which a
/// silent peer is suspected.
const IDLE: Duration = Duration::from_millis(300);

/// Runs until the process ends.
pub async fn announce(node: Arc<Node>, link: Link) {
    let mut newest = node.votes.watch();
    let mut told = 0;
    loop {
        let (votes, number) = node.votes.since(told);
        let request = AnnounceRequest {
            votes,
            certificate: node.signer.certificate().der().to_vec().into(),
            applied_height: node.newest().header.height,
            final_height: node.finalized().map_or(0, |finalized| finalized.at.header.height),
            acknowledged_height: 0,
        };
        match link.announce(request).await {
            Ok(reply) => {
                told = number;
                node.on_link(&link.actor, true);
                if let Err(why) = take_votes(&node, &link.actor, &reply.certificate, &reply.votes) {
                    tracing::warn!(peer = %link.actor, %why, "votes in an answer are not acceptable");
                }
                // New votes go out at once, together with all that came up meanwhile.
                if node.votes.since(told).0.is_empty() {
                    let _ = tokio::time::timeout(IDLE, newest.changed()).await;
                }
            }
            Err(status) => {
                tracing::debug!(peer = %link.actor, status = %status.message(), "no link");
                node.on_link(&link.actor, false);
                tokio::time::sleep(IDLE).await;
            }
        }
    }
}
