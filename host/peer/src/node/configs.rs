//! The configurations that a peer goes by now.

use e2l_ledger::proof::Anchor;
use e2l_ledger::{Canonical, NetworkConfig, StateKey};
use e2l_store::{StoreError, View};
use std::sync::Arc;
use tokio::sync::watch;

/// A peer executes by the one, and trusts by the other: a change can be proven to it before it comes to execute it.
pub struct Configs {
    next: watch::Sender<Arc<NetworkConfig>>,
    trusted: watch::Sender<Arc<NetworkConfig>>,
}

impl Configs {
    /// Begins with the configuration of the next height.
    pub(super) fn new(next: Arc<NetworkConfig>) -> Self {
        Self {
            trusted: watch::Sender::new(next.clone()),
            next: watch::Sender::new(next),
        }
    }

    /// The configuration of the next height.
    pub(super) fn next(&self) -> Arc<NetworkConfig> {
        self.next.borrow().clone()
    }

    /// Follows it.
    pub fn watch_next(&self) -> watch::Receiver<Arc<NetworkConfig>> {
        self.next.subscribe()
    }

    /// The next height has another configuration.
    pub(super) fn on_executed(&self, next: NetworkConfig) {
        self.next.send_replace(Arc::new(next));
    }

    /// The newest configuration that is known, executed or proven: it says who is trusted now.
    pub fn trusted(&self) -> Arc<NetworkConfig> {
        self.trusted.borrow().clone()
    }

    /// Follows it.
    pub fn watch_trusted(&self) -> watch::Receiver<Arc<NetworkConfig>> {
        self.trusted.subscribe()
    }

    /// This is the newest configuration that is known, perhaps as it was before.
    pub(super) fn on_proven(&self, newest: Arc<NetworkConfig>) {
        self.trusted.send_if_modified(|known| {
            let news = !Arc::ptr_eq(known, &newest);
            *known = newest;
            news
        });
    }
}

/// Learns the configurations that a ledger has had. They are read as they are: whether the state is the one that was
/// executed is checked right after, as a whole.
pub(crate) fn know_configs(anchor: &Anchor, view: &View) -> Result<(), StoreError> {
    let changes = view.scan(&StateKey::config_from(0), &StateKey::configs_end(), usize::MAX)?;
    for (key, bytes) in changes {
        let corrupt = |why: String| StoreError::corrupt_state(&key, why);
        let from = key
            .local()
            .try_into()
            .map_err(|_| corrupt("its key names no height".to_owned()))?;
        let config = NetworkConfig::decode(&bytes).map_err(|error| corrupt(error.to_string()))?;
        anchor.know(u64::from_be_bytes(from), config);
    }
    Ok(())
}
