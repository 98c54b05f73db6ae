use super::final_header::{FinalHeader, FinalHeaderProof};
use super::{Anchor, MapProof, ProofError, verify_range};
use crate::canonical::Canonical;
use crate::hash::{Digest, Domain};
use crate::keys::StateKey;
use crate::log::LogHead;
use borsh::{BorshDeserialize, BorshSerialize};

/// Digests of headers of successive heights.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HeaderRange {
    /// Height of the first.
    pub from: u64,
    /// The digests.
    pub headers: Vec<Digest>,
    /// Hashes beside them.
    pub beside: Vec<Digest>,
}

/// Proof of which headers lie below a final one: the state of each block holds a log of all headers before it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AncestryProof {
    /// Number of headers below the final one, and commitment to them.
    pub head: LogHead,
    /// That the state holds this head.
    pub head_proof: MapProof,
    /// Headers below it.
    pub ranges: Vec<HeaderRange>,
    /// That the block is final.
    pub finality: FinalHeaderProof,
}

impl Canonical for AncestryProof {
    const WHAT: &'static str = "proof of ancestry";
}

impl AncestryProof {
    /// Checks that all headers lie below a final one. Returns that.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<FinalHeader, ProofError> {
        let block = self.finality.verify(anchor)?;
        let height = block.header.height;
        let included = |holds: bool, what| {
            holds
                .then_some(())
                .ok_or(ProofError::NotIncluded { what, height })
        };
        let key = StateKey::headers().hash();
        let head = Domain::Value.hash(&self.head.encode());
        let held = self
            .head_proof
            .verify(&block.header.state_root, &key, Some(&head));
        included(held, "log of headers")?;
        for range in &self.ranges {
            let below = verify_range(&self.head, range.from, &range.headers, &range.beside);
            included(below, "run of headers")?;
        }
        Ok(block)
    }

    /// The header of a height that is proven to lie below, if it is among them.
    pub fn header(&self, height: u64) -> Option<Digest> {
        let found = self.ranges.iter().find_map(|range| {
            let at = usize::try_from(height.checked_sub(range.from)?).ok()?;
            range.headers.get(at)
        });
        found.copied()
    }
}
