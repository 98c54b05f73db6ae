//! How a client comes to trust peers whose authorities have changed since it last knew the configuration.

use crate::config_changes::introduce;
use crate::link::Link;
use e2l_ledger::proof::Anchor;
use std::sync::Arc;
use tokio_rustls::rustls::ClientConfig;

/// What a client needs to learn from a peer that it does not trust yet.
#[derive(Clone)]
pub struct Introduction {
    tls: Arc<ClientConfig>,
    anchor: Arc<Anchor>,
}

impl Introduction {
    /// Over TLS of [`introduction_config`](e2l_identity::introduction_config); what is proven goes into `anchor`, which the
    /// client's own TLS trusts.
    pub fn new(tls: Arc<ClientConfig>, anchor: Arc<Anchor>) -> Self {
        Self { tls, anchor }
    }

    /// What is known so far.
    pub(crate) fn anchor(&self) -> &Arc<Anchor> {
        &self.anchor
    }

    /// Learns from a peer whose certificate was refused; says whether there was anything to learn.
    pub(crate) async fn by(&self, link: &Link) -> bool {
        match introduce(link.target(), &self.tls, &self.anchor).await {
            Ok(learned) => learned,
            Err(error) => {
                tracing::debug!(peer = %link.peer.actor, %error, "it does not introduce itself");
                false
            }
        }
    }
}
