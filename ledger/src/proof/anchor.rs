use crate::config::NetworkConfig;
use crate::genesis::{GenesisError, GenesisFile};
use crate::hash::Digest;

/// What a verifier trusts: a genesis that every actor has approved.
#[derive(Debug, Clone)]
pub struct Anchor {
    network: Digest,
    config: NetworkConfig,
    created_nano: i64,
}

impl Anchor {
    /// Trusts a genesis.
    ///
    /// # Errors
    /// Not every actor has approved it, or it makes no sense.
    pub fn new(file: &GenesisFile) -> Result<Self, GenesisError> {
        file.check()?;
        Ok(Self {
            network: file.genesis.digest(),
            config: file.genesis.config.clone(),
            created_nano: file.genesis.created_nano,
        })
    }

    /// Time of the genesis, nanoseconds since the Unix epoch.
    pub fn created_nano(&self) -> i64 {
        self.created_nano
    }

    /// Hash of the genesis: what every signature names.
    pub fn network(&self) -> &Digest {
        &self.network
    }

    /// The configuration of the genesis.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }
}
