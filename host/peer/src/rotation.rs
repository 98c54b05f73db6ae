//! New certificates: this peer's own while it runs, and the others' after it was away.

use crate::links::Links;
use crate::node::Node;
use e2l_client::introduce;
use e2l_identity::IdentitySource;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ClientConfig;

/// Between two attempts to learn why a peer is not trusted.
const INTRODUCTION_PAUSE: Duration = Duration::from_secs(1);

/// Takes every new identity that fits, until the process ends: what is signed and which connections are made from then on
/// is with the new one. Connections that others have made go on.
pub async fn rotate(node: Arc<Node>, links: Arc<Links>, source: IdentitySource) {
    let take = |candidate| {
        if node.take_identity(candidate)? {
            links.renew();
        }
        Ok(())
    };
    source.follow(take).await;
}

/// Asks peers whose certificates are not trusted whether the configuration has changed, until the process ends: a peer that
/// was away while others replaced their authorities could neither reach them nor be reached otherwise.
pub async fn get_introduced(node: Arc<Node>, links: Arc<Links>, tls: Arc<ClientConfig>) {
    loop {
        for link in links.all().into_iter().filter(|link| link.is_untrusted()) {
            match introduce(link.target(), &tls, &node.anchor).await {
                Ok(true) => {
                    tracing::info!(peer = %link.actor, from = node.anchor.newest_from(), "the configuration has changed meanwhile");
                    node.on_proven_config();
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(peer = %link.actor, %error, "it does not introduce itself"),
            }
        }
        tokio::time::sleep(INTRODUCTION_PAUSE).await;
    }
}
