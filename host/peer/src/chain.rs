//! The chain of blocks: turns committed proposals and fetched blocks into executed, durable blocks. All of it
//! runs on one thread with a stack that deep contract calls need.

use crate::admission::inspect;
use crate::engine::check_engine;
use crate::evidence::check_ledger_batch;
use crate::node::{Executed, Node};
use e2l_consensus::Committed;
use e2l_execution::{
    ChainTip, Execution, ExecutionError, Executor, VoidProposal, check_chain, check_proposal, is_preparing,
};
use e2l_ledger::proof::MapProof;
use e2l_ledger::{
    Acknowledgement, Block, Canonical, Certificate, Digest, Domain, Endorsement, Envelope, Header,
    InspectedProposal, NetworkConfig, PackedProposal, PackedProposalError, SignedProposal, SignedVote,
    StateKey, Vote,
};
use e2l_store::{ActorVote, BlockWrite, SignOnceError, Statement, StoreError, View};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Transactions of a block that may be acknowledged when it is executed.
const SMALL_BLOCK: usize = 100;
/// About what a sync and a message to the others take: executing a block takes less, or its next is acknowledged first.
const QUICK: Duration = Duration::from_millis(5);

/// Why the chain cannot go on. All but [`ChainError::Foreign`] stop the peer.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Execution failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block that another peer sent is not acceptable.
    #[error("block {height} that another peer sent is not acceptable: {why}")]
    Foreign {
        /// Its height.
        height: u64,
        /// What is wrong.
        why: String,
    },
    /// The thread is gone.
    #[error("the execution thread has stopped: see the peer's log for the reason")]
    Stopped,
}

