//! Contradictions of others: found, verified as any third party would, kept, and passed on to the other peers.

use crate::chain::leader_certificate;
use crate::evidence_book::Piece;
use crate::node::Node;
use crate::votes_in::now_nano;
use bytes::Bytes;
use e2l_ledger::proof::{Evidence, Signed};
use e2l_ledger::{
    BatchHeader, Block, Canonical, Certificate, Envelope, ProposalHeader, SignedBatch, SignedProposal,
    SignedVote, Vote,
};
use e2l_store::{ActorVote, StoreError};
use std::mem::discriminant;

/// Different statements of one actor of one kind about one height that are kept: two are the evidence.
const MAX_STATEMENTS: usize = 2;
/// Pieces in one message.
pub const MAX_PASSED_ON: usize = 16;

/// A vote contradicts an earlier one of the same peer, stored or in `heard`, if it does: keeps both as evidence. Says
/// whether the vote itself is to be kept: not one that is, nor a third one. The caller holds [`Node::keeping_votes`] until
/// it is.
///
/// # Errors
/// The store cannot be read or written.
pub fn check_vote(
    node: &Node,
    (actor, vote): (&str, &SignedVote),
    certificate: &Certificate,
    heard: &[ActorVote],
) -> Result<bool, StoreError> {
    let digest = vote.vote.digest();
    // Honest peers vote upwards: there is nothing to read for what is above all that is kept.
    let newest = node.store.newest_vote_height(actor, &vote.vote);
    let stored = match newest {
        Some(newest) if newest >= vote.vote.height() => node.store.votes(vote.vote.height())?,
        _ => Vec::new(),
    };
    let alike = stored.iter().chain(heard).filter(|(other_actor, other)| {
        other_actor == actor
            && other.vote.height() == vote.vote.height()
            && discriminant(&other.vote) == discriminant(&vote.vote)
    });
    let mut statements = 0;
    for (_, other) in alike {
        if other.vote.digest() == digest {
            return Ok(false);
        }
        statements += 1;
        if let Some(earlier) = node.endorsers.get(&other.signature.certificate)? {
            let evidence = Evidence::Votes(signed_vote(other, &earlier), signed_vote(vote, certificate));
            convict(node, &evidence)?;
        }
    }
    Ok(statements < MAX_STATEMENTS)
}

/// A vote about a height that somebody passes on is compared with what its signer told this peer. It counts only if
/// its signer speaks for itself, as `speaker`: what a liar has told another peer must not outvote this one. One that is
/// not a voting peer's, or is not signed, is nothing. One of a certificate that no longer holds counts for nothing and
/// convicts all the same. Says whether it counts.
///
/// # Errors
/// The store cannot be read or written.
pub fn hear(
    node: &Node,
    speaker: Option<&str>,
    height: u64,
    passed_on: &Signed<Vote>,
) -> Result<bool, StoreError> {
    let Ok(certificate) = Certificate::parse(&passed_on.certificate) else {
        return Ok(false);
    };
    let (signer, vote) = (certificate.member(), &passed_on.statement);
    let about = vote.height() == height && *vote.network() == node.network;
    let voter = node.config().is_voting_peer(signer) && signer != node.me.member();
    if !about || !voter || certificate.check_issued(&node.config()).is_err() {
        return Ok(false);
    }
    let signed = node
        .signatures
        .verify(&vote.digest(), &passed_on.signature, &certificate);
    if signed.is_err() {
        return Ok(false);
    }
    let vote = SignedVote {
        vote: vote.clone(),
        signature: passed_on.signature.clone(),
    };
    let _keeping = node.keeping_votes.lock();
    let worth_keeping = check_vote(node, (&signer.actor, &vote), &certificate, &[])?;
    let speaks = speaker == Some(signer.actor.as_str());
    if !speaks
        || certificate.check(&node.config(), now_nano()).is_err()
        || !node.endorsers.remember(&certificate)?
    {
        return Ok(false);
    }
    if worth_keeping {
        node.store.save_votes(&[(signer.actor.clone(), vote.clone())])?;
    }
    // Kept before it counts: whoever asks for what it makes final must find it.
    node.on_vote(&signer.actor, &vote);
    Ok(true)
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
    for (stored, _) in batches_of_number(&block, &batch.header) {
        if let Some(known) = node.certificate(&stored.signature.certificate)? {
            check_batches(node, (stored, &known), (batch, certificate))?;
        }
    }
    Ok(())
}

/// The batches in a block that have sender and number of `header`, and whether each was refused.
pub fn batches_of_number<'a>(
    block: &'a Block,
    header: &BatchHeader,
) -> impl Iterator<Item = (&'a SignedBatch, bool)> {
    block.outcomes().filter_map(move |outcome| {
        let Envelope::Batch(batch) = outcome.envelope else {
            return None;
        };
        let found = &batch.header;
        let alike = (&found.sender, found.incarnation, found.sequence)
            == (&header.sender, header.incarnation, header.sequence);
        alike.then_some((batch, outcome.refused))
    })
}

/// Votes about a height that somebody passes on.
///
/// # Errors
/// As [`hear`].
pub fn hear_all(node: &Node, height: u64, passed_on: &[Signed<Vote>]) -> Result<(), StoreError> {
    for vote in passed_on {
        hear(node, None, height, vote)?;
    }
    node.advance();
    Ok(())
}

/// A batch of a number that is on the ledger contradicts what is there, if it does: keeps both as evidence. Returns the
/// height at which another batch has its number.
///
/// # Errors
/// The store cannot be read or written.
pub fn check_placed_batch(
    node: &Node,
    batch: &SignedBatch,
    certificate: &Certificate,
) -> Result<Option<u64>, StoreError> {
    let header = &batch.header;
    let view = node.newest().view;
    let place = view.batch(&header.sender, header.incarnation, header.sequence)?;
    let Some(place) = place.filter(|place| place.digest != header.digest()) else {
        return Ok(None);
    };
    check_ledger_batch(node, place.height, batch, certificate)?;
    Ok(Some(place.height))
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
        if let Some(certificate) = node.endorsers.get(&vote.signature.certificate)? {
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
    hear_all(node, height, &other.votes)
}

/// Keeps evidence that another peer passes on, if it holds.
///
/// # Errors
/// The store cannot be written.
pub fn receive(node: &Node, pieces: &[Bytes]) -> Result<(), StoreError> {
    let pieces = pieces.iter().take(MAX_PASSED_ON);
    let mut decoded = pieces.filter_map(|piece| Evidence::decode(piece).ok());
    decoded.try_for_each(|evidence| convict(node, &evidence))
}

/// Keeps evidence that holds for anybody who has the genesis; anything else convicts nobody.
fn convict(node: &Node, evidence: &Evidence) -> Result<(), StoreError> {
    let Some(piece) = Piece::of(evidence, &node.anchor) else {
        return Ok(());
    };
    node.evidence.admit(piece, |piece| {
        node.store.save_evidence(&piece.name, &piece.bytes)?;
        node.alarms
            .raise(format!("{}: `e2l evidence` shows the proof", piece.what));
        Ok(())
    })
}
