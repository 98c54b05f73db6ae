use crate::hash::{Digest, Domain};
use crate::map::bit;
use borsh::{BorshDeserialize, BorshSerialize};

/// Proof of what a [`StateMap`](crate::StateMap) holds under a key: a value, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MapProof {
    /// Hashes beside the way from the root down to where the key is or would be.
    pub siblings: Vec<Digest>,
    /// The other leaf, hashed key and digest of its value, that stands where an absent key would be; none
    /// where nothing does.
    pub other: Option<(Digest, Digest)>,
}

impl MapProof {
    /// Whether the map with this root holds exactly `value` (its digest; `None`: nothing) under the hashed key.
    pub fn verify(&self, root: &Digest, key: &Digest, value: Option<&Digest>) -> bool {
        if self.siblings.len() > 256 {
            return false;
        }
        let end = match (value, &self.other) {
            (Some(value), None) => Domain::MapLeaf.hash_pair(key, value),
            (None, None) => Digest::ZERO,
            (None, Some((other, value))) if self.is_neighbour(key, other) => {
                Domain::MapLeaf.hash_pair(other, value)
            }
            _ => return false,
        };
        let beside = self.siblings.iter().enumerate().rev();
        let found = beside.fold(end, |below, (depth, sibling)| {
            if bit(key, depth) {
                Domain::MapNode.hash_pair(sibling, &below)
            } else {
                Domain::MapNode.hash_pair(&below, sibling)
            }
        });
        found == *root
    }

    /// Whether another key would stand at the same place.
    fn is_neighbour(&self, key: &Digest, other: &Digest) -> bool {
        other != key && (0..self.siblings.len()).all(|depth| bit(key, depth) == bit(other, depth))
    }
}
