//! Merkle trees over lists, and log heads, against the definition in RFC 6962.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use e2l_ledger::{Digest, Domain, InclusionProof, LogHead, merkle_root};

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|n| Domain::Call.hash(&n.to_be_bytes())).collect()
}

#[test]
fn a_log_head_is_the_tree_over_its_entries() {
    let mut head = LogHead::default();
    let entries = leaves(1025);
    for (position, entry) in entries.iter().enumerate() {
        assert_eq!(
            head.root(),
            merkle_root(&entries[..position]),
            "after {position} entries"
        );
        assert_eq!(head.append(*entry), position as u64);
        assert_eq!(head.peaks.len(), head.length.count_ones() as usize);
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_nothing_else() {
    for count in 1..=65 {
        let list = leaves(count);
        let root = merkle_root(&list);
        for index in 0..count {
            let proof = InclusionProof::new(&list, index).expect("there is such a leaf");
            assert!(proof.verify(&list[index], &root));
            assert!(!proof.verify(&Domain::Call.hash(b"other"), &root));
            let mut longer = proof.clone();
            longer.path.push(Digest::ZERO);
            assert!(!longer.verify(&list[index], &root), "a path that is too long");
            for other in (0..count).filter(|other| *other != index) {
                let moved = InclusionProof {
                    index: other as u32,
                    ..proof.clone()
                };
                assert!(
                    !moved.verify(&list[index], &root),
                    "leaf {index} passes for leaf {other} of {count}"
                );
            }
        }
        assert!(InclusionProof::new(&list, count).is_none());
    }
}
