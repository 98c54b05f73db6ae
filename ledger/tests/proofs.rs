//! Receipts and pages: what is true is proven, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_ledger::proof::{
    AncestryProof, Anchor, FinalHeaderProof, LogPageProof, ProofError, Receipt, SenderHeadProof,
};
use e2l_ledger::*;
use std::sync::Arc;
use support::{Identity, Ledger, NETWORK};

fn small_ledger() -> (Ledger, Anchor) {
    let mut ledger = Ledger::new();
    ledger.add(&[&["web", "db"], &["web"]]);
    ledger.add(&[&["web"]]);
    ledger.add(&[&["db", "cache", "web", "web"]]);
    let anchor = Anchor::new(&ledger.members.genesis).unwrap();
    (ledger, anchor)
}

fn collector_der(ledger: &Ledger) -> Vec<u8> {
    let collector = ledger.members.one("provider", Role::Collector, "collector");
    collector.certificate().der().to_vec()
}

fn majority(ledger: &Ledger) -> [Identity; 2] {
    ["developer", "user"].map(|actor| ledger.members.peer(actor))
}

/// Everything with one byte changed, one left out, or one added.
fn mutations(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let changed = (0..bytes.len()).flat_map(|at| {
        [1, 0x80, 0xff].map(|flip| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= flip;
            bytes
        })
    });
    let removed = (0..bytes.len()).map(|at| {
        let mut bytes = bytes.to_vec();
        bytes.remove(at);
        bytes
    });
    let longer = [bytes, &[0]].concat();
    changed.chain(removed).chain([longer])
}

/// Asserts that nothing is accepted that differs from `proof` in a byte.
fn no_byte_can_change<P: Canonical>(what: &str, proof: &P, holds: impl Fn(&P) -> bool) {
    assert!(holds(proof), "{what}");
    for mutated in mutations(&proof.encode()) {
        let accepted = P::decode(&mutated).is_ok_and(|proof| holds(&proof));
        assert!(!accepted, "{what}: {}", hex::encode(&mutated));
    }
}

#[test]
fn every_transaction_has_a_receipt_that_holds() {
    let (ledger, anchor) = small_ledger();
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    let mut seen = 0;
    for block in &ledger.blocks {
        for (index, result) in block.results.iter().enumerate() {
            let finality = ledger.finality(block.header.height, &endorsers);
            let receipt = Receipt::new(block, index, collector_der(&ledger), finality).unwrap();
            let proven = Receipt::decode(&receipt.encode())
                .unwrap()
                .verify(&anchor)
                .unwrap();
            assert_eq!(proven.result, *result);
            assert_eq!(proven.index as usize, index);
            assert_eq!(proven.block.header, block.header);
            assert_eq!(proven.block.endorsed_by, ["developer", "user"]);
            assert_eq!(proven.sender.name, "collector");
            assert_eq!(proven.call.unwrap().function, "createEvent");
            seen += 1;
        }
    }
    assert_eq!(seen, 8);
}

#[test]
fn no_byte_of_a_receipt_can_change() {
    let (mut ledger, anchor) = small_ledger();
    let admin = ledger.members.one("user", Role::Admin, "admin");
    let call = Call {
        chaincode: "eventdb".to_owned(),
        function: "createEvent".to_owned(),
        argument: b"web".to_vec(),
    };
    let request = SignedRequest::sign(ledger.members.network(), [7; 16], 9, call, &admin);
    ledger.add_request(request);
    let mut refused = ledger.batch(&["web"]);
    refused.signature.bytes[0] ^= 1;
    let code = ValidationCode::BadCreatorSignature;
    ledger.add_refused(Envelope::Batch(refused), code, "the signature does not match");
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    let admin_der = admin.certificate().der().to_vec();
    let receipts = [
        ("a call of a batch", 1, 1, collector_der(&ledger)),
        ("a request", 4, 0, admin_der.clone()),
        ("a refused statement", 5, 0, collector_der(&ledger)),
        ("a refused statement without its certificate", 5, 0, Vec::new()),
    ];
    for (what, height, index, certificate) in receipts {
        let block = &ledger.blocks[height - 1];
        let finality = ledger.finality(height as u64, &endorsers);
        let receipt = Receipt::new(block, index, certificate, finality).unwrap();
        no_byte_can_change(what, &receipt, |receipt: &Receipt| {
            receipt.verify(&anchor).is_ok()
        });
    }
    // Nobody may be shown beside what he did not sign.
    let finality = ledger.finality(5, &endorsers);
    let framed = Receipt::new(&ledger.blocks[4], 0, admin_der, finality).unwrap();
    assert!(matches!(framed.verify(&anchor), Err(ProofError::Inconsistent(_))));
}

