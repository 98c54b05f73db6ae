use super::final_header::{FinalHeader, FinalHeaderProof};
use super::{Anchor, MapProof, ProofError};
use crate::admission::SenderHead;
use crate::canonical::Canonical;
use crate::hash::Domain;
use crate::keys::StateKey;
use crate::member::Member;
use borsh::{BorshDeserialize, BorshSerialize};

/// Proof of where a sender of batches stands as of a final block. Each batch names the one before it and peers
/// execute them without a gap, so all batches up to the one named are on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SenderHeadProof {
    /// The sender.
    pub sender: Member,
    /// Its last batch; zeros before the first.
    pub head: SenderHead,
    /// That the state holds this head; that it holds none, before the first batch.
    pub head_proof: MapProof,
    /// That the block is final.
    pub finality: FinalHeaderProof,
}

impl Canonical for SenderHeadProof {
    const WHAT: &'static str = "proof of a sender's head";
}

impl SenderHeadProof {
    /// Checks the head against a genesis. Returns the block as of which it holds.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<FinalHeader, ProofError> {
        let block = self.finality.verify(anchor)?;
        let key = StateKey::sender(&self.sender).hash();
        let head = (self.head != SenderHead::default()).then(|| Domain::Value.hash(&self.head.encode()));
        if self
            .head_proof
            .verify(&block.header.state_root, &key, head.as_ref())
        {
            return Ok(block);
        }
        Err(ProofError::NotIncluded {
            what: "sender's head",
            height: block.header.height,
        })
    }
}
