//! How the shared parts of a peer come up from its store.

use super::configs::{Configs, know_configs};
use super::damage_reports::DamageReports;
use super::endorsers::Endorsers;
use super::finality::own_at;
use super::heard_peers::HeardPeers;
use super::heights::{Executed, Heights};
use super::me::Me;
use super::stopping::Stopping;
use super::{Node, missing};
use crate::alarms::Alarms;
use crate::dispute_book::DisputeBook;
use crate::evidence_book::EvidenceBook;
use crate::finality::{Era, Finality};
use crate::header_tree::HeaderTree;
use crate::heard_votes::HeardVotes;
use crate::missed_proofs::MissedProofs;
use crate::pool::Pool;
use crate::proposal_cache::ProposalCache;
use crate::scrubber::ScrubProgress;
use crate::silence::SilentCollectors;
use crate::vote_log::VoteLog;
use crate::waiters::Waiters;
use e2l_identity::CurrentIdentity;
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Acknowledgement, Endorsement, Genesis, Signer, Vote};
use e2l_store::{LedgerStore, StoreError};
use parking_lot::Mutex;
use std::sync::Arc;

impl Node {
    /// Brings a peer's shared state up from its store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(
        genesis: &Genesis,
        identity: Arc<CurrentIdentity>,
        store: LedgerStore,
        pool: Pool,
    ) -> Result<Arc<Self>, StoreError> {
        let tip = store.tip()?;
        let view = Arc::new(store.view());
        let anchor = Anchor::checked(genesis);
        know_configs(&anchor, &view)?;
        let final_height = store.final_height().min(tip.height);
        let heights = Heights::load(store.clone(), tip, view)?;
        let newest = heights.newest();
        let mut finality = Finality::new(
            Era::of(0, &genesis.config),
            &identity.member().actor,
            final_height,
        );
        for epoch in anchor.epochs() {
            finality.begin(Era::of(epoch.from, &epoch.config));
        }
        recall(&mut finality, &store, &newest)?;
        let disputes = DisputeBook::load(&store, &mut finality, |height| own_at(&newest.view, height))?;
        let node = Self {
            network: genesis.digest(),
            evidence: EvidenceBook::load(&store, &anchor)?,
            configs: Configs::new(anchor.newest()),
            anchor,
            votes: VoteLog::new(identity.get()),
            me: Me::new(identity),
            endorsers: Endorsers::new(store.clone()),
            store,
            signatures: Arc::default(),
            pool,
            proposals: ProposalCache::default(),
            waiters: Waiters::default(),
            heard_votes: HeardVotes::default(),
            heard_peers: HeardPeers::default(),
            missed_proofs: MissedProofs::default(),
            keeping_votes: Mutex::default(),
            headers: HeaderTree::default(),
            scrub: ScrubProgress::default(),
            damage: DamageReports::default(),
            heights,
            finality: Mutex::new(finality),
            disputes,
            silent: SilentCollectors::default(),
            alarms: Alarms::default(),
            stopping: Stopping::default(),
        };
        for (actor, _) in node.config().voters() {
            node.missed_proofs.lost(&actor.name, final_height);
        }
        let node = Arc::new(node);
        node.endorsers.remember(node.me.signer().certificate())?;
        node.repeat_votes()?;
        node.disputes.alarm(&node);
        node.advance();
        Ok(node)
    }

    /// Says again what was signed last, so that the others hear it after a restart.
    fn repeat_votes(&self) -> Result<(), StoreError> {
        let signed = self.store.signed();
        if let Some((height, proposal)) = signed.ack {
            self.cast(Vote::Acknowledgement(Acknowledgement {
                network: self.network,
                height,
                proposal,
            }));
        }
        if let Some((height, header)) = signed.endorsement {
            self.cast(Vote::Endorsement(Endorsement {
                network: self.network,
                height,
                header,
            }));
        }
        Ok(())
    }
}

/// Tells finality what the store knows: what was executed from the last final height on, and everyone's newest votes.
fn recall(finality: &mut Finality, store: &LedgerStore, newest: &Executed) -> Result<(), StoreError> {
    for height in finality.final_height()..=newest.header.height {
        let header = newest.view.header(height)?.ok_or_else(|| missing(height))?;
        finality.executed(height, header.proposal, header.digest());
    }
    // A damaged header is found and repaired later; it is no reason not to start.
    let readable = |height| own_at(&newest.view, height).ok().flatten();
    if let Some((height, header)) = store.signed().endorsement
        && readable(height).is_some_and(|own| own.header == header)
    {
        finality.endorsed(height);
    }
    for (actor, vote) in store.newest_votes() {
        let height = vote.vote.height();
        let forgotten = finality.has_forgotten(height);
        let own = if forgotten { readable(height) } else { None };
        finality.voted(&actor, &vote.vote, own);
    }
    Ok(())
}
