//! Merkle trees over lists, and log heads, against the definition in RFC 6962.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use e2l_ledger::proof::{prove_range, verify_range};
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

fn head_of(entries: &[Digest]) -> LogHead {
    let mut head = LogHead::default();
    for entry in entries {
        head.append(*entry);
    }
    head
}

#[test]
fn a_leaf_of_every_tree_up_to_1025_is_proven() {
    for count in 1..=1025 {
        let list = leaves(count);
        let root = merkle_root(&list);
        for index in [0, count / 2, count - 1] {
            let proof = InclusionProof::new(&list, index).expect("there is such a leaf");
            assert!(proof.verify(&list[index], &root), "leaf {index} of {count}");
        }
    }
}

#[test]
fn every_range_of_every_small_log_is_proven_and_no_other() {
    for length in 0..=20 {
        let entries = leaves(length);
        let head = head_of(&entries);
        for from in 0..=length {
            for end in from..=length {
                let beside = prove_range(&entries, from as u64..end as u64);
                let range = &entries[from..end];
                assert!(
                    verify_range(&head, from as u64, range, &beside),
                    "{from}..{end} of {length}"
                );
                if range.is_empty() {
                    continue;
                }
                for moved in (0..=length + 1).filter(|moved| *moved != from) {
                    assert!(
                        !verify_range(&head, moved as u64, range, &beside),
                        "{from} as {moved}"
                    );
                }
                let shorter = &range[1..];
                let hidden = !shorter.is_empty() && verify_range(&head, from as u64, shorter, &beside);
                assert!(!hidden, "the first hidden");
                let mut other = range.to_vec();
                other[0] = Digest::ZERO;
                assert!(!verify_range(&head, from as u64, &other, &beside), "one replaced");
                let longer = [&beside[..], &[Digest::ZERO]].concat();
                assert!(
                    !verify_range(&head, from as u64, range, &longer),
                    "one hash too many"
                );
            }
        }
    }
}

#[test]
fn a_range_of_every_log_up_to_1025_is_proven() {
    for length in 1..=1025 {
        let entries = leaves(length);
        let head = head_of(&entries);
        for (from, end) in [(0, length), (length / 3, length / 3 + 1), (length / 2, length)] {
            let beside = prove_range(&entries, from as u64..end as u64);
            assert!(
                verify_range(&head, from as u64, &entries[from..end], &beside),
                "{from}..{end} of {length}"
            );
        }
    }
}