#[test]
fn a_receipt_of_a_refused_statement_says_so() {
    let (mut ledger, anchor) = small_ledger();
    // The collector's next batch was refused as a whole: its one result is under its digest.
    ledger.add(&[&["web"]]);
    let mut block = ledger.blocks.pop().unwrap();
    let envelope = block.proposal.envelopes[0].digest();
    block.results = vec![TransactionResult {
        id: envelope,
        code: ValidationCode::BadCreatorSignature,
        fuel: 0,
        output: b"the signature does not match".to_vec(),
    }];
    block.header.results_root = TransactionResult::root(&block.results);
    block.header.transactions = 1;
    ledger.blocks.push(block);
    let endorsers = majority(&ledger);
    let finality = ledger.finality(4, &endorsers.iter().collect::<Vec<_>>());
    let receipt = Receipt::new(&ledger.blocks[3], 0, collector_der(&ledger), finality).unwrap();
    let proven = receipt.verify(&anchor).unwrap();
    assert_eq!(proven.call, None);
    assert_eq!(proven.result.code, ValidationCode::BadCreatorSignature);

    // Nobody can show the refused call as an executed one.
    let executed = Receipt::new(
        &ledger.blocks[2],
        0,
        collector_der(&ledger),
        receipt.finality.clone(),
    );
    let mut forged = receipt;
    forged.subject = executed.unwrap().subject;
    assert!(forged.verify(&anchor).is_err());
}

#[test]
fn one_endorsement_is_not_enough_and_nobody_counts_twice() {
    let (ledger, anchor) = small_ledger();
    let peer = |actor: &str| ledger.members.peer(actor);
    let one = ledger.finality(2, &[&peer("user")]).verify(&anchor).unwrap_err();
    assert!(
        matches!(
            one,
            ProofError::TooFewEndorsements {
                found: 1,
                required: 2,
                ..
            }
        ),
        "{one}"
    );
    assert!(one.is_undecided());

    let twice = ledger
        .finality(2, &[&peer("user"), &peer("user")])
        .verify(&anchor);
    assert!(matches!(twice, Err(ProofError::Endorsement { .. })), "{twice:?}");
    let second = ledger.members.until("user", Role::Peer, "peer", 2100);
    let twice = ledger.finality(2, &[&peer("user"), &second]).verify(&anchor);
    assert!(matches!(twice, Err(ProofError::Endorsement { .. })), "{twice:?}");

    let all = ledger.finality(2, &[&peer("developer"), &peer("provider"), &peer("user")]);
    assert!(all.verify(&anchor).unwrap().is_sealed());
}

#[test]
fn only_the_peers_of_voting_actors_endorse() {
    let (ledger, anchor) = small_ledger();
    let good = ledger.members.peer("user");
    let others = [
        ledger.members.one("developer", Role::Collector, "peer"),
        ledger.members.one("developer", Role::Peer, "another"),
        ledger.members.impostor("developer", Role::Peer, "peer"),
        // Expired before the block's time.
        ledger.members.until("developer", Role::Peer, "peer", 2026),
    ];
    for other in others {
        let error = ledger.finality(2, &[&other, &good]).verify(&anchor).unwrap_err();
        assert!(!error.is_undecided(), "{error}");
    }
}

