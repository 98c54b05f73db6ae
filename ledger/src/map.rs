//! The state commitment: a compact sparse Merkle tree over hashed keys (a subtree with one leaf is that
//! leaf, an empty one is zero, as in Jellyfish Merkle trees), so that its root depends on the contents alone.

use crate::hash::{Digest, Domain};
use crate::proof::MapProof;

type NodeId = u32;
const EMPTY: NodeId = 0;

#[derive(Debug, Clone)]
enum Node {
    Empty,
    Leaf {
        key: Digest,
        value: Digest,
    },
    Inner {
        left: NodeId,
        right: NodeId,
        hash: Digest,
    },
}

/// The tree, kept in memory; rebuilt from the state when a peer starts.
#[derive(Debug, Clone)]
pub struct StateMap {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    root: NodeId,
    leaves: usize,
}

impl Default for StateMap {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Empty],
            free: Vec::new(),
            root: EMPTY,
            leaves: 0,
        }
    }
}

/// One change: the hashed key, and the digest of its new value or `None` to remove it.
type Change = (Digest, Option<Digest>);

impl StateMap {
    /// Commitment to the contents; zero for none.
    pub fn root(&self) -> Digest {
        self.hash_of(self.root)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.leaves
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.leaves == 0
    }

    /// Applies changes and returns the new root. Of several changes to one key the last counts.
    pub fn update(&mut self, changes: Vec<Change>) -> Digest {
        self.replace(changes);
        self.root()
    }

    /// The same; returns what the changed keys held before, in ascending order of key: applied, it undoes them.
    pub fn replace(&mut self, mut changes: Vec<Change>) -> Vec<Change> {
        changes.sort_by_key(|(key, _)| *key);
        changes.reverse();
        changes.dedup_by_key(|(key, _)| *key);
        changes.reverse();
        let mut replaced = Vec::new();
        self.root = self.apply(self.root, 0, &changes, &mut replaced);
        let mut replaced = replaced.into_iter().peekable();
        let before = changes.into_iter().map(|(key, _)| {
            let held = replaced.next_if(|(held, _)| *held == key);
            (key, held.map(|(_, value)| value))
        });
        before.collect()
    }

    /// Digest of the value under a hashed key.
    pub fn get(&self, key: &Digest) -> Option<Digest> {
        match self.nodes[self.descend(key, |_| {}) as usize] {
            Node::Leaf { key: found, value } if found == *key => Some(value),
            _ => None,
        }
    }

    /// Proof of what is, or is not, under a hashed key.
    pub fn prove(&self, key: &Digest) -> MapProof {
        let mut siblings = Vec::new();
        let end = self.descend(key, |sibling| siblings.push(self.hash_of(sibling)));
        let other = match self.nodes[end as usize] {
            Node::Leaf { key: found, value } if found != *key => Some((found, value)),
            _ => None,
        };
        MapProof { siblings, other }
    }

    /// Follows a key down to a leaf or to nothing, past siblings.
    fn descend(&self, key: &Digest, mut pass: impl FnMut(NodeId)) -> NodeId {
        let (mut node, mut depth) = (self.root, 0);
        while let Node::Inner { left, right, .. } = self.nodes[node as usize] {
            let (next, sibling) = if bit(key, depth) {
                (right, left)
            } else {
                (left, right)
            };
            pass(sibling);
            (node, depth) = (next, depth + 1);
        }
        node
    }

    /// Notes the leaves that were changed, in ascending order of key.
    fn apply(
        &mut self,
        node: NodeId,
        depth: usize,
        changes: &[Change],
        replaced: &mut Vec<(Digest, Digest)>,
    ) -> NodeId {
        if changes.is_empty() {
            return node;
        }
        match self.nodes[node as usize] {
            Node::Empty => self.build(depth, changes),
            Node::Leaf { key, value } => {
                self.release(node);
                self.leaves -= 1;
                if changes
                    .binary_search_by_key(&key, |(changed, _)| *changed)
                    .is_ok()
                {
                    replaced.push((key, value));
                    return self.build(depth, changes);
                }
                self.build_beside(Some((key, value)), depth, changes)
            }
            Node::Inner { left, right, .. } => {
                let (zeros, ones) = split_at_bit(changes, depth);
                let left = self.apply(left, depth + 1, zeros, replaced);
                let right = self.apply(right, depth + 1, ones, replaced);
                self.join(Some(node), left, right)
            }
        }
    }

