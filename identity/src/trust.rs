//! What TLS trusts: the configuration in force, asked at every handshake.

use e2l_ledger::proof::Anchor;
use e2l_ledger::{Member, NetworkConfig};
use std::sync::Arc;

/// Knows the configuration in force.
pub trait Trust: Send + Sync {
    /// The configuration now. A new handshake sees what governance has changed, without a restart.
    fn config(&self) -> Arc<NetworkConfig>;
}

/// The newest configuration that was proven.
impl Trust for Anchor {
    fn config(&self) -> Arc<NetworkConfig> {
        self.newest()
    }
}

/// A configuration that does not change, such as that of the genesis.
pub struct StaticTrust(pub Arc<NetworkConfig>);

impl Trust for StaticTrust {
    fn config(&self) -> Arc<NetworkConfig> {
        self.0.clone()
    }
}

/// Which peer a client expects behind an address.
#[derive(Debug, Clone)]
pub enum ExpectedPeer {
    /// Any peer of the network.
    Any,
    /// This one.
    Member(Member),
}
