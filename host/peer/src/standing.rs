//! What peers know of each other's standing. A peer that has just been started asks: its own files may have been
//! lost or replaced by older ones, and only others can tell.

use crate::links::{Link, Links};
use crate::node::Node;
use e2l_client::wire::StandingReply;
use e2l_consensus::{Participation, RaftNode};
use e2l_ledger::{Canonical, Certificate, SignedVote, Signer, Vote};
use e2l_store::StoreError;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before the others are asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// Rounds after which the log says that this peer waits.
const ROUNDS_BETWEEN_NOTES: u64 = 100;
/// Most of this peer's own votes in an answer that are looked at: there is one newest of each kind.
const MAX_VOTES: usize = 8;

/// What another peer answered, checked as far as it can be.
#[derive(Debug)]
pub struct Standing {
    /// Actor of the peer.
    pub actor: String,
    /// Its final height: its word.
    pub final_height: u64,
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
    /// Highest term in which it has seen this peer stand, lead or vote: its word.
    pub seen_term: u64,
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
            && let Some(certificate) = node.endorsers.get(&vote.signature.certificate)?
        {
            votes.push(vote.encode().into());
            certificates.push(certificate.der().to_vec().into());
        }
    }
    let reach = raft.reach();
    Ok(StandingReply {
        final_height: finalized.as_ref().map_or(0, |known| known.at.header.height),
        votes,
        certificates,
        term: reach.term,
        leads: raft.leadership().borrow().is_leader(),
        last: reach.last,
        matched: reach.matched.get(&raft_id).copied(),
        rejoining: raft.participation() == Participation::Following,
        voting: raft.participation() == Participation::Voting,
        seen_term: raft.seen_term(raft_id),
    })
}

/// Asks all other peers at once; those that do not answer are left out.
pub async fn ask_all(node: &Node, links: &Links) -> Vec<Standing> {
    let answers = join_all(links.all().into_iter().map(|link| ask(node, link))).await;
    answers.into_iter().flatten().collect()
}

async fn ask(node: &Node, link: Arc<Link>) -> Option<Standing> {
    let reply = match link.standing().await {
        Ok(reply) => reply,
        Err(status) => {
            tracing::debug!(peer = %link.actor, status = %status.message(), "it does not say where it stands");
            return None;
        }
    };
    let votes = reply.votes.iter().zip(&reply.certificates).take(MAX_VOTES);
    Some(Standing {
        actor: link.actor.clone(),
        final_height: reply.final_height,
        own_votes: votes
            .filter_map(|(vote, der)| own_vote(node, vote, der))
            .collect(),
        term: reply.term,
        leads: reply.leads,
        last: reply.last,
        matched: reply.matched,
        rejoining: reply.rejoining,
        voting: reply.voting,
        seen_term: reply.seen_term,
    })
}

/// Asks all other peers again and again, until each has answered once, or `patience` is over and a majority has: a single
/// liar must not be the only one who is heard. Returns the newest answer of each.
pub async fn ask_until(node: &Node, links: &Links, patience: Duration) -> Vec<Standing> {
    let began = Instant::now();
    let mut heard: BTreeMap<String, Standing> = BTreeMap::new();
    for round in 1_u64.. {
        for answer in ask_all(node, links).await {
            heard.insert(answer.actor.clone(), answer);
        }
        let all = heard.len() == links.count();
        if all || (began.elapsed() >= patience && heard.len() >= majority_of_others(node)) {
            break;
        }
        if round.is_multiple_of(ROUNDS_BETWEEN_NOTES) {
            tracing::warn!(
                answered = heard.len(),
                "waiting for the other peers to say where they stand"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
    heard.into_values().collect()
}

/// How far the logs of others reach, that of the Raft id `except` left out: the highest index that one names.
pub async fn log_end(node: &Node, links: &Links, except: u64) -> Option<u64> {
    let asked = links.all().into_iter().filter(|link| link.peer.raft_id != except);
    let answers = join_all(asked.map(|link| ask(node, link))).await;
    answers.into_iter().flatten().map(|answer| answer.last).max()
}

/// A vote that bears this peer's own signature; anything else says nothing about this peer.
fn own_vote(node: &Node, vote: &[u8], der: &[u8]) -> Option<Vote> {
    let vote = SignedVote::decode(vote).ok()?;
    let certificate = Certificate::parse(der).ok()?;
    let mine = certificate.member() == node.me.member() && *vote.vote.network() == node.network;
    let known =
        certificate.digest() == node.me.signer().certificate().digest() || was_trusted(node, &certificate);
    let signed = node
        .signatures
        .verify(&vote.vote.digest(), &vote.signature, &certificate);
    (mine && known && signed.is_ok()).then_some(vote.vote)
}

/// Whether a certificate is one that this peer may have signed with, as far as is known: it may have another one since,
/// from another authority. A revoked one is in others' hands, and says nothing.
fn was_trusted(node: &Node, certificate: &Certificate) -> bool {
    let revoked = node.anchor.newest().revoked.contains(&certificate.digest());
    let mut epochs = node.anchor.epochs().into_iter();
    !revoked && epochs.any(|epoch| certificate.check_issued(&epoch.config).is_ok())
}

/// Answers that, with this peer itself, make a majority of the voters.
pub fn majority_of_others(node: &Node) -> usize {
    node.config().voters().count() / 2
}
