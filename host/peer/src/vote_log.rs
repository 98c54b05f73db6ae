//! This peer's own newest votes, in order, for whoever has not heard them.

use bytes::Bytes;
use e2l_identity::Identity;
use e2l_ledger::{Canonical, SignedVote, Signer, Vote};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Votes kept: a peer that missed more hears the newest, which cover all below.
const KEPT: usize = 512;
/// Votes that are repeated: the newest acknowledgement and the newest endorsement.
const REPEATED: usize = 2;

struct Told {
    number: u64,
    vote: Vote,
    signed: Bytes,
}

struct Log {
    votes: VecDeque<Told>,
    /// All of them are signed with this one's key: one message has one certificate.
    signer: Arc<Identity>,
}

impl Log {
    fn push(&mut self, vote: SignedVote) {
        let number = self.votes.back().map_or(1, |told| told.number + 1);
        let vote = if vote.signature.certificate == self.signer.certificate().digest() {
            vote
        } else {
            // It was signed just before the certificate changed.
            SignedVote::sign(vote.vote, &*self.signer)
        };
        self.votes.push_back(Told {
            number,
            signed: vote.encode().into(),
            vote: vote.vote,
        });
        if self.votes.len() > KEPT {
            self.votes.pop_front();
        }
    }

    fn last(&self) -> u64 {
        self.votes.back().map_or(0, |told| told.number)
    }
}

/// Votes, and the certificate of the key that signed them, DER.
pub struct SignedVotes {
    /// Canonical encodings.
    pub votes: Vec<Bytes>,
    /// The certificate.
    pub certificate: Bytes,
    /// Number of the last vote.
    pub last: u64,
}

/// The votes, numbered.
pub struct VoteLog {
    log: Mutex<Log>,
    newest: watch::Sender<u64>,
}

impl VoteLog {
    /// None yet; those to come are signed by `signer`.
    pub fn new(signer: Arc<Identity>) -> Self {
        Self {
            log: Mutex::new(Log {
                votes: VecDeque::new(),
                signer,
            }),
            newest: watch::Sender::new(0),
        }
    }

    /// Adds votes; they are told together.
    pub fn push<'a>(&self, added: impl IntoIterator<Item = &'a SignedVote>) {
        let mut log = self.log.lock();
        for vote in added {
            log.push(vote.clone());
        }
        let last = log.last();
        drop(log);
        self.newest.send_replace(last);
    }

    /// This peer signs with another key from now on. Its newest votes are told again, signed with that: what the old one
    /// has signed may be refused from now on, and the newest cover all below.
    pub fn sign_with(&self, signer: Arc<Identity>) {
        let mut log = self.log.lock();
        log.signer = signer;
        let votes: Vec<Told> = log.votes.drain(..).collect();
        let repeated = votes.len().saturating_sub(REPEATED);
        let newest = votes.last().map_or(0, |told| told.number);
        for (number, told) in (newest + 1..).zip(votes.into_iter().skip(repeated)) {
            let vote = SignedVote::sign(told.vote, &*log.signer);
            log.votes.push_back(Told {
                number,
                signed: vote.encode().into(),
                vote: vote.vote,
            });
        }
        let last = log.last();
        drop(log);
        self.newest.send_replace(last);
    }

    /// Votes after number `after`.
    pub fn since(&self, after: u64) -> SignedVotes {
        let log = self.log.lock();
        let found = log.votes.iter().filter(|told| told.number > after);
        SignedVotes {
            votes: found.map(|told| told.signed.clone()).collect(),
            certificate: log.signer.certificate().der().to_vec().into(),
            last: log.last().max(after),
        }
    }

    /// The newest few votes, the newest first.
    pub fn newest(&self) -> SignedVotes {
        let log = self.log.lock();
        let newest = log.votes.iter().rev().take(REPEATED);
        SignedVotes {
            votes: newest.map(|told| told.signed.clone()).collect(),
            certificate: log.signer.certificate().der().to_vec().into(),
            last: log.last(),
        }
    }

    /// Follows the number of the newest vote.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}