#[test]
fn an_endorsement_is_of_one_header_and_of_all_below_it() {
    let (ledger, anchor) = small_ledger();
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    let whole = ledger.finality(1, &endorsers);
    assert_eq!(whole.descendants.len(), 2);
    whole.verify(&anchor).unwrap();

    let mut hole = whole.clone();
    hole.descendants.remove(0);
    assert!(matches!(
        hole.verify(&anchor),
        Err(ProofError::Chain { height: 3 })
    ));
    let mut lower = whole.clone();
    lower.descendants.pop();
    assert!(matches!(
        lower.verify(&anchor),
        Err(ProofError::Endorsement { height: 2, .. })
    ));
    let mut altered = whole.clone();
    altered.header.state_root = Digest([9; 32]);
    assert!(matches!(
        altered.verify(&anchor),
        Err(ProofError::Chain { height: 2 })
    ));
}

#[test]
fn another_network_proves_nothing_here() {
    let (ledger, anchor) = small_ledger();
    let mut other = ledger.members.genesis.clone();
    other.genesis.created_nano += 1;
    assert!(
        Anchor::new(&other).is_err(),
        "its approvals are for another genesis"
    );

    let endorsers = majority(&ledger);
    let mut proof = ledger.finality(3, &endorsers.iter().collect::<Vec<_>>());
    proof.header.network = Digest([1; 32]);
    assert!(matches!(
        proof.verify(&anchor),
        Err(ProofError::OtherNetwork { .. })
    ));
    assert_eq!(anchor.newest().network, NETWORK);
}

#[test]
fn another_configuration_is_not_decided() {
    let (ledger, anchor) = small_ledger();
    let endorsers = majority(&ledger);
    let mut proof: FinalHeaderProof = ledger.finality(3, &endorsers.iter().collect::<Vec<_>>());
    proof.header.config_root = Digest([1; 32]);
    assert!(proof.verify(&anchor).unwrap_err().is_undecided());
}

#[test]
fn where_a_sender_stands_is_proven_and_no_byte_of_it_can_change() {
    let (ledger, anchor) = small_ledger();
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    let collector = ledger.members.one("provider", Role::Collector, "collector");
    let proof = ledger.sender_head(collector.certificate().member(), &endorsers);
    assert_eq!((proof.head.incarnation, proof.head.sequence), (1, 4));
    let block = proof.verify(&anchor).unwrap();
    assert_eq!(block.header, ledger.blocks[2].header);

    let stranger = ledger.members.one("user", Role::Collector, "collector");
    let absent = ledger.sender_head(stranger.certificate().member(), &endorsers);
    assert_eq!(absent.head, SenderHead::default());
    absent.verify(&anchor).unwrap();

    let denied = SenderHeadProof {
        head: SenderHead::default(),
        ..proof.clone()
    };
    assert!(denied.verify(&anchor).is_err(), "what is there is denied");
    let invented = SenderHeadProof {
        head: proof.head.clone(),
        ..absent.clone()
    };
    assert!(invented.verify(&anchor).is_err(), "what is not there is shown");
    no_byte_can_change("where a sender stands", &proof, |proof: &SenderHeadProof| {
        proof.verify(&anchor).is_ok()
    });
    // The same gap in the state may prove that others are absent, too: they are.
    no_byte_can_change("that nobody stands", &absent, |proof: &SenderHeadProof| {
        proof.sender == absent.sender && proof.verify(&anchor).is_ok()
    });
}

