//! Contradictions of others: found, verified as any third party would, and kept.

use crate::node::Node;
use e2l_ledger::proof::{Evidence, Signed};
use e2l_ledger::{BatchHeader, Canonical, Certificate, Domain, Envelope, SignedBatch, SignedVote, Vote};
use e2l_store::{ActorVote, StoreError};

/// Pieces of evidence kept: one per liar is enough to act on, and liars must not fill the disk.
const MAX_KEPT: usize = 256;

/// A vote contradicts an earlier one of the same peer, stored or in `heard`, if it does: keeps both as evidence.
///
/// # Errors
/// The store cannot be read or written.
pub fn check_vote(
    node: &Node,
    (actor, vote): (&str, &SignedVote),
    certificate: &Certificate,
    heard: &[ActorVote],
) -> Result<(), StoreError> {
    let digest = vote.vote.digest();
    let stored = node.store.votes(vote.vote.height())?;
    for (other_actor, other) in stored.iter().chain(heard) {
        let same_kind = matches!(
            (&other.vote, &vote.vote),
            (Vote::Acknowledgement(_), Vote::Acknowledgement(_))
                | (Vote::Endorsement(_), Vote::Endorsement(_))
        );
        let same_place = other.vote.height() == vote.vote.height() && same_kind;
        if other_actor != actor || !same_place || other.vote.digest() == digest {
            continue;
        }
        let Some(earlier) = node.endorser(&other.signature.certificate)? else {
            continue;
        };
        let evidence = Evidence::Votes(signed_vote(other, &earlier), signed_vote(vote, certificate));
        return convict(node, &evidence);
    }
    Ok(())
}

fn signed_vote(vote: &SignedVote, certificate: &Certificate) -> Signed<Vote> {
    Signed {
        statement: vote.vote.clone(),
        signature: vote.signature.clone(),
        certificate: certificate.der().to_vec(),
    }
}

/// Two batches of one collector with one number: keeps both as evidence.
///
/// # Errors
/// The store cannot be written.
pub fn check_batches(
    node: &Node,
    one: (&SignedBatch, &Certificate),
    other: (&SignedBatch, &Certificate),
) -> Result<(), StoreError> {
    convict(node, &Evidence::Batches(signed_batch(one), signed_batch(other)))
}

fn signed_batch((batch, certificate): (&SignedBatch, &Certificate)) -> Signed<BatchHeader> {
    Signed {
        statement: batch.header.clone(),
        signature: batch.signature.clone(),
        certificate: certificate.der().to_vec(),
    }
}

/// A batch contradicts one that is on the ledger: keeps both as evidence.
///
/// # Errors
/// The store cannot be read or written.
pub fn check_ledger_batch(
    node: &Node,
    height: u64,
    batch: &SignedBatch,
    certificate: &Certificate,
) -> Result<(), StoreError> {
    let Some(block) = node.newest().view.block(height)? else {
        return Ok(());
    };
    let source = Envelope::Batch(batch.clone()).source();
    for envelope in &block.proposal.envelopes {
        let Envelope::Batch(stored) = envelope else {
            continue;
        };
        if envelope.source() != source {
            continue;
        }
        if let Some(known) = node.certificate(&stored.signature.certificate)? {
            check_batches(node, (stored, &known), (batch, certificate))?;
        }
    }
    Ok(())
}

/// Keeps evidence that holds for anybody who has the genesis; anything else convicts nobody.
fn convict(node: &Node, evidence: &Evidence) -> Result<(), StoreError> {
    let Ok(guilt) = evidence.verify(&node.anchor) else {
        return Ok(());
    };
    let encoded = evidence.encode();
    let what = format!("{} {}", guilt.member, guilt.what);
    // One piece for one place, whoever of the two came first.
    let name = Domain::Value.hash(what.as_bytes()).to_string();
    let kept = node.store.evidence()?;
    if kept.len() < MAX_KEPT && !kept.iter().any(|(known, _)| *known == name) {
        node.store.save_evidence(&name, &encoded)?;
        node.alarm(format!("{what}: `e2l evidence` shows the proof"));
    }
    Ok(())
}
