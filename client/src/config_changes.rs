//! Follows the network's configuration: each change is proven under the one before it.

use crate::channel::{Target, connect};
use crate::client::LedgerClient;
use crate::error::ClientError;
use crate::link::LedgerStub;
use crate::serve::MAX_MESSAGE_BYTES;
use crate::status::status_error;
use crate::verifier::VerifyError;
use crate::wire::{ConfigChangesReply, ConfigChangesRequest};
use e2l_ledger::Canonical;
use e2l_ledger::proof::{Anchor, ConfigChange};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

/// Longest wait for an answer of a peer that is not trusted.
const PATIENCE: Duration = Duration::from_secs(5);

/// Learns the changes of the configuration that a peer can prove and `anchor` does not know.
///
/// # Errors
/// No peer answers, or what it sends does not hold.
pub async fn learn_changes(client: &LedgerClient, anchor: &Anchor) -> Result<(), VerifyError> {
    learn_from(anchor, |after| client.config_changes(after)).await
}

async fn learn_from<F>(anchor: &Anchor, ask: impl Fn(u64) -> F) -> Result<(), VerifyError>
where
    F: Future<Output = Result<ConfigChangesReply, ClientError>>,
{
    loop {
        let known = anchor.newest_from();
        for bytes in ask(known).await?.changes {
            anchor.learn(&ConfigChange::decode(&bytes)?)?;
        }
        if anchor.newest_from() == known {
            return Ok(());
        }
    }
}

/// Learns the changes of the configuration from a peer whose certificate is not trusted, over TLS of
/// [`introduction_config`](e2l_identity::introduction_config): what it says proves itself, and afterwards its certificate
/// may be trusted. So whoever knows only the genesis comes into a network whose authorities have changed since. Says whether
/// there was anything to learn.
///
/// # Errors
/// It does not answer, or what it sends does not hold.
pub async fn introduce(peer: &Target, tls: &Arc<ClientConfig>, anchor: &Anchor) -> Result<bool, VerifyError> {
    let known = anchor.newest_from();
    let target = peer.over(tls.clone());
    let stub = LedgerStub::new(connect(&target).await?).max_decoding_message_size(MAX_MESSAGE_BYTES);
    learn_from(anchor, |after| {
        let (mut stub, target) = (stub.clone(), &target);
        async move {
            let asked = timeout(PATIENCE, stub.config_changes(ConfigChangesRequest { after })).await;
            let asked = asked.map_err(|_| ClientError::Timeout {
                address: target.address().to_owned(),
                call: "configuration",
                after: PATIENCE,
            })?;
            asked
                .map(tonic::Response::into_inner)
                .map_err(|status| status_error(target.address(), &status, target.trouble().get()))
        }
    })
    .await?;
    Ok(anchor.newest_from() != known)
}
