//! Proofs, and what is made of them: what verifies is true.

use crate::borrowed::proof_file::{ProofFile, ProofKind};
use crate::truth::truth;
use e2l_ledger::proof::{
    AncestryProof, Auditor, ConfigChange, Evidence, FinalHeaderProof, LogPageProof, Receipt, SenderHeadProof,
};
use e2l_ledger::{Block, Canonical, Digest, SenderHead};

/// Proofs that a header is final: what verifies is a header that was final.
pub fn final_header(bytes: &[u8]) {
    let Ok(proof) = FinalHeaderProof::decode(bytes) else {
        return;
    };
    assert!(proof.encode() == bytes);
    if let Ok(proven) = proof.verify(&truth().anchor) {
        assert!(
            truth().headers.contains(&proven.header.digest()),
            "a header that was never final"
        );
        assert!(proven.endorsed_by.len() <= proven.voters);
    }
}

/// Receipts: what verifies is a transaction that happened, at its place.
pub fn receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::decode(bytes) else {
        return;
    };
    if let Ok(proven) = receipt.verify(&truth().anchor) {
        let what = (proven.block.header.digest(), proven.index, proven.result.encode());
        assert!(
            truth().transactions.contains(&what),
            "a transaction that never happened"
        );
    }
}

/// Pages of a log: what verifies is what was there, and no more or less.
pub fn log_page(bytes: &[u8]) {
    let Ok(page) = LogPageProof::decode(bytes) else {
        return;
    };
    if let Ok(proven) = page.verify(&truth().anchor) {
        let log = (page.chaincode.clone(), page.log.clone());
        let head = (proven.block.header.digest(), log.clone(), proven.length);
        // Any name that no log bears is truly absent.
        let absent = proven.length == 0 && !truth().entries.iter().any(|(known, ..)| *known == log);
        assert!(
            absent || truth().lengths.contains(&head),
            "a log that was never that long"
        );
        for entry in &proven.entries {
            let place = (
                log.clone(),
                entry.position,
                entry.provenance.transaction,
                entry.value.clone(),
            );
            assert!(truth().entries.contains(&place), "an entry that never was");
        }
    }
}

/// Where senders stand: what verifies is where that one stood.
pub fn sender_head(bytes: &[u8]) {
    let Ok(proof) = SenderHeadProof::decode(bytes) else {
        return;
    };
    assert!(proof.encode() == bytes);
    if let Ok(block) = proof.verify(&truth().anchor) {
        let sender = proof.sender.to_string();
        let stood = |(_, known, head): &(Digest, String, Vec<u8>)| {
            *known == sender && *head != SenderHead::default().encode()
        };
        let absent = proof.head == SenderHead::default() && !truth().heads.iter().any(stood);
        let place = (block.header.digest(), sender.clone(), proof.head.encode());
        assert!(
            absent || truth().heads.contains(&place),
            "a sender that never stood there"
        );
    }
}

/// Headers below a final one: what verifies was there.
pub fn ancestry(bytes: &[u8]) {
    let Ok(proof) = AncestryProof::decode(bytes) else {
        return;
    };
    assert!(proof.encode() == bytes);
    if proof.verify(&truth().anchor).is_ok() {
        let shown = proof.ranges.iter().flat_map(|range| &range.headers);
        for header in shown {
            assert!(truth().headers.contains(header), "a header that was never there");
        }
    }
}

/// Changes of the configuration: what verifies is a change that was made.
pub fn config_change(bytes: &[u8]) {
    let Ok(change) = ConfigChange::decode(bytes) else {
        return;
    };
    assert!(change.encode() == bytes);
    if change.verify(&truth().anchor).is_ok() {
        assert!(
            truth().changes.contains(&change.config.root()),
            "a change that was never made"
        );
    }
}

/// Evidence: whoever is convicted is guilty of just that.
pub fn evidence(bytes: &[u8]) {
    let Ok(evidence) = Evidence::decode(bytes) else {
        return;
    };
    assert!(evidence.encode() == bytes);
    if let Ok(guilt) = evidence.verify(&truth().anchor) {
        let (one, other) = guilt.statements;
        let statements = if one < other { (one, other) } else { (other, one) };
        assert!(
            truth().guilts.contains(&(guilt.member.to_string(), statements)),
            "{} is convicted of what it did not say",
            guilt.member
        );
    }
}

/// Proof files as `e2l verify` reads them: what verifies holds only proofs of what is true.
pub fn proof_file(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<ProofFile>(bytes) else {
        return;
    };
    if file.verify(&truth().anchor).is_err() {
        return;
    }
    for proof in &file.proofs {
        let proof = hex::decode(proof).expect("what verifies is hexadecimal");
        match file.kind {
            ProofKind::Receipt => receipt(&proof),
            ProofKind::History => log_page(&proof),
            ProofKind::Evidence => evidence(&proof),
            ProofKind::Checkpoint => final_header(&proof),
        }
    }
}

/// Whole ledgers: pairs of a block and its proof, each behind four bytes of length. What the auditor passes is the
/// true ledger.
pub fn audit(bytes: &[u8]) {
    let truth = truth();
    let mut auditor = Auditor::new(&truth.anchor, truth.genesis.header());
    let mut rest = bytes;
    let mut next = || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (piece, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = behind;
        Some(piece)
    };
    while let (Some(block), Some(proof)) = (next(), next()) {
        let (Ok(decoded), Ok(proof)) = (Block::decode(block), FinalHeaderProof::decode(proof)) else {
            return;
        };
        let height = auditor.height() as usize;
        if auditor.check(&decoded, &proof).is_err() {
            return;
        }
        assert!(
            truth.ledger.get(height).is_some_and(|known| known == block),
            "a block that never was"
        );
    }
}
