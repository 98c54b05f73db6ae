//! Votes of other peers: checked one by one, then counted and kept.

use crate::evidence;
use crate::node::Node;
use bytes::Bytes;
use e2l_ledger::{
    Canonical, Certificate, CertificateError, DecodeError, Digest, Domain, SignatureError, SignedVote,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most votes in one message.
const MAX_VOTES: usize = 1024;

/// How far above the newest executed height votes are counted. A peer that is further behind hears the newest votes again
/// when it has come closer: as long as it does not know another's chain to be its own it asks for them.
const AHEAD: u64 = 1024;

/// Why votes are not acceptable. None of the message's further votes is counted.
#[derive(Debug, thiserror::Error)]
pub enum VotesError {
    /// The certificate beside them.
    #[error("their certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Someone else's.
    #[error("they are signed by {found}, not by a voting peer of {expected}")]
    OtherSigner {
        /// Member of the certificate.
        found: String,
        /// Actor that sent them.
        expected: String,
    },
    /// A vote's bytes.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// A vote's signature.
    #[error("height {height}: {source}")]
    Signature {
        /// Height of the vote.
        height: u64,
        /// What is wrong.
        source: SignatureError,
    },
    /// A vote for another network.
    #[error("a vote is for network {0}")]
    OtherNetwork(Digest),
    /// Too many at once.
    #[error("{0} votes in one message, at most {MAX_VOTES} are accepted")]
    TooMany(usize),
    /// Its actor has used too many certificates.
    #[error(
        "{0}'s peer has used too many certificates since this peer was started: restart this peer to accept more"
    )]
    TooManyCertificates(String),
    /// They cannot be kept.
    #[error(transparent)]
    Store(#[from] e2l_store::StoreError),
}

/// Now, in nanoseconds since the Unix epoch.
pub fn now_nano() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Who votes about a height the configuration of that height says: one who has left votes about those before. Whether its
/// certificate holds the newest says, unless that does not know its actor any more: a vote may be signed again, with a
/// certificate that was not trusted then.
fn check_signer(node: &Node, actor: &str, certificate: &Certificate, height: u64) -> Result<(), VotesError> {
    let (signer, config) = (certificate.member(), node.anchor.config_at(height));
    if signer.actor != actor || !config.is_voting_peer(signer) {
        return Err(VotesError::OtherSigner {
            found: signer.to_string(),
            expected: actor.to_owned(),
        });
    }
    match certificate.check(&node.configs.trusted(), now_nano()) {
        Err(CertificateError::UnknownActor(_)) => Ok(certificate.check(&config, now_nano())?),
        checked => Ok(checked?),
    }
}

/// Takes the votes that the peer of `actor` sent.
///
/// # Errors
/// The first vote that is not acceptable; those before it count.
pub fn take_votes(node: &Node, actor: &str, certificate: &Bytes, votes: &[Bytes]) -> Result<(), VotesError> {
    if votes.len() > MAX_VOTES {
        return Err(VotesError::TooMany(votes.len()));
    }
    let news: Vec<&Bytes> = votes
        .iter()
        .filter(|vote| !node.heard_votes.contains(actor, vote))
        .collect();
    if news.is_empty() {
        return Ok(());
    }
    let certificate = match node.endorsers.in_memory(&Domain::Certificate.hash(certificate)) {
        Some(known) => known,
        None => Certificate::parse(certificate)?,
    };
    let mut counted = Vec::with_capacity(news.len());
    let mut kept: Vec<(String, SignedVote)> = Vec::with_capacity(news.len());
    let horizon = node.newest().header.height.saturating_add(AHEAD);
    let keeping = node.keeping_votes.lock();
    for bytes in news {
        let vote = SignedVote::decode(bytes)?;
        if *vote.vote.network() != node.network {
            return Err(VotesError::OtherNetwork(*vote.vote.network()));
        }
        check_signer(node, actor, &certificate, vote.vote.height())?;
        node.signatures
            .verify(&vote.vote.digest(), &vote.signature, &certificate)
            .map_err(|source| VotesError::Signature {
                height: vote.vote.height(),
                source,
            })?;
        if vote.vote.height() > horizon {
            continue;
        }
        let height = vote.vote.height();
        if certificate
            .check(&node.anchor.config_at(height), now_nano())
            .is_err()
        {
            // It counts, and proves nothing.
            let first = node.with_finality(|finality| finality.final_height()) + 1;
            node.missed_proofs.want(first, height);
        }
        if !node.endorsers.remember(&certificate)? {
            return Err(VotesError::TooManyCertificates(actor.to_owned()));
        }
        if evidence::check_vote(node, (actor, &vote), &certificate, &kept)? {
            kept.push((actor.to_owned(), vote.clone()));
        }
        counted.push((bytes, vote));
    }
    // Kept before they count: whoever asks for what they make final must find them.
    node.store.save_votes(&kept)?;
    let highest = counted.iter().map(|(_, vote)| vote.vote.height()).max();
    for (bytes, vote) in counted {
        node.on_vote(actor, &vote);
        node.heard_votes.remember(actor, bytes);
    }
    drop(keeping);
    if let Some(highest) = highest {
        node.missed_proofs.heard(actor, highest);
    }
    node.advance();
    Ok(())
}
