//! This peer's own newest votes, in order, for whoever has not heard them.

use bytes::Bytes;
use e2l_ledger::{Canonical, SignedVote};
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::watch;

/// Votes kept: a peer that missed more hears the newest, which cover all below.
const KEPT: usize = 512;

/// The votes, numbered.
pub struct VoteLog {
    votes: Mutex<VecDeque<(u64, Bytes)>>,
    newest: watch::Sender<u64>,
}

impl Default for VoteLog {
    fn default() -> Self {
        Self {
            votes: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl VoteLog {
    /// Adds votes; they are told together.
    pub fn push<'a>(&self, added: impl IntoIterator<Item = &'a SignedVote>) {
        let mut votes = self.votes.lock();
        for vote in added {
            let number = votes.back().map_or(1, |(number, _)| number + 1);
            votes.push_back((number, vote.encode().into()));
            if votes.len() > KEPT {
                votes.pop_front();
            }
        }
        let newest = votes.back().map_or(0, |(number, _)| *number);
        drop(votes);
        self.newest.send_replace(newest);
    }

    /// Votes after number `after`, and the number of the last one.
    pub fn since(&self, after: u64) -> (Vec<Bytes>, u64) {
        let votes = self.votes.lock();
        let newest = votes.back().map_or(after, |(number, _)| *number);
        let found = votes.iter().filter(|(number, _)| *number > after);
        (found.map(|(_, vote)| vote.clone()).collect(), newest)
    }

    /// The newest few votes.
    pub fn newest(&self) -> Vec<Bytes> {
        self.votes
            .lock()
            .iter()
            .rev()
            .take(2)
            .map(|(_, vote)| vote.clone())
            .collect()
    }

    /// Follows the number of the newest vote.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}
