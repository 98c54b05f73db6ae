use super::final_header::{FinalHeader, FinalHeaderProof};
use super::{Anchor, MapProof, ProofError};
use crate::canonical::Canonical;
use crate::hash::Domain;
use crate::keys::StateKey;
use borsh::{BorshDeserialize, BorshSerialize};

/// Proof of what the state holds under a key as of a final block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateValueProof {
    /// Bytes of the key.
    pub key: Vec<u8>,
    /// The value; none where the state holds nothing.
    pub value: Option<Vec<u8>>,
    /// That the state holds exactly this.
    pub value_proof: MapProof,
    /// That the block is final.
    pub finality: FinalHeaderProof,
}

impl Canonical for StateValueProof {
    const WHAT: &'static str = "proof of a value of the state";

    fn size_hint(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len) + 16_384
    }
}

impl StateValueProof {
    /// Checks the value against a genesis. Returns the block as of which it holds.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<FinalHeader, ProofError> {
        let block = self.finality.verify(anchor)?;
        let key = StateKey::from_bytes(self.key.clone()).hash();
        let value = self.value.as_deref().map(|value| Domain::Value.hash(value));
        if self
            .value_proof
            .verify(&block.header.state_root, &key, value.as_ref())
        {
            return Ok(block);
        }
        Err(ProofError::NotIncluded {
            what: "value of the state",
            height: block.header.height,
        })
    }
}
