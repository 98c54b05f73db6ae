//! Follows the network's configuration: each change is proven under the one before it.

use crate::client::LedgerClient;
use crate::verifier::VerifyError;
use e2l_ledger::Canonical;
use e2l_ledger::proof::{Anchor, ConfigChange};

/// Learns the changes of the configuration that a peer can prove and `anchor` does not know.
///
/// # Errors
/// No peer answers, or what it sends does not hold.
pub async fn learn_changes(client: &LedgerClient, anchor: &Anchor) -> Result<(), VerifyError> {
    loop {
        let known = anchor.newest_from();
        for bytes in client.config_changes(known).await?.changes {
            anchor.learn(&ConfigChange::decode(&bytes)?)?;
        }
        if anchor.newest_from() == known {
            return Ok(());
        }
    }
}
