//! An audit passes over what is true, and names the first block that is not: even one that a majority endorsed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_ledger::proof::{Anchor, AuditError, Auditor};
use e2l_ledger::*;
use support::{Identity, Ledger};

/// An edit of a block.
type Edit = fn(&mut Block);

fn small_ledger() -> (Ledger, Anchor) {
    let mut ledger = Ledger::new();
    ledger.add(&[&["web", "db"], &["web"]]);
    ledger.add(&[&["web"]]);
    ledger.add(&[&["db", "web"]]);
    let anchor = Anchor::new(&ledger.members.genesis).unwrap();
    (ledger, anchor)
}

/// Audits the ledger as the malicious majority of it would show it: every header endorsed.
fn audit(ledger: &Ledger, anchor: &Anchor) -> Result<(u64, u64), AuditError> {
    let endorsers: Vec<Identity> = ["developer", "user"]
        .map(|actor| ledger.members.peer(actor))
        .into();
    let endorsers: Vec<&Identity> = endorsers.iter().collect();
    let mut auditor = Auditor::new(anchor, ledger.members.genesis.genesis.header());
    for block in &ledger.blocks {
        let proof = ledger.finality(block.header.height, &endorsers);
        auditor.check(block, &proof)?;
    }
    Ok((auditor.height(), auditor.transactions()))
}

#[test]
fn a_true_ledger_passes() {
    let (ledger, anchor) = small_ledger();
    assert_eq!(audit(&ledger, &anchor), Ok((3, 6)));
}

#[test]
fn what_hashes_reveal_is_found() {
    let edits: [(&str, Edit); 7] = [
        ("a call", |block| {
            if let Envelope::Batch(batch) = &mut block.proposal.envelopes[0] {
                batch.calls[0].argument[0] ^= 1;
            }
        }),
        ("a result", |block| block.results[0].fuel += 1),
        ("a result left out", |block| {
            block.results.pop();
        }),
        ("an envelope left out", |block| {
            block.proposal.envelopes.pop();
        }),
        ("the state", |block| block.header.state_root = Digest([1; 32])),
        ("the leader's signature", |block| {
            block.proposal.signature.bytes[5] ^= 1
        }),
        ("a certificate left out", |block| {
            block.proposal.certificates.pop();
        }),
    ];
    for (what, edit) in edits {
        let (mut ledger, anchor) = small_ledger();
        let endorsers: Vec<Identity> = ["developer", "user"]
            .map(|actor| ledger.members.peer(actor))
            .into();
        let proof = ledger.finality(1, &endorsers.iter().collect::<Vec<_>>());
        edit(&mut ledger.blocks[0]);
        let mut auditor = Auditor::new(&anchor, ledger.members.genesis.genesis.header());
        let error = auditor.check(&ledger.blocks[0], &proof).unwrap_err();
        assert_eq!(error.height, 1, "{what}: {error}");
    }
}

#[test]
fn what_a_colluding_majority_endorsed_is_found_where_it_breaks_a_rule() {
    let edits: [(&str, &str, Edit); 5] = [
        ("a forged batch", "signature does not match", |block| {
            if let Envelope::Batch(batch) = &mut block.proposal.envelopes[0] {
                batch.calls[0].argument = b"forged".to_vec();
                batch.header.calls_root = SignedBatch::calls_root(&batch.calls);
            }
        }),
        ("a batch left out", "does not follow", |block| {
            block.proposal.envelopes.remove(0);
            block.results.drain(..2);
        }),
        ("batches reordered", "does not follow", |block| {
            block.proposal.envelopes.swap(0, 1);
            block.results.rotate_left(2);
        }),
        ("a batch twice", "already on the ledger", |block| {
            block.proposal.envelopes.push(block.proposal.envelopes[1].clone());
            block.results.push(block.results[2].clone());
        }),
        ("back-dated", "time lies before", |block| {
            block.header.time_nano -= 10_000_000_000;
            block.proposal.header.time_nano = block.header.time_nano;
        }),
    ];
    for (what, says, edit) in edits {
        let (mut ledger, anchor) = small_ledger();
        let mut block = ledger.blocks[0].clone();
        edit(&mut block);
        ledger.sign_again(&mut block);
        ledger.blocks = vec![block];
        let error = audit(&ledger, &anchor).unwrap_err();
        assert_eq!(error.height, 1, "{what}: {error}");
        assert!(error.to_string().contains(says), "{what}: {error}");
    }
}

#[test]
fn a_request_is_executed_while_it_lives_and_not_before_or_after() {
    let life = Limits::default().request_lifetime_blocks;
    for (expires_at, holds) in [(1, true), (1 + life, true), (0, false), (2 + life, false)] {
        let mut ledger = Ledger::new();
        let admin = ledger.members.one("user", Role::Admin, "admin");
        let call = Call {
            chaincode: "eventdb".to_owned(),
            function: "createEvent".to_owned(),
            argument: b"web".to_vec(),
        };
        let request = SignedRequest::sign(ledger.members.network(), [7; 16], expires_at, call, &admin);
        ledger.add_request(request);
        let certificate = admin.certificate().der().to_vec();
        let mut block = ledger.blocks.remove(0);
        // In the place of the collector's, which sends nothing here.
        block.proposal.certificates[1] = certificate;
        ledger.sign_again(&mut block);
        ledger.blocks.push(block);
        let anchor = Anchor::new(&ledger.members.genesis).unwrap();
        match audit(&ledger, &anchor) {
            Ok(found) => assert!(holds && found == (1, 1), "last height {expires_at}"),
            Err(error) => assert!(!holds && error.to_string().contains("last height"), "{error}"),
        }
    }
}

#[test]
fn blocks_must_follow_each_other() {
    let (mut ledger, anchor) = small_ledger();
    let endorsers: Vec<Identity> = ["developer", "user"]
        .map(|actor| ledger.members.peer(actor))
        .into();
    let proof = ledger.finality(3, &endorsers.iter().collect::<Vec<_>>());
    let third = ledger.blocks.remove(2);
    let mut auditor = Auditor::new(&anchor, ledger.members.genesis.genesis.header());
    assert!(auditor.check(&third, &proof).is_err());
}