#[test]
fn every_header_below_the_newest_is_proven_and_no_other() {
    let (mut ledger, anchor) = small_ledger();
    for _ in 0..6 {
        ledger.add(&[&["web"]]);
    }
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    for from in 0..9 {
        for end in from..=9 {
            let proof = ledger.ancestry(&[from..end, 2..3], &endorsers);
            let newest = proof.verify(&anchor).unwrap().header;
            assert_eq!(newest.height, 9);
            for height in from.max(1)..end {
                let header = ledger.blocks[height as usize - 1].header.digest();
                assert_eq!(proof.header(height), Some(header));
            }
            assert_eq!(proof.header(9), None);
        }
    }
    let proof = ledger.ancestry(&[1..4, 7..8], &endorsers);
    no_byte_can_change("headers below", &proof, |proof: &AncestryProof| {
        proof.verify(&anchor).is_ok()
    });
}

#[test]
fn every_page_of_every_log_is_proven() {
    let (ledger, anchor) = small_ledger();
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    for (container, length) in [("web", 5), ("db", 2), ("cache", 1), ("unheard-of", 0)] {
        for from in 0..=length {
            for limit in 0..=length {
                let page = ledger.page(container, from, limit, &endorsers);
                let proven = page.verify(&anchor).unwrap();
                assert_eq!(proven.length, length);
                assert_eq!(proven.entries.len() as u64, limit.min(length - from));
                assert!(
                    proven
                        .entries
                        .iter()
                        .all(|entry| entry.value == container.as_bytes())
                );
                let positions: Vec<u64> = proven.entries.iter().map(|entry| entry.position).collect();
                assert_eq!(
                    positions,
                    (from..from + positions.len() as u64).collect::<Vec<_>>()
                );
            }
        }
    }
}

#[test]
fn nothing_is_hidden_added_or_moved_in_a_page() {
    let (ledger, anchor) = small_ledger();
    let endorsers = majority(&ledger);
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    let whole = ledger.page("web", 0, 5, &endorsers);
    let refuse = |what: &str, forge: &dyn Fn(&mut LogPageProof)| {
        let mut forged = whole.clone();
        forge(&mut forged);
        assert!(forged.verify(&anchor).is_err(), "{what}");
    };
    // Who hides the last shows a page that says itself that one more follows.
    let mut shorter = ledger.page("web", 0, 4, &endorsers);
    let proven = shorter.verify(&anchor).unwrap();
    assert_eq!((proven.entries.len(), proven.length), (4, 5));
    shorter.head.length = 4;
    assert!(shorter.verify(&anchor).is_err());
    refuse("the first is hidden", &|page| {
        page.entries.remove(0);
    });
    refuse("the first is hidden and the page moved", &|page| {
        page.entries.remove(0);
        page.from = 1;
    });
    refuse("one is there twice", &|page| {
        page.entries.push(page.entries[4].clone())
    });
    refuse("two are swapped", &|page| page.entries.swap(1, 2));
    refuse("another sender", &|page| {
        Arc::make_mut(&mut page.entries[0].provenance.sender)
            .name
            .push('x')
    });
    refuse("another time", &|page| {
        page.entries[0].provenance.block_time_nano += 1
    });
    refuse("another container's", &|page| page.log = support::event_log("db"));
    refuse("denied altogether", &|page| {
        page.head = LogHead::default();
        page.entries.clear();
    });
    refuse("denied with the proof of another absence", &|page| {
        let absent = ledger.page("unheard-of", 0, 5, &endorsers);
        *page = LogPageProof {
            log: page.log.clone(),
            ..absent
        };
    });
    refuse("an older block's list", &|page| {
        page.finality = ledger.finality(2, &endorsers);
    });
    let part = ledger.page("web", 1, 2, &endorsers);
    no_byte_can_change("a page", &part, |page: &LogPageProof| {
        page.verify(&anchor).is_ok()
    });
    // The same gap in the state may prove that other lists are empty, too: they are.
    let absent = ledger.page("unheard-of", 0, 5, &endorsers);
    no_byte_can_change("an absent list", &absent, |page: &LogPageProof| {
        let named = (&page.chaincode, &page.log) == (&absent.chaincode, &absent.log);
        named && page.verify(&anchor).is_ok()
    });
}