/// Why a committed proposal is void.
#[derive(Debug, thiserror::Error)]
enum Void {
    #[error(transparent)]
    Encoding(#[from] PackedProposalError),
    #[error(transparent)]
    Rule(#[from] VoidProposal),
    #[error("it was signed for term {signed} and appended in term {appended}")]
    Term { signed: u64, appended: u64 },
}

/// The chain.
pub struct Chain {
    node: Arc<Node>,
    executor: Executor,
    tip: Header,
    /// Of the next height.
    config: Arc<NetworkConfig>,
    marker: Vec<u8>,
    /// Whether the last block was executed in no time.
    quick: bool,
}

impl Chain {
    /// Goes on from the newest executed height.
    pub fn new(node: Arc<Node>, executor: Executor) -> Self {
        let newest = node.newest();
        Self {
            config: node.config(),
            node,
            executor,
            tip: newest.header,
            marker: newest.marker,
            quick: true,
        }
    }

    /// Executes committed entries in order.
    ///
    /// # Errors
    /// The store or the engine failed; the peer must stop.
    pub fn apply(&mut self, entries: Vec<Committed>) -> Result<(), ChainError> {
        let mut saved = true;
        for entry in entries {
            match entry {
                Committed::Other { marker } => {
                    self.marker = marker;
                    saved = false;
                }
                Committed::Proposal {
                    index,
                    term,
                    bytes,
                    marker,
                } => {
                    self.marker = marker;
                    saved = match self.judge(&bytes, term) {
                        Ok(inspected) => {
                            self.acknowledge_and_execute(inspected)?;
                            true
                        }
                        // So are those that a restored ledger has executed: Raft resumes below its height.
                        Err(Judged::Void(why)) => {
                            if self.is_executed(&bytes) {
                                tracing::debug!(index, term, "a committed proposal is executed already");
                            } else {
                                tracing::warn!(index, term, %why, "a committed proposal is void: no block comes of it");
                            }
                            self.node.pool.unpropose();
                            false
                        }
                        Err(Judged::Failed(error)) => return Err(error.into()),
                    };
                }
            }
        }
        if !saved {
            self.node.store.save_raft_applied(&self.marker)?;
        }
        Ok(())
    }

    /// Whether a proposal is of a height that this peer has executed before Raft came to it.
    fn is_executed(&self, bytes: &[u8]) -> bool {
        PackedProposal::decode(bytes).is_ok_and(|packed| packed.header.height <= self.tip.height)
    }

    fn judge(&self, bytes: &[u8], term: u64) -> Result<InspectedProposal, Judged> {
        // What was inspected under other limits is inspected again: every peer must come to the same end.
        let inspected = match self.node.proposals.take(bytes) {
            Some(kept) if kept.limits == self.config.limits => kept.inspected,
            _ => inspect(&self.node, bytes, &self.config.limits).map_err(Void::from)?,
        };
        let proposal = &inspected.proposal;
        if proposal.header.term != term {
            return Err(Void::Term {
                signed: proposal.header.term,
                appended: term,
            }
            .into());
        }
        self.check(proposal)?;
        Ok(inspected)
    }

    fn check(&self, proposal: &SignedProposal) -> Result<(), Judged> {
        let node = &self.node;
        let Some(certificate) = leader_certificate(node, proposal)? else {
            let unknown = VoidProposal::UnknownCertificate(proposal.signature.certificate);
            return Err(Void::Rule(unknown).into());
        };
        let tip = ChainTip {
            height: self.tip.height,
            proposal: self.tip.proposal,
            time_nano: self.tip.time_nano,
            preparing: proposal.envelopes.is_empty() && is_preparing(&node.newest().view)?,
        };
        check_proposal(
            proposal,
            &certificate,
            &node.network,
            &self.config,
            &node.signatures,
        )
        .and_then(|()| check_chain(proposal, &tip))
        .map_err(|rule| Judged::Void(rule.into()))
    }

    /// Says, before executing, which proposal was committed at this height.
    fn acknowledge(&self, proposal: &SignedProposal) -> Result<(), ChainError> {
        let (height, digest) = (proposal.header.height, proposal.header.digest());
        match self.node.store.reserve_acknowledgement(height, &digest) {
            Ok(()) => {
                self.node.cast(self.acknowledgement(height, digest));
                Ok(())
            }
            Err(StoreError::SignOnce(conflict)) => {
                self.refuse_acknowledgement(height, &conflict);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn acknowledgement(&self, height: u64, proposal: Digest) -> Vote {
        Vote::Acknowledgement(Acknowledgement {
            network: self.node.network,
            height,
            proposal,
        })
    }

    fn refuse_acknowledgement(&self, height: u64, conflict: &SignOnceError) {
        self.node.alarms.raise(format!(
            "this peer does not acknowledge height {height}: {conflict}"
        ));
    }

    /// A large block, or one after a slow one, is acknowledged before it is executed, so that nobody waits for the slowest
    /// peer's execution. For any other that would only be one more sync and one more message: the acknowledgement goes
    /// with the endorsement.
    fn acknowledge_and_execute(&mut self, inspected: InspectedProposal) -> Result<(), ChainError> {
        check_engine(&self.config)?;
        let votes = self.node.me.votes_under(&self.config);
        let together = self.quick && inspected.proposal.transactions() <= SMALL_BLOCK;
        if votes && !together {
            self.acknowledge(&inspected.proposal)?;
        }
        let base = self.node.newest().view;
        let begun = Instant::now();
        let execution = self.executor.execute(inspected, &self.tip, &self.config, base)?;
        self.quick = begun.elapsed() < QUICK;
        self.write(execution, votes && together)
    }

    /// Makes a block durable together with this peer's votes about it, and tells the others.
    fn write(&mut self, execution: Execution, acknowledges: bool) -> Result<(), ChainError> {
        let Execution {
            block,
            writes,
            packed,
            next_config,
        } = execution;
        let (height, header) = (block.header.height, block.header.digest());
        let vote = self.endorse(height, header)?;
        let mut write = BlockWrite {
            block: &block,
            state: writes.state,
            logs: writes.logs,
            packed,
            raft_applied: &self.marker,
            acknowledges,
            endorsement: vote.as_ref(),
        };
        match self.node.store.write_block(&write) {
            Err(StoreError::SignOnce(conflict))
                if acknowledges && conflict.statement == Statement::Acknowledgement =>
            {
                self.refuse_acknowledgement(height, &conflict);
                write.acknowledges = false;
                self.node.store.write_block(&write)?;
            }
            written => written?,
        }
        let acknowledgement = write.acknowledges.then(|| {
            let vote = self.acknowledgement(height, block.header.proposal);
            SignedVote::sign(vote, &*self.node.me.signer())
        });
        let endorsement = vote.as_ref().map(|(_, vote)| vote);
        self.node.offer(acknowledgement.iter().chain(endorsement));
        self.tip = block.header.clone();
        if let Some(config) = next_config {
            self.node.on_config(height + 1, config);
            self.config = self.node.config();
        }
        let executed = Executed {
            header: block.header.clone(),
            view: Arc::new(self.node.store.view()),
            marker: self.marker.clone(),
            transactions: self.node.newest().transactions + u64::from(block.header.transactions),
        };
        for rival in self.node.on_executed(&block, executed, vote.is_some()) {
            if let Envelope::Batch(batch) = &*rival.envelope
                && let Err(error) = check_ledger_batch(&self.node, height, batch, &rival.certificate)
            {
                tracing::error!(%error, "evidence cannot be kept");
            }
        }
        Ok(())
    }

    /// Signs the header, unless this peer has signed another one at this height or above, or what it computes is not
    /// what the others do.
    fn endorse(&self, height: u64, header: Digest) -> Result<Option<ActorVote>, ChainError> {
        if !self.node.me.votes_under(&self.config) {
            return Ok(None);
        }
        if self.node.with_finality(|finality| finality.outvoted()).is_some() {
            return Ok(None);
        }
        let signed = self.node.store.signed().endorsement;
        if signed.is_some_and(|(last, digest)| last > height || (last == height && digest != header)) {
            self.node.alarms.raise(format!(
                "this peer does not endorse height {height}: it has endorsed {signed:?}, as after a rolled-back \
                 database"
            ));
            return Ok(None);
        }
        let vote = Vote::Endorsement(Endorsement {
            network: self.node.network,
            height,
            header,
        });
        let vote = SignedVote::sign(vote, &*self.node.me.signer());
        Ok(Some((self.node.me.member().actor.clone(), vote)))
    }

    /// Executes a block that another peer sent and that this peer's own log no longer holds. `marker` is
    /// where Raft stands after it, if known.
    ///
    /// # Errors
    /// It does not follow, or execution gives another header; store and engine failures.
    pub fn import(&mut self, block: Block, marker: Option<Vec<u8>>) -> Result<(), ChainError> {
        let height = block.header.height;
        if height <= self.tip.height {
            return Ok(());
        }
        check_engine(&self.config)?;
        let foreign = |why: String| ChainError::Foreign { height, why };
        match self.check(&block.proposal) {
            Ok(()) => {}
            Err(Judged::Void(why)) => return Err(foreign(why.to_string())),
            Err(Judged::Failed(error)) => return Err(error.into()),
        }
        if let Some(marker) = marker {
            self.marker = marker;
        }
        let base = self.node.newest().view;
        let execution = self.executor.execute(
            InspectedProposal::of(block.proposal),
            &self.tip,
            &self.config,
            base,
        )?;
        if execution.block.header != block.header {
            let why = format!(
                "executing it here gives header {}, the sender's is {}",
                execution.block.header.digest(),
                block.header.digest()
            );
            self.node.alarms.raise(format!("height {height}: {why}"));
            return Err(foreign(why));
        }
        self.write(execution, false)
    }

    /// Proof of what the state holds under a key, and the height as of which.
    ///
    /// # Errors
    /// What is on the disk is not what was executed; the store failed.
    pub fn prove(&self, key: &StateKey) -> Result<(Executed, MapProof), ChainError> {
        let (at, _) = self.value(key)?;
        Ok((at, self.executor.prove(key)))
    }

    /// What the state holds under a key, and the height as of which.
    ///
    /// # Errors
    /// As [`Chain::prove`].
    pub fn value(&self, key: &StateKey) -> Result<(Executed, Option<Vec<u8>>), ChainError> {
        let at = self.node.newest();
        let value = at.view.get(key)?;
        let seen = value.as_deref().map(|value| Domain::Value.hash(value));
        self.executor.check_values(at.header.height, [(key, &seen)])?;
        Ok((at, value))
    }

    /// Compares what was read as of a height with what was executed: see [`Executor::check_values`].
    ///
    /// # Errors
    /// A value is another one; the height is not remembered.
    pub fn check_values(&self, height: u64, values: &[(StateKey, Option<Digest>)]) -> Result<(), ChainError> {
        let values = values.iter().map(|(key, seen)| (key, seen));
        Ok(self.executor.check_values(height, values)?)
    }

    /// Checks that keys were there as of a height: see [`Executor::check_keys`].
    ///
    /// # Errors
    /// One was not; the height is not remembered.
    pub fn check_keys(&self, height: u64, keys: &[StateKey]) -> Result<(), ChainError> {
        Ok(self.executor.check_keys(height, keys)?)
    }

    /// How many keys there were as of a height.
    ///
    /// # Errors
    /// The height is not remembered.
    pub fn keys_at(&self, height: u64) -> Result<usize, ChainError> {
        Ok(self.executor.keys_at(height)?)
    }

    /// Compares a part of the state with what was executed: see [`Executor::check_state`].
    ///
    /// # Errors
    /// A value was altered; the store failed.
    pub fn check_state(
        &self,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Option<StateKey>, ChainError> {
        let view = self.node.newest().view;
        Ok(self.executor.check_state(&view, after, limit)?)
    }

    /// The newest state, and the number of keys that it must have.
    pub fn state(&self) -> (Arc<View>, usize) {
        (self.node.newest().view, self.executor.state_keys())
    }

    /// Raft stands at `marker`, which no block carries.
    ///
    /// # Errors
    /// The store failed.
    pub fn save_marker(&mut self, marker: Vec<u8>) -> Result<(), ChainError> {
        self.marker = marker;
        Ok(self.node.store.save_raft_applied(&self.marker)?)
    }
}

enum Judged {
    Void(Void),
    Failed(StoreError),
}

impl From<Void> for Judged {
    fn from(void: Void) -> Self {
        Self::Void(void)
    }
}

impl From<StoreError> for Judged {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// The certificate of a proposal's leader: it came with the proposal, or is on the ledger.
///
/// # Errors
/// The store cannot be read.
pub fn leader_certificate(node: &Node, proposal: &SignedProposal) -> Result<Option<Certificate>, StoreError> {
    let digest = proposal.signature.certificate;
    let brought = proposal
        .certificates
        .iter()
        .filter_map(|der| Certificate::parse(der).ok());
    match brought
        .into_iter()
        .find(|certificate| certificate.digest() == digest)
    {
        Some(certificate) => Ok(Some(certificate)),
        None => node.certificate(&digest),
    }
}
