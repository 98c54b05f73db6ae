//! What the parts of a peer share.

mod configs;
mod damage_reports;
mod endorsers;
mod finality;
mod heard_peers;
mod heights;
mod me;
mod start;
mod stopping;

use crate::alarms::Alarms;
use crate::dispute_book::DisputeBook;
use crate::evidence_book::EvidenceBook;
use crate::finality::{Era, Finality};
use crate::header_tree::HeaderTree;
use crate::heard_votes::HeardVotes;
use crate::missed_proofs::MissedProofs;
use crate::pool::{Pool, decode_head};
use crate::proposal_cache::ProposalCache;
use crate::scrubber::ScrubProgress;
use crate::silence::SilentCollectors;
use crate::vote_log::VoteLog;
use crate::votes_in::now_nano;
use crate::waiters::Waiters;
use configs::Configs;
use damage_reports::DamageReports;
use e2l_execution::SignatureCache;
use e2l_identity::{Identity, Trust};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{
    Certificate, DecodeError, Digest, Member, NetworkConfig, SenderHead, SignedVote, StateKey, Vote,
};
use e2l_store::{LedgerStore, StoreError};
use endorsers::Endorsers;
use heard_peers::HeardPeers;
use heights::Heights;
use me::Me;
use parking_lot::Mutex;
use std::sync::Arc;
use stopping::Stopping;
use tokio::sync::watch;

pub(crate) use configs::know_configs;
pub use heights::{Executed, Finalized};

/// The shared parts of a peer.
pub struct Node {
    /// Hash of the genesis.
    pub network: Digest,
    /// What proofs of other peers are checked against.
    pub anchor: Anchor,
    /// The configurations that this peer goes by now.
    pub configs: Configs,
    /// Who this peer is.
    pub me: Me,
    /// Blocks and state.
    pub store: LedgerStore,
    /// Signatures found good.
    pub signatures: Arc<SignatureCache>,
    /// Envelopes on their way to the ledger.
    pub pool: Pool,
    /// Proposals on their way to execution.
    pub proposals: ProposalCache,
    /// Callers that wait.
    pub waiters: Waiters,
    /// This peer's own votes, for the others.
    pub votes: VoteLog,
    /// The others' newest votes.
    pub heard_votes: HeardVotes,
    /// When the others were last heard.
    pub heard_peers: HeardPeers,
    /// Certificates of peers that have voted.
    pub endorsers: Endorsers,
    /// Heights that became final by votes that prove too little.
    pub missed_proofs: MissedProofs,
    /// Held while a vote is compared with what is kept of its signer, and until it is kept itself.
    pub keeping_votes: Mutex<()>,
    /// What convicts others.
    pub evidence: EvidenceBook,
    /// Roots over runs of headers.
    pub headers: HeaderTree,
    /// How far the scrubber is.
    pub scrub: ScrubProgress,
    /// What the repairer is told.
    pub damage: DamageReports,
    /// What was executed here, and what of it is final.
    pub heights: Heights,
    finality: Mutex<Finality>,
    /// What has stopped finality.
    disputes: DisputeBook,
    /// Collectors that do not keep their promise of heartbeats.
    pub silent: SilentCollectors,
    /// What needs somebody's attention.
    pub alarms: Alarms,
    /// Why and when this peer stops.
    pub stopping: Stopping,
}

/// Whoever is behind trusts what the others do by now: it could not come to the height where it would learn it.
impl Trust for Node {
    fn config(&self) -> Arc<NetworkConfig> {
        self.configs.trusted()
    }
}

impl Node {
    /// The configuration of the next height.
    pub fn config(&self) -> Arc<NetworkConfig> {
        self.configs.next()
    }

    /// Others have proven a change of the configuration, perhaps one that this peer has still to execute.
    pub fn on_proven_config(&self) {
        self.configs.on_proven(self.anchor.newest());
    }

    /// A block that was executed has changed the configuration, from this height on.
    pub fn on_config(&self, from: u64, config: NetworkConfig) {
        tracing::info!(from, root = %config.root(), "the network's configuration changes");
        self.anchor.know(from, config.clone());
        self.finality.lock().begin(Era::of(from, &config));
        self.configs.on_executed(config);
        self.on_proven_config();
    }

    /// Signs with another key from now on, if it is this peer's and the configuration in force trusts its certificate;
    /// says whether it is another. Proofs of what it endorses need the certificate, so that is kept first.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn take_identity(&self, candidate: Identity) -> Result<bool, String> {
        let judged = self.me.identity.judge(candidate, &self.config(), now_nano());
        let Some(successor) = judged.map_err(|error| error.to_string())? else {
            return Ok(false);
        };
        match self.endorsers.remember(successor.certificate()) {
            Ok(true) => {}
            Ok(false) => return Err("this peer has used too many certificates: restart it".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        self.me.identity.publish(successor);
        self.votes.sign_with(self.me.signer());
        Ok(true)
    }

    /// Signs a vote and offers it to the other peers. The caller has made the sign-once record durable.
    pub fn cast(&self, vote: Vote) -> SignedVote {
        let vote = SignedVote::sign(vote, &*self.me.signer());
        self.offer([&vote]);
        vote
    }

    /// Offers signed votes to the other peers.
    pub fn offer<'a>(&self, votes: impl IntoIterator<Item = &'a SignedVote>) {
        self.votes.push(votes);
    }

    /// The newest height executed here.
    pub fn newest(&self) -> Executed {
        self.heights.newest()
    }

    /// The newest final height; `None` until one is known after a start.
    pub fn finalized(&self) -> Option<Finalized> {
        self.heights.finalized()
    }

    /// Follows the newest final height.
    pub fn watch_finalized(&self) -> watch::Receiver<Option<Finalized>> {
        self.heights.watch_finalized()
    }

    /// Where a sender of batches stands on the ledger, executed heights included.
    ///
    /// # Errors
    /// The store cannot be read, or the record is corrupt.
    pub fn ledger_head(&self, sender: &Member) -> Result<SenderHead, HeadError> {
        let record = self.newest().view.get(&StateKey::sender(sender))?;
        Ok(decode_head(record)?)
    }

    /// A certificate that is on the ledger.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn certificate(&self, digest: &Digest) -> Result<Option<Certificate>, StoreError> {
        let der = self.newest().view.get(&StateKey::certificate(digest))?;
        Ok(der.and_then(|der| Certificate::parse(&der).ok()))
    }

    /// Alarms in force, a bounded number; the last one says how many are left out.
    pub fn alarms(&self) -> Vec<String> {
        self.alarms.shown()
    }

    /// The ledger can only be mended by a restore: the peer stops, and restores it when it is started again.
    pub fn must_restore(&self, why: &str) {
        self.alarms
            .raise(format!("the ledger is damaged and must be restored: {why}"));
        if let Err(error) = self.store.condemn(why) {
            tracing::error!(%error, "that it must be restored cannot be noted");
        }
        self.stopping.demand(format!(
            "the ledger is damaged: {why}; start this peer again, and it restores its ledger from the others"
        ));
    }
}

/// A block below the newest one is not in the store.
pub fn missing(height: u64) -> StoreError {
    StoreError::missing_block(height)
}

/// Why a sender's head cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record.
    #[error(transparent)]
    Record(#[from] DecodeError),
}
