use crate::config::NetworkConfig;
use crate::genesis::{Genesis, GenesisError, GenesisFile};
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
        Ok(Self::checked(&file.genesis))
    }

    /// Time of the genesis, nanoseconds since the Unix epoch.
    pub fn created_nano(&self) -> i64 {
        self.created_nano
    }

    /// Trusts a genesis that the caller has checked.
    pub fn checked(genesis: &Genesis) -> Self {
        Self {
            network: genesis.digest(),
            config: genesis.config.clone(),
            created_nano: genesis.created_nano,
        }
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
