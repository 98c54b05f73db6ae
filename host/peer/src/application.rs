//! What Raft drives: validates what a leader wants to append, applies what is committed.

use crate::admission::inspect;
use crate::catch_up::{catch_up, check_point};
use crate::chain::{ChainError, leader_certificate};
use crate::chain_thread::ChainThread;
use crate::evidence::check_proposals;
use crate::links::Links;
use crate::node::Node;
use crate::proposal_cache::Kept;
use crate::standing::log_end;
use crate::votes_in::now_nano;
use e2l_consensus::{
    Application, ApplicationError, Committed, Electorate, Incoming, NodeInfo, Refusal, SnapshotPoint,
};
use e2l_execution::{VoidProposal, check_proposal, is_preparing};
use e2l_ledger::{
    ActorConfig, Canonical, Certificate, NetworkConfig, PackedProposal, PackedProposalError, PeerConfig,
    SignedProposal,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ledger, as Raft sees it.
pub struct LedgerApplication {
    node: Arc<Node>,
    chain: ChainThread,
    links: Arc<Links>,
    /// Those of the configurations that are known.
    electorates: Mutex<Arc<[Electorate]>>,
}

impl LedgerApplication {
    /// Connects Raft to the chain.
    pub fn new(node: Arc<Node>, chain: ChainThread, links: Arc<Links>) -> Self {
        Self {
            node,
            chain,
            links,
            electorates: Mutex::new(Arc::new([])),
        }
    }

    /// One proposal that a leader wants to append.
    fn judge(&self, entry: &Incoming<'_>) -> Result<(), String> {
        let config = self.node.config();
        let inspected = match inspect(&self.node, entry.payload, &config.limits) {
            Ok(inspected) => inspected,
            Err(PackedProposalError::Encoding(error)) => return Err(error.to_string()),
            Err(error) => return self.unless_out_of_turn(entry.payload, error.to_string()),
        };
        let proposal = &inspected.proposal;
        let header = &proposal.header;
        if header.term > entry.term {
            return Err(format!(
                "it is signed for term {}, its log entry has term {}",
                header.term, entry.term
            ));
        }
        let certificate = leader_certificate(&self.node, proposal).map_err(|error| error.to_string())?;
        // A peer that has still to execute the blocks below may not know the leader's certificate yet; the
        // chain checks it again, with the ledger's state, before the proposal becomes a block.
        if let Some(certificate) = certificate {
            let node = &self.node;
            let checked = check_proposal(proposal, &certificate, &node.network, &config, &node.signatures);
            match checked {
                Ok(()) => {}
                Err(error) if error.depends_on_configuration() => {
                    return self.unless_out_of_turn(entry.payload, error.to_string());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        self.check_not_idle(proposal)?;
        let ahead_ms = header.time_nano.saturating_sub(now_nano()) / 1_000_000;
        let drift_ms = i64::try_from(config.limits.clock_drift_ms).unwrap_or(i64::MAX);
        if ahead_ms > drift_ms {
            return Err(format!(
                "its time is {ahead_ms} ms ahead of this peer's clock, at most {drift_ms} ms are accepted: check both \
                 clocks"
            ));
        }
        self.verify_envelopes(proposal);
        let limits = config.limits.clone();
        let kept = Kept { inspected, limits };
        self.node.proposals.keep(entry.payload.clone(), kept);
        Ok(())
    }

    /// A proposal with nothing in it is refused if it comes next and no preparation needs a block. Of one that comes later
    /// only the state of blocks that this peer has still to execute says whether it is needed: the chain asks that.
    fn check_not_idle(&self, proposal: &SignedProposal) -> Result<(), String> {
        let newest = self.node.newest();
        if !proposal.envelopes.is_empty()
            || proposal.header.height != newest.header.height.saturating_add(1)
            || is_preparing(&newest.view).map_err(|error| error.to_string())?
        {
            return Ok(());
        }
        Err(VoidProposal::Empty.to_string())
    }

    /// A proposal that breaks a rule of the configuration that this peer has come to: it is refused if it comes next.
    /// Blocks that this peer has still to execute may change the configuration, and then the chain decides: whoever
    /// refuses what the others accept is never told that those blocks are committed. Blocks that it has executed, before
    /// Raft came to them, may have changed it: no block comes of such a proposal.
    fn unless_out_of_turn(&self, payload: &[u8], why: String) -> Result<(), String> {
        let packed = PackedProposal::decode(payload).map_err(|error| error.to_string())?;
        if packed.header.height != self.node.newest().header.height.saturating_add(1) {
            tracing::debug!(%why, "a proposal is judged by the chain, when its turn comes");
            return Ok(());
        }
        Err(why)
    }

    /// Checks the senders' signatures now, off the execution thread, so that execution finds them checked. A
    /// bad one does not make the proposal bad: its envelope gets its code when it is executed.
    fn verify_envelopes(&self, proposal: &SignedProposal) {
        let brought: Vec<Certificate> = proposal
            .certificates
            .iter()
            .filter_map(|der| Certificate::parse(der).ok())
            .collect();
        for envelope in &proposal.envelopes {
            let digest = envelope.signature().certificate;
            let certificate = brought
                .iter()
                .find(|certificate| certificate.digest() == digest)
                .cloned();
            let certificate = certificate.or_else(|| self.node.certificate(&digest).ok().flatten());
            if let Some(certificate) = certificate {
                let (signed, signature) = (envelope.signed_digest(), envelope.signature());
                if let Err(error) = self.node.signatures.verify(&signed, signature, &certificate) {
                    tracing::warn!(sender = %envelope.sender(), %error, "a proposed envelope will be refused");
                }
            }
        }
    }
}

impl Application for LedgerApplication {
    fn applied(&self) -> Result<Option<Vec<u8>>, ApplicationError> {
        let marker = self
            .node
            .store
            .tip()
            .map_err(|error| ApplicationError::new(&error))?
            .raft_applied;
        Ok(marker)
    }

    fn apply(&self, entries: Vec<Committed>) -> BoxFuture<'_, Result<(), ApplicationError>> {
        let done = self.chain.run(move |chain| chain.apply(entries));
        async move {
            match done.await {
                Ok(result) => result.map_err(|error| ApplicationError::new(&error)),
                Err(_) => Err(ApplicationError::new(&ChainError::Stopped)),
            }
        }
        .boxed()
    }

    fn snapshot_point(&self) -> Result<Option<SnapshotPoint>, ApplicationError> {
        let Some(finalized) = self.node.finalized() else {
            return Ok(None);
        };
        let at = &finalized.at;
        if at.marker.is_empty() {
            return Ok(None);
        }
        Ok(Some(SnapshotPoint {
            marker: at.marker.clone(),
            height: at.header.height,
            header: at.header.digest().0,
        }))
    }

    fn install(&self, point: SnapshotPoint) -> BoxFuture<'_, Result<(), ApplicationError>> {
        async move {
            let header = e2l_ledger::Digest(point.header);
            catch_up(&self.node, &self.links, &self.chain, point.height, header)
                .await
                .map_err(|error| ApplicationError::new(&error))?;
            let marker = point.marker;
            match self.chain.run(move |chain| chain.save_marker(marker)).await {
                Ok(result) => result.map_err(|error| ApplicationError::new(&error)),
                Err(_) => Err(ApplicationError::new(&ChainError::Stopped)),
            }
        }
        .boxed()
    }

    fn validate(&self, _leader: u64, entries: &[Incoming<'_>]) -> Result<(), Refusal> {
        for entry in entries {
            self.judge(entry).map_err(|why| Refusal {
                index: entry.index,
                why,
            })?;
        }
        Ok(())
    }

    fn contradiction(&self, held: &[u8], sent: &[u8]) {
        // Only what was signed counts: it need not unpack.
        let signed = |bytes| PackedProposal::decode(bytes).map(PackedProposal::into_statement);
        let (Ok(held), Ok(sent)) = (signed(held), signed(sent)) else {
            return;
        };
        if let Err(error) = check_proposals(&self.node, &held, &sent) {
            tracing::error!(%error, "evidence cannot be kept");
        }
    }

    fn check_point(&self, height: u64, header: [u8; 32]) -> BoxFuture<'_, Result<(), String>> {
        check_point(&self.node, &self.links, height, e2l_ledger::Digest(header)).boxed()
    }

    fn log_end(&self, except: u64) -> BoxFuture<'_, Option<u64>> {
        log_end(&self.node, &self.links, except).boxed()
    }

    fn electorates(&self) -> Arc<[Electorate]> {
        let newest = self.node.anchor.newest_from();
        let mut known = self.electorates.lock();
        if known.last().is_none_or(|last| last.from != newest) {
            let epochs = self.node.anchor.epochs().into_iter();
            *known = epochs
                .map(|epoch| Electorate {
                    from: epoch.from,
                    voters: voters(&epoch.config),
                })
                .collect();
        }
        known.clone()
    }
}

/// The voters of a configuration, by Raft id.
pub fn voters(config: &NetworkConfig) -> BTreeMap<u64, NodeInfo> {
    let info = |(actor, peer): (&ActorConfig, &PeerConfig)| {
        let info = NodeInfo {
            actor: actor.name.clone(),
            address: peer.address.clone(),
        };
        (peer.raft_id, info)
    };
    config.voters().map(info).collect()
}
