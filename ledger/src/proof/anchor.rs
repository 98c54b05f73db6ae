use super::{ConfigChange, ProofError};
use crate::block::Header;
use crate::config::NetworkConfig;
use crate::genesis::{Genesis, GenesisError, GenesisFile};
use crate::hash::Digest;
use std::sync::{Arc, PoisonError, RwLock};

/// A configuration and the first height that is executed under it.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// First height.
    pub from: u64,
    /// The configuration.
    pub config: Arc<NetworkConfig>,
    root: Digest,
    /// That it came into force; `None` for the genesis's, and where this machine has executed the change itself.
    pub proof: Option<Arc<ConfigChange>>,
}

impl Epoch {
    fn new(from: u64, config: NetworkConfig, proof: Option<Arc<ConfigChange>>) -> Self {
        Self {
            from,
            root: config.root(),
            config: Arc::new(config),
            proof,
        }
    }
}

/// What a verifier trusts: a genesis that every actor has approved, and the changes of its configuration that were
/// proven since, each final under the configuration before it.
#[derive(Debug)]
pub struct Anchor {
    network: Digest,
    created_nano: i64,
    /// In order; the genesis's is the first.
    epochs: RwLock<Vec<Epoch>>,
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
            created_nano: genesis.created_nano,
            epochs: RwLock::new(vec![Epoch::new(0, genesis.config.clone(), None)]),
        }
    }

    /// Hash of the genesis: what every signature names.
    pub fn network(&self) -> &Digest {
        &self.network
    }

    /// Every configuration that is known, in order.
    pub fn epochs(&self) -> Vec<Epoch> {
        self.read(<[Epoch]>::to_vec)
    }

    /// The newest configuration that is known.
    pub fn newest(&self) -> Arc<NetworkConfig> {
        self.read(|epochs| epochs.last().map(|epoch| epoch.config.clone()))
            .unwrap_or_else(|| unreachable!("the genesis's is always there"))
    }

    /// First height of the newest configuration that is known.
    pub fn newest_from(&self) -> u64 {
        self.read(|epochs| epochs.last().map_or(0, |epoch| epoch.from))
    }

    /// The configuration that a height was executed under, as far as is known.
    pub fn config_at(&self, height: u64) -> Arc<NetworkConfig> {
        let found = self.read(|epochs| {
            let epoch = epochs.iter().rev().find(|epoch| epoch.from <= height);
            epoch.map(|epoch| epoch.config.clone())
        });
        found.unwrap_or_else(|| unreachable!("the genesis's begins at height 0"))
    }

    /// The configuration that a header says it was executed under.
    ///
    /// # Errors
    /// It is not the one that is known for its height: the header is false, or the configuration has changed since the
    /// newest change that is known.
    pub fn config_of(&self, header: &Header) -> Result<Arc<NetworkConfig>, ProofError> {
        if header.network != self.network {
            return Err(ProofError::OtherNetwork {
                found: header.network,
                expected: self.network,
            });
        }
        self.read(|epochs| {
            let after = epochs.partition_point(|epoch| epoch.from <= header.height);
            let epoch = after.checked_sub(1).and_then(|at| epochs.get(at));
            let epoch = epoch.unwrap_or_else(|| unreachable!("the genesis's begins at height 0"));
            if epoch.root == header.config_root {
                return Ok(epoch.config.clone());
            }
            Err(ProofError::Configuration {
                height: header.height,
                found: header.config_root,
                expected: epoch.root,
                changed_later: after == epochs.len(),
            })
        })
    }

    /// Learns a change of the configuration.
    ///
    /// # Errors
    /// It is not final under the configuration before it, or is none.
    pub fn learn(&self, change: &ConfigChange) -> Result<(), ProofError> {
        let header = change.verify(self)?;
        let proof = Some(Arc::new(change.clone()));
        self.push(header.height.saturating_add(1), change.config.clone(), proof);
        Ok(())
    }

    /// Learns a configuration that the caller has reason to trust: it has executed the block that brought it. Nothing
    /// happens when it is known.
    pub fn know(&self, from: u64, config: NetworkConfig) {
        self.push(from, config, None);
    }

    fn push(&self, from: u64, config: NetworkConfig, proof: Option<Arc<ConfigChange>>) {
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        if epochs.last().is_some_and(|newest| newest.from < from) {
            epochs.push(Epoch::new(from, config, proof));
        }
    }

    fn read<T>(&self, read: impl FnOnce(&[Epoch]) -> T) -> T {
        // Nothing panics while it holds the lock for writing: a push leaves the list whole.
        read(&self.epochs.read().unwrap_or_else(PoisonError::into_inner))
    }
}
