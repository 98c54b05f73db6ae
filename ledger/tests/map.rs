//! The state map's root depends on its contents alone, and on nothing but its contents.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use e2l_ledger::{Digest, Domain, StateMap};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The definition, as the format document has it, without any incremental trick.
fn root(leaves: &BTreeMap<Digest, Digest>, depth: usize) -> Digest {
    let mut iter = leaves.iter();
    match (iter.next(), iter.next()) {
        (None, _) => Digest::ZERO,
        (Some((key, value)), None) => Domain::MapLeaf.hash_pair(key, value),
        _ => {
            let one = |key: &Digest| key.0[depth / 8] & (0x80 >> (depth % 8)) != 0;
            let (ones, zeros): (BTreeMap<_, _>, BTreeMap<_, _>) = leaves
                .iter()
                .map(|(k, v)| (*k, *v))
                .partition(|(key, _)| one(key));
            Domain::MapNode.hash_pair(&root(&zeros, depth + 1), &root(&ones, depth + 1))
        }
    }
}

/// Keys that share long prefixes are what breaks such trees: only the last byte varies in half of them.
fn key() -> impl Strategy<Value = Digest> {
    (any::<bool>(), any::<u8>()).prop_map(|(near, byte)| {
        let mut bytes = [0; 32];
        bytes[if near { 31 } else { 0 }] = byte;
        Digest(bytes)
    })
}

proptest! {
    #[test]
    fn root_is_that_of_the_contents(
        blocks in prop::collection::vec(prop::collection::vec((key(), prop::option::of(any::<[u8; 32]>())), 0..20), 1..12)
    ) {
        let mut map = StateMap::default();
        let mut contents = BTreeMap::new();
        for block in blocks {
            for (key, value) in &block {
                match value {
                    Some(value) => contents.insert(*key, Digest(*value)),
                    None => contents.remove(key),
                };
            }
            let changes: Vec<_> = block.iter().map(|(key, value)| (*key, value.map(Digest))).collect();
            let (before, mut undone) = (map.clone(), map.clone());
            let undo = undone.replace(changes.clone());
            prop_assert_eq!(undone.root(), root(&contents, 0));
            prop_assert!(undo.is_sorted_by_key(|(key, _)| *key));
            for (key, held) in &undo {
                prop_assert_eq!(before.get(key), *held);
            }
            prop_assert_eq!(undone.update(undo), before.root(), "what was replaced undoes it");
            prop_assert_eq!(map.update(changes), root(&contents, 0));
            prop_assert_eq!(map.len(), contents.len());
            for byte in 0..=255 {
                for place in [0, 31] {
                    let mut key = [0; 32];
                    key[place] = byte;
                    let key = Digest(key);
                    let (root, proof, value) = (map.root(), map.prove(&key), contents.get(&key));
                    prop_assert_eq!(map.get(&key), value.copied());
                    prop_assert!(proof.verify(&root, &key, value), "what is there is proven");
                    let other = Digest([7; 32]);
                    prop_assert!(!proof.verify(&root, &key, Some(&other)), "another value is not");
                    prop_assert!(value.is_none() || !proof.verify(&root, &key, None), "absence is not");
                    prop_assert!(!proof.verify(&Digest([1; 32]), &key, value), "another root");
                }
            }
        }
    }
}

#[test]
fn different_contents_have_different_roots() {
    let key = |n: u8| Domain::MapKey.hash(&[n]);
    let mut one = StateMap::default();
    let mut other = StateMap::default();
    assert_ne!(
        one.update(vec![(key(1), Some(key(2)))]),
        other.update(vec![(key(2), Some(key(1)))]),
        "key and value are not interchangeable"
    );
}
