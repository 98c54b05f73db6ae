use super::{Anchor, FinalHeaderProof, ProofError};
use crate::block::Header;
use crate::canonical::Canonical;
use crate::config::NetworkConfig;
use borsh::{BorshDeserialize, BorshSerialize};

/// Proof that a block changed the configuration: its header names the next height's, and is final under its own.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConfigChange {
    /// The configuration from the next height on.
    pub config: NetworkConfig,
    /// That the block is final.
    pub finality: FinalHeaderProof,
}

impl Canonical for ConfigChange {
    const WHAT: &'static str = "proof of a change of the configuration";

    fn size_hint(&self) -> usize {
        16_384
    }
}

impl ConfigChange {
    /// Checks the change against what is known before it. Returns the header of the block that made it.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<Header, ProofError> {
        let header = self.finality.verify(anchor)?.header;
        if header.next_config_root == header.config_root || header.next_config_root != self.config.root() {
            return Err(ProofError::NotIncluded {
                what: "change of the configuration",
                height: header.height,
            });
        }
        // The endorsers have checked it; a verifier must not come to harm by a quorum's nonsense either.
        self.config
            .check()
            .map_err(|error| ProofError::Inconsistent(error.to_string()))?;
        Ok(header)
    }
}
