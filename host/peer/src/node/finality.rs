//! How a peer comes to finality: by what it executes, what the others say, and what the operator decides.

use super::{Executed, Node};
use crate::dispute::AcceptError;
use crate::finality::{Divergence, Finality, Own};
use crate::pool::{Pooled, heads_after};
use e2l_ledger::{Block, Header, NetworkConfig, SignedVote};
use e2l_store::{StoreError, View};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

impl Node {
    /// Reads what finality knows.
    pub fn with_finality<T>(&self, read: impl FnOnce(&Finality) -> T) -> T {
        read(&self.finality.lock())
    }

    /// The configurations whose actors have still to vote: that of the next height to be final, and the newest if that is
    /// another.
    pub fn deciding(&self) -> Vec<Arc<NetworkConfig>> {
        let next = self.with_finality(Finality::final_height).saturating_add(1);
        let (deciding, newest) = (self.anchor.config_at(next), self.config());
        match Arc::ptr_eq(&deciding, &newest) || *deciding == *newest {
            true => vec![newest],
            false => vec![deciding, newest],
        }
    }

    /// A block was executed and is durable, together with this peer's endorsement if it gave one. Returns envelopes that
    /// waited under a number that the block gives to another.
    pub fn on_executed(&self, block: &Block, executed: Executed, endorsed: bool) -> Vec<Pooled> {
        let height = block.header.height;
        self.heights.on_executed(executed);
        let rivals = self.pool.executed(block, heads_after(block));
        for outcome in block.outcomes().filter(|outcome| outcome.refused) {
            self.pool.drop_envelope(outcome.envelope);
        }
        self.waiters.executed(block);
        let mut finality = self.finality.lock();
        finality.executed(height, block.header.proposal, block.header.digest());
        if endorsed {
            finality.endorsed(height);
        }
        drop(finality);
        self.advance();
        rivals
    }

    /// Another actor's peer voted; its signature was checked.
    pub fn on_vote(&self, actor: &str, vote: &SignedVote) {
        let height = vote.vote.height();
        let forgotten = self.with_finality(|finality| finality.has_forgotten(height));
        let own = if forgotten { self.own_at(height) } else { None };
        self.finality.lock().voted(actor, &vote.vote, own);
    }

    /// Another actor's peer has endorsed this header; its signature was checked.
    pub fn on_standpoint(&self, actor: &str, header: &Header, own: &Own) {
        let mut finality = self.finality.lock();
        finality.stands_on(actor, header.height, header.proposal, own);
    }

    /// What this peer got at a height; `None` above its newest, or if it cannot be read now.
    pub fn own_at(&self, height: u64) -> Option<Own> {
        own_at(&self.newest().view, height).unwrap_or_else(|error| {
            tracing::warn!(height, %error, "a vote cannot be compared with what is here");
            None
        })
    }

    /// The link to another actor's peer came up or went down.
    pub fn on_link(&self, actor: &str, linked: bool) {
        self.heard_peers.on_link(actor, linked);
        let mut finality = self.finality.lock();
        finality.linked(actor, linked);
        if !linked {
            self.missed_proofs.lost(actor, finality.final_height());
        }
        drop(finality);
        self.advance();
    }

    /// The operator has decided, about the disputes of a height, that this peer goes on on its own chain. Recorded as an
    /// incident.
    ///
    /// # Errors
    /// There is none, or this peer alone is on its side.
    pub fn accept_dispute(&self, height: u64) -> Result<(), AcceptError> {
        for actor in self.disputes.accept(self, height)? {
            self.finality.lock().accept(&actor, height);
        }
        self.advance();
        Ok(())
    }

    /// Makes final what can be made final now.
    pub fn advance(&self) {
        let height = self.advance_finality();
        let Some(at) = self.heights.close(height) else {
            return;
        };
        if let Err(error) = self.store.save_final_height(height) {
            self.alarms
                .raise(format!("the final height cannot be written: {error}"));
        }
        self.heights.finalize(at);
        self.settle();
    }

    /// The height that is final by the votes, after what is in the way of more is told and kept.
    fn advance_finality(&self) -> u64 {
        let mut finality = self.finality.lock();
        let height = finality.advance(Instant::now());
        for divergence in finality.news() {
            self.alarms.raise(divergence.alarm());
        }
        let disputes: Vec<Divergence> = finality.disputes().cloned().collect();
        let accepted: BTreeSet<String> = finality.accepted().map(str::to_owned).collect();
        drop(finality);
        self.disputes.keep(self, disputes, &accepted);
        height
    }

    /// Answers everyone whose block is final.
    pub fn settle(&self) {
        let height = self.with_finality(Finality::final_height);
        let endorsed_by = |height| self.with_finality(|f| (f.endorsed_by(height), f.voters(height)));
        self.waiters.finalized(height, endorsed_by);
    }
}

/// What this peer got at a height; `None` above its newest.
pub(super) fn own_at(view: &View, height: u64) -> Result<Option<Own>, StoreError> {
    let header = view.header(height)?;
    Ok(header.map(|header| Own {
        proposal: header.proposal,
        header: header.digest(),
    }))
}
