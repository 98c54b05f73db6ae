//! Merkle tree over a list, in the shape of RFC 6962 section 2.1. Leaves are digests that their own domain
//! already separates from inner nodes; the header that holds the root also holds the number of leaves.

use crate::hash::{Digest, Domain};
use borsh::{BorshDeserialize, BorshSerialize};

/// Root over `leaves`.
pub fn merkle_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Domain::MerkleEmpty.hash(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            Domain::MerkleNode.hash_pair(&merkle_root(left), &merkle_root(right))
        }
    }
}

/// The largest power of two below `count`; `count` is at least 2.
fn split(count: usize) -> usize {
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

/// Proof that a digest is leaf `index` of `count` under a root (RFC 6962 section 2.1.1).
#[derive(
    Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct InclusionProof {
    /// Position of the leaf.
    pub index: u32,
    /// Number of leaves of the tree.
    pub count: u32,
    /// Sibling hashes from the leaf up.
    pub path: Vec<Digest>,
}

impl InclusionProof {
    /// Proof for leaf `index`; `None` when there is no such leaf.
    pub fn new(leaves: &[Digest], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let mut path = Vec::new();
        collect(leaves, index, &mut path);
        Some(Self {
            index: u32::try_from(index).ok()?,
            count: u32::try_from(leaves.len()).ok()?,
            path,
        })
    }

    /// Whether the proof leads from `leaf` to `root`. The path must have exactly the length that the
    /// position demands.
    pub fn verify(&self, leaf: &Digest, root: &Digest) -> bool {
        if self.index >= self.count {
            return false;
        }
        let mut path = self.path.iter().rev();
        match climb(leaf, self.index as usize, self.count as usize, &mut path) {
            Some(found) => found == *root && path.next().is_none(),
            None => false,
        }
    }
}

fn collect(leaves: &[Digest], index: usize, path: &mut Vec<Digest>) {
    if leaves.len() < 2 {
        return;
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    if index < middle {
        collect(left, index, path);
        path.push(merkle_root(right));
    } else {
        collect(right, index - middle, path);
        path.push(merkle_root(left));
    }
}

fn climb<'a>(
    leaf: &Digest,
    index: usize,
    count: usize,
    path: &mut impl Iterator<Item = &'a Digest>,
) -> Option<Digest> {
    if count == 1 {
        return Some(*leaf);
    }
    let sibling = path.next()?;
    let middle = split(count);
    Some(if index < middle {
        Domain::MerkleNode.hash_pair(&climb(leaf, index, middle, path)?, sibling)
    } else {
        Domain::MerkleNode.hash_pair(sibling, &climb(leaf, index - middle, count - middle, path)?)
    })
}