    /// A subtree with the changes' new values.
    fn build(&mut self, depth: usize, changes: &[Change]) -> NodeId {
        self.build_beside(None, depth, changes)
    }

    /// A subtree with the changes' new values and, beside them, a leaf that was there.
    fn build_beside(
        &mut self,
        present: Option<(Digest, Digest)>,
        depth: usize,
        changes: &[Change],
    ) -> NodeId {
        let mut additions = changes.iter().filter(|(_, value)| value.is_some());
        let (first, second) = (additions.next(), additions.next());
        match (present, first, second) {
            (None, None, _) => EMPTY,
            (Some((key, value)), None, _) => self.leaf(key, value),
            (None, Some((key, Some(value))), None) => self.leaf(*key, *value),
            _ => {
                let (zeros, ones) = split_at_bit(changes, depth);
                let (zero_leaf, one_leaf) = match present {
                    Some(leaf) if bit(&leaf.0, depth) => (None, Some(leaf)),
                    other => (other, None),
                };
                let left = self.build_beside(zero_leaf, depth + 1, zeros);
                let right = self.build_beside(one_leaf, depth + 1, ones);
                self.join(None, left, right)
            }
        }
    }

    /// An inner node over two subtrees, or the subtree itself where it is the only leaf or nothing.
    fn join(&mut self, reuse: Option<NodeId>, left: NodeId, right: NodeId) -> NodeId {
        let collapsed = match (&self.nodes[left as usize], &self.nodes[right as usize]) {
            (Node::Empty, Node::Empty) => Some(EMPTY),
            (Node::Empty, Node::Leaf { .. }) => Some(right),
            (Node::Leaf { .. }, Node::Empty) => Some(left),
            _ => None,
        };
        if let Some(node) = collapsed {
            if let Some(old) = reuse {
                self.release(old);
            }
            return node;
        }
        let hash = Domain::MapNode.hash_pair(&self.hash_of(left), &self.hash_of(right));
        let inner = Node::Inner { left, right, hash };
        match reuse {
            Some(id) => {
                self.nodes[id as usize] = inner;
                id
            }
            None => self.allocate(inner),
        }
    }

    fn leaf(&mut self, key: Digest, value: Digest) -> NodeId {
        self.leaves += 1;
        self.allocate(Node::Leaf { key, value })
    }

    fn allocate(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = node;
            return id;
        }
        self.nodes.push(node);
        // Four billion nodes are 300 GiB: memory ends before the index does.
        (self.nodes.len() - 1) as NodeId
    }

    fn release(&mut self, node: NodeId) {
        self.nodes[node as usize] = Node::Empty;
        self.free.push(node);
    }

    fn hash_of(&self, node: NodeId) -> Digest {
        match &self.nodes[node as usize] {
            Node::Empty => Digest::ZERO,
            // A leaf is hashed only when its sibling changes: cheaper than 32 more bytes in every node.
            Node::Leaf { key, value } => Domain::MapLeaf.hash_pair(key, value),
            Node::Inner { hash, .. } => *hash,
        }
    }
}

pub(crate) fn bit(key: &Digest, depth: usize) -> bool {
    key.0[depth / 8] & (0x80 >> (depth % 8)) != 0
}

/// Sorted changes fall into those with a zero at `depth`, then those with a one.
fn split_at_bit(changes: &[Change], depth: usize) -> (&[Change], &[Change]) {
    changes.split_at(changes.partition_point(|(key, _)| !bit(key, depth)))
}
