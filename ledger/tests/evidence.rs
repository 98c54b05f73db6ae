//! Evidence convicts who signed two stories, and nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_ledger::proof::{Anchor, Evidence, ProofError, Signed};
use e2l_ledger::*;
use support::{Identity, Ledger};

fn signed<T>(statement: T, digest: Digest, by: &Identity) -> Signed<T> {
    Signed {
        statement,
        signature: by.sign(&digest),
        certificate: by.certificate().der().to_vec(),
    }
}

fn endorsement(ledger: &Ledger, height: u64, header: u8, by: &Identity) -> Signed<Vote> {
    let vote = Vote::Endorsement(Endorsement {
        network: ledger.members.network(),
        height,
        header: Digest([header; 32]),
    });
    let digest = vote.digest();
    signed(vote, digest, by)
}

fn setup() -> (Ledger, Anchor) {
    let mut ledger = Ledger::new();
    ledger.add(&[&["web"]]);
    let anchor = Anchor::new(&ledger.members.genesis).unwrap();
    (ledger, anchor)
}

#[test]
fn two_endorsements_of_one_height_convict_their_peer() {
    let (ledger, anchor) = setup();
    let peer = ledger.members.peer("user");
    let (one, other) = (
        endorsement(&ledger, 5, 1, &peer),
        endorsement(&ledger, 5, 2, &peer),
    );
    let evidence = Evidence::Votes(one, other);
    let guilt = Evidence::decode(&evidence.encode())
        .unwrap()
        .verify(&anchor)
        .unwrap();
    assert_eq!(guilt.member.to_string(), "user/peer/peer");
    assert_eq!(guilt.what, "endorsed two headers at height 5");

    // A renewed certificate is the same peer.
    let renewed = ledger.members.until("user", Role::Peer, "peer", 2099);
    let (one, other) = (
        endorsement(&ledger, 5, 1, &peer),
        endorsement(&ledger, 5, 2, &renewed),
    );
    Evidence::Votes(one, other).verify(&anchor).unwrap();
    // So is one whose certificate has expired since.
    let expired = ledger.members.until("user", Role::Peer, "peer", 2025 + 1);
    let (one, other) = (
        endorsement(&ledger, 5, 1, &peer),
        endorsement(&ledger, 5, 2, &expired),
    );
    Evidence::Votes(one, other).verify(&anchor).unwrap();
}

#[test]
fn nobody_else_is_convicted() {
    let (ledger, anchor) = setup();
    let peer = ledger.members.peer("user");
    let other = ledger.members.peer("developer");
    let impostor = ledger.members.impostor("user", Role::Peer, "peer");
    let e = |height, header, by: &Identity| endorsement(&ledger, height, header, by);
    let acknowledgement = Vote::Acknowledgement(Acknowledgement {
        network: ledger.members.network(),
        height: 5,
        proposal: Digest([2; 32]),
    });
    let digest = acknowledgement.digest();
    let innocent = [
        ("the same twice", e(5, 1, &peer), e(5, 1, &peer)),
        ("two heights", e(5, 1, &peer), e(6, 2, &peer)),
        ("two peers", e(5, 1, &peer), e(5, 2, &other)),
        (
            "two kinds",
            e(5, 1, &peer),
            signed(acknowledgement, digest, &peer),
        ),
    ];
    for (what, one, two) in innocent {
        let error = Evidence::Votes(one, two).verify(&anchor).unwrap_err();
        assert!(matches!(error, ProofError::NoContradiction(_)), "{what}: {error}");
    }
    let forged = Evidence::Votes(e(5, 1, &peer), e(5, 2, &impostor)).verify(&anchor);
    assert!(matches!(forged, Err(ProofError::Certificate(_))), "{forged:?}");
    let mut altered = e(5, 2, &peer);
    altered.signature.bytes[3] ^= 1;
    let altered = Evidence::Votes(e(5, 1, &peer), altered).verify(&anchor);
    assert!(
        matches!(altered, Err(ProofError::Signature { .. })),
        "{altered:?}"
    );
    let mut borrowed = e(5, 2, &peer);
    borrowed.signature = e(5, 3, &peer).signature;
    assert!(Evidence::Votes(e(5, 1, &peer), borrowed).verify(&anchor).is_err());
}

fn proposal(ledger: &Ledger, term: u64, time: i64) -> Signed<ProposalHeader> {
    let mut header = ledger.blocks[0].proposal.header.clone();
    header.term = term;
    header.time_nano += time;
    let digest = header.digest();
    signed(header, digest, &ledger.members.peer("user"))
}

fn batch(ledger: &Ledger, container: &str) -> Signed<BatchHeader> {
    let collector = ledger.members.one("provider", Role::Collector, "collector");
    let header = ledger.batch(&[container]).header;
    let digest = header.digest();
    signed(header, digest, &collector)
}

#[test]
fn no_byte_of_evidence_can_change_into_another_conviction() {
    let (ledger, anchor) = setup();
    let peer = ledger.members.peer("user");
    let pieces = [
        Evidence::Votes(
            endorsement(&ledger, 5, 1, &peer),
            endorsement(&ledger, 5, 2, &peer),
        ),
        Evidence::Proposals(proposal(&ledger, 3, 1), proposal(&ledger, 3, 2)),
        Evidence::Batches(batch(&ledger, "web"), batch(&ledger, "db")),
    ];
    for evidence in pieces {
        let what = evidence.verify(&anchor).unwrap().what;
        let encoded = evidence.encode();
        for at in 0..encoded.len() {
            for flip in [1, 0x80, 0xff] {
                let mut mutated = encoded.clone();
                mutated[at] ^= flip;
                let accepted =
                    Evidence::decode(&mutated).is_ok_and(|evidence| evidence.verify(&anchor).is_ok());
                assert!(!accepted, "{what}: byte {at}");
            }
        }
    }
}

#[test]
fn a_collector_that_numbers_two_batches_alike_is_convicted() {
    let (ledger, anchor) = setup();
    let collector = ledger.members.one("provider", Role::Collector, "collector");
    let (one, other) = (batch(&ledger, "web"), batch(&ledger, "db"));
    let guilt = Evidence::Batches(one.clone(), other).verify(&anchor).unwrap();
    assert_eq!(guilt.member.to_string(), "provider/collector/collector");

    let mut next = ledger.batch(&["db"]);
    next.header.sequence += 1;
    let digest = next.header.digest();
    let innocent = Evidence::Batches(one, signed(next.header, digest, &collector)).verify(&anchor);
    assert!(matches!(innocent, Err(ProofError::NoContradiction(_))));
}

#[test]
fn a_leader_that_proposes_twice_in_a_term_is_convicted() {
    let (ledger, anchor) = setup();
    let proposal = |term, time| proposal(&ledger, term, time);
    let guilt = Evidence::Proposals(proposal(3, 1), proposal(3, 2))
        .verify(&anchor)
        .unwrap();
    assert_eq!(guilt.what, "proposed two blocks at height 1 in term 3");
    let lawful = Evidence::Proposals(proposal(3, 1), proposal(4, 2)).verify(&anchor);
    assert!(matches!(lawful, Err(ProofError::NoContradiction(_))));
}
