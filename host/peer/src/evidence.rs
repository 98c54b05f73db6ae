//! Contradictions of others: found, verified as any third party would, and kept.

use crate::chain::leader_certificate;
use crate::node::Node;
use e2l_ledger::proof::{Evidence, Signed};
use e2l_ledger::{
    BatchHeader, Canonical, Certificate, Domain, ProposalHeader, SignedBatch, SignedProposal, SignedVote,
    Vote,
};
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

/// A proposal with its leader's certificate, as proof of what that leader said; `None` if the certificate is not
/// known here.
///
/// # Errors
/// The store cannot be read.
pub fn signed_proposal(
    node: &Node,
    proposal: &SignedProposal,
) -> Result<Option<Signed<ProposalHeader>>, StoreError> {
    let certificate = leader_certificate(node, proposal)?;
    Ok(certificate.map(|certificate| Signed {
        statement: proposal.header.clone(),
        signature: proposal.signature.clone(),
        certificate: certificate.der().to_vec(),
    }))
}

/// Two payloads of one place in the log: keeps both as evidence, if one leader signed both for one term and height.
///
/// # Errors
/// The store cannot be read or written.
pub fn check_proposals(node: &Node, one: &SignedProposal, other: &SignedProposal) -> Result<(), StoreError> {
    match (signed_proposal(node, one)?, signed_proposal(node, other)?) {
        (Some(one), Some(other)) => convict(node, &Evidence::Proposals(one, other)),
        _ => Ok(()),
    }
}

/// What this peer was told about a height: the proposal it executed, and the votes it heard.
///
/// # Errors
/// The store cannot be read.
pub fn told(node: &Node, height: u64) -> Result<Option<Told>, StoreError> {
    let Some(block) = node.newest().view.block(height)? else {
        return Ok(None);
    };
    let Some(proposal) = signed_proposal(node, &block.proposal)? else {
        return Ok(None);
    };
    let mut votes = Vec::new();
    for (_, vote) in node.store.votes(height)? {
        if let Some(certificate) = node.endorser(&vote.signature.certificate)? {
            votes.push(signed_vote(&vote, &certificate));
        }
    }
    Ok(Some(Told { proposal, votes }))
}

/// What a peer was told about a height, signed by whoever told it.
pub struct Told {
    /// By the leader.
    pub proposal: Signed<ProposalHeader>,
    /// By the other peers.
    pub votes: Vec<Signed<Vote>>,
}

/// Compares what another peer was told about a height with what this one was told: keeps as evidence what one
/// member signed both ways. Only signatures speak here, so the other peer need not be trusted.
///
/// # Errors
/// The store cannot be read or written.
pub fn compare(node: &Node, height: u64, other: Told) -> Result<(), StoreError> {
    let Some(own) = told(node, height)? else {
        return Ok(());
    };
    convict(node, &Evidence::Proposals(own.proposal, other.proposal))?;
    for vote in other.votes {
        for mine in &own.votes {
            convict(node, &Evidence::Votes(mine.clone(), vote.clone()))?;
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
