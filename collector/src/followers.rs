//! What a collector follows while it runs: the network's configuration, and its own certificate.

use crate::clock::now_nano;
use e2l_client::{LedgerClient, learn_changes};
use e2l_identity::{CurrentIdentity, IdentitySource};
use e2l_ledger::proof::Anchor;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Between two questions for changes of the configuration. With the time until an open connection is looked at anew, a
/// revoked peer is left within 5 s.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Learns the changes of the configuration, each proven from the genesis on, so that peers' new authorities are trusted and
/// revoked certificates are not. The peers are asked in turn: one alone might keep a change to itself.
pub async fn follow_configuration(client: LedgerClient, anchor: Arc<Anchor>) {
    let actors: Vec<String> = client.peers().map(|peer| peer.actor.clone()).collect();
    for actor in actors.iter().cycle() {
        let known = anchor.newest_from();
        if let Some(peer) = client.only(actor)
            && let Err(error) = learn_changes(&peer, &anchor).await
        {
            tracing::debug!(peer = %actor, %error, "it does not say how the configuration has changed");
        }
        if anchor.newest_from() != known {
            tracing::info!(
                from = anchor.newest_from(),
                "the network's configuration has changed"
            );
        }
        sleep(ASK_EVERY).await;
    }
}

/// Takes every new certificate that fits.
pub async fn rotate(identity: Arc<CurrentIdentity>, anchor: Arc<Anchor>, source: IdentitySource) {
    let take = |candidate| {
        let judged = identity.judge(candidate, &anchor.newest(), now_nano());
        if let Some(successor) = judged.map_err(|error| error.to_string())? {
            identity.publish(successor);
        }
        Ok(())
    };
    source.follow(take).await;
}
