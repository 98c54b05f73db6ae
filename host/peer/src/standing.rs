//! What peers know of each other's standing. A peer that has just been started asks: its own files may have been
//! lost or replaced by older ones, and only others can tell.

use crate::links::{Link, Links};
use crate::node::Node;
use e2l_client::wire::StandingReply;
use e2l_consensus::{BadMarker, Participation, RaftNode, marker_index};
use e2l_ledger::{Canonical, Certificate, SignedVote, Vote};
use e2l_store::StoreError;
use futures::future::join_all;

/// What another peer answered, checked as far as it can be.
#[derive(Debug)]
pub struct Standing {
    /// Actor of the peer.
    pub actor: String,
    /// Its final height: its word.
    pub final_height: u64,
    /// Where Raft stands at that height: its word.
    pub marker: Vec<u8>,
    /// Index of the marker.
    pub marker_index: u64,
    /// Votes that this peer has signed, as it heard them: proven by this peer's own signature.
    pub own_votes: Vec<Vote>,
    /// Its term.
    pub term: u64,
    /// Whether it leads.
    pub leads: bool,
    /// Last index of its log.
    pub last: u64,
    /// Last index that it, as leader, knows this peer to hold: its word.
    pub matched: Option<u64>,
    /// Whether it is on its way back.
    pub rejoining: bool,
    /// Whether it votes.
    pub voting: bool,
}

/// Answers another actor's peer.
///
/// # Errors
/// The store cannot be read.
pub fn reply(
    node: &Node,
    raft: &RaftNode,
    (actor, raft_id): (&str, u64),
) -> Result<StandingReply, StoreError> {
    let finalized = node.finalized();
    let (mut votes, mut certificates) = (Vec::new(), Vec::new());
    for (voter, vote) in node.store.newest_votes() {
        if voter == actor
            && let Some(certificate) = node.endorser(&vote.signature.certificate)?
        {
            votes.push(vote.encode().into());
            certificates.push(certificate.der().to_vec().into());
        }
    }
    let reach = raft.reach();
    Ok(StandingReply {
        final_height: finalized.as_ref().map_or(0, |known| known.at.header.height),
        marker: finalized
            .map_or_else(Vec::new, |known| known.at.marker.clone())
            .into(),
        votes,
        certificates,
        term: reach.term,
        leads: raft.leadership().borrow().is_leader(),
        last: reach.last,
        matched: reach.matched.get(&raft_id).copied(),
        rejoining: raft.participation() == Participation::Following,
        voting: raft.participation() == Participation::Voting,
    })
}

/// Asks all other peers at once; those that do not answer are left out.
pub async fn ask_all(node: &Node, links: &Links) -> Vec<Standing> {
    let answers = join_all(links.iter().map(|link| ask(node, link))).await;
    answers.into_iter().flatten().collect()
}

async fn ask(node: &Node, link: &Link) -> Option<Standing> {
    let reply = match link.standing().await {
        Ok(reply) => reply,
        Err(status) => {
            tracing::debug!(peer = %link.actor, status = %status.message(), "it does not say where it stands");
            return None;
        }
    };
    match understand(node, link, reply) {
        Ok(standing) => Some(standing),
        Err(error) => {
            tracing::warn!(peer = %link.actor, %error, "where it says that it stands makes no sense");
            None
        }
    }
}

fn understand(node: &Node, link: &Link, reply: StandingReply) -> Result<Standing, BadMarker> {
    let votes = reply.votes.iter().zip(&reply.certificates);
    Ok(Standing {
        actor: link.actor.clone(),
        final_height: reply.final_height,
        marker_index: marker_index(&reply.marker)?,
        marker: reply.marker.to_vec(),
        own_votes: votes
            .filter_map(|(vote, der)| own_vote(node, vote, der))
            .collect(),
        term: reply.term,
        leads: reply.leads,
        last: reply.last,
        matched: reply.matched,
        rejoining: reply.rejoining,
        voting: reply.voting,
    })
}

/// A vote that bears this peer's own signature; anything else says nothing about this peer.
fn own_vote(node: &Node, vote: &[u8], der: &[u8]) -> Option<Vote> {
    let vote = SignedVote::decode(vote).ok()?;
    let certificate = Certificate::parse(der).ok()?;
    let mine = certificate.member() == node.me() && *vote.vote.network() == node.network;
    let known = certificate.digest() == node.signer.certificate().digest()
        || certificate
            .check(&node.config, crate::votes_in::now_nano())
            .is_ok();
    let signed = node
        .signatures
        .verify(&vote.vote.digest(), &vote.signature, &certificate);
    (mine && known && signed.is_ok()).then_some(vote.vote)
}

/// Answers that, with this peer itself, make a majority of the voters.
pub fn majority_of_others(node: &Node) -> usize {
    node.config.voters().count() / 2
}
