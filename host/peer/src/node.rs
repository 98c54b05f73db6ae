//! What the parts of a peer share.

use crate::finality::Finality;
use crate::header_tree::HeaderTree;
use crate::log_tree::LogTree;
use crate::pool::{Pool, heads_after};
use crate::repair::Damage;
use crate::scrubber::ScrubProgress;
use crate::vote_log::VoteLog;
use crate::votes_in::now_nano;
use crate::waiters::Waiters;
use e2l_execution::SignatureCache;
use e2l_identity::Trust;
use e2l_ledger::proof::Anchor;
use e2l_ledger::{
    Certificate, Digest, Genesis, Header, Member, NetworkConfig, SenderHead, SignedVote, Signer, StateKey,
    Vote,
};
use e2l_store::{LedgerStore, StoreError, View};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Final heights below the newest that are kept.
const KEPT_FINAL: usize = 64;

/// A height that this peer has executed.
#[derive(Clone)]
pub struct Executed {
    /// Its header.
    pub header: Header,
    /// The state right after it.
    pub view: Arc<View>,
    /// Where Raft stood: opaque to all but the consensus crate.
    pub marker: Vec<u8>,
    /// Transactions of all blocks up to here.
    pub transactions: u64,
}

/// The shared parts of a peer.
pub struct Node {
    /// Hash of the genesis.
    pub network: Digest,
    /// What proofs of other peers are checked against.
    pub anchor: Anchor,
    /// The configuration in force.
    pub config: Arc<NetworkConfig>,
    /// Signs in this peer's name.
    pub signer: Arc<dyn Signer>,
    /// Blocks and state.
    pub store: LedgerStore,
    /// Signatures found good.
    pub signatures: Arc<SignatureCache>,
    /// Envelopes on their way to the ledger.
    pub pool: Pool,
    /// Callers that wait.
    pub waiters: Waiters,
    /// This peer's own votes, for the others.
    pub votes: VoteLog,
    /// Roots over runs of headers.
    pub headers: HeaderTree,
    /// Roots over runs of log entries.
    pub logs: LogTree,
    /// How far the scrubber is.
    pub scrub: ScrubProgress,
    damage: mpsc::Sender<Damage>,
    reports: Mutex<Option<mpsc::Receiver<Damage>>>,
    /// Blocks whose headers could not be read at the start, so that their transactions are not counted yet.
    uncounted: Mutex<BTreeSet<u64>>,
    finality: Mutex<Finality>,
    executed: Mutex<BTreeMap<u64, Executed>>,
    /// Final heights below the newest, the newest last.
    past: Mutex<VecDeque<Arc<Executed>>>,
    newest: RwLock<Executed>,
    finalized: watch::Sender<Option<Finalized>>,
    alarms: Mutex<BTreeSet<String>>,
    fatal: watch::Sender<Option<String>>,
    endorsers: Mutex<BTreeMap<Digest, Certificate>>,
    heard: Mutex<BTreeMap<String, Heard>>,
}

/// When another actor's peer was last heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Whether the link works now.
    pub linked: bool,
    /// Nanoseconds since the Unix epoch; 0 for never.
    pub at_nano: i64,
}

/// The newest final height, and what is read there.
#[derive(Clone)]
pub struct Finalized {
    /// Height, header and state.
    pub at: Arc<Executed>,
}

impl Trust for Node {
    fn config(&self) -> Arc<NetworkConfig> {
        self.config.clone()
    }
}

impl Node {
    /// Brings a peer's shared state up from its store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(
        genesis: &Genesis,
        signer: Arc<dyn Signer>,
        store: LedgerStore,
        pool: Pool,
    ) -> Result<Arc<Self>, StoreError> {
        let config = Arc::new(genesis.config.clone());
        let tip = store.tip()?;
        let actor = signer.certificate().member().actor.clone();
        let voters = config.voters().map(|(actor, _)| actor.name.clone());
        let final_height = store.final_height().min(tip.height);
        let mut finality = Finality::new(config.finality, &actor, voters, final_height);
        let view = Arc::new(store.view());
        let (transactions, uncounted) = count_transactions(&view, tip.height)?;
        let newest = Executed {
            header: tip.header,
            transactions,
            view,
            marker: tip.raft_applied.unwrap_or_default(),
        };
        for height in final_height..=tip.height {
            let header = newest.view.header(height)?.ok_or_else(|| missing(height))?;
            finality.executed(height, header.proposal, header.digest());
        }
        for (actor, vote) in store.newest_votes() {
            finality.voted(&actor, &vote.vote);
        }
        let (damage, reports) = mpsc::channel(64);
        let node = Self {
            network: genesis.digest(),
            anchor: Anchor::checked(genesis),
            config,
            signer,
            store,
            signatures: Arc::default(),
            pool,
            waiters: Waiters::default(),
            votes: VoteLog::default(),
            headers: HeaderTree::default(),
            logs: LogTree::default(),
            scrub: ScrubProgress::default(),
            damage,
            reports: Mutex::new(Some(reports)),
            uncounted: Mutex::new(uncounted),
            finality: Mutex::new(finality),
            executed: Mutex::new(BTreeMap::from([(tip.height, newest.clone())])),
            past: Mutex::default(),
            newest: RwLock::new(newest),
            finalized: watch::Sender::new(None),
            alarms: Mutex::default(),
            fatal: watch::Sender::new(None),
            endorsers: Mutex::default(),
            heard: Mutex::default(),
        };
        let node = Arc::new(node);
        node.remember_endorser(node.signer.certificate())?;
        node.repeat_votes()?;
        node.advance();
        Ok(node)
    }

    /// Says again what was signed last, so that the others hear it after a restart.
    fn repeat_votes(&self) -> Result<(), StoreError> {
        let signed = self.store.signed();
        if let Some((height, proposal)) = signed.ack {
            self.cast(Vote::Acknowledgement(e2l_ledger::Acknowledgement {
                network: self.network,
                height,
                proposal,
            }));
        }
        if let Some((height, header)) = signed.endorsement {
            self.cast(Vote::Endorsement(e2l_ledger::Endorsement {
                network: self.network,
                height,
                header,
            }));
        }
        Ok(())
    }

    /// Who this peer is.
    pub fn me(&self) -> &Member {
        self.signer.certificate().member()
    }

    /// Signs a vote and offers it to the other peers. The caller has made the sign-once record durable.
    pub fn cast(&self, vote: Vote) -> SignedVote {
        let vote = SignedVote::sign(vote, &*self.signer);
        self.offer(&vote);
        vote
    }

    /// Offers a signed vote to the other peers.
    pub fn offer(&self, vote: &SignedVote) {
        self.votes.push(vote);
    }

    /// The newest height executed here.
    pub fn newest(&self) -> Executed {
        self.newest.read().clone()
    }

    /// A block was executed and is durable.
    pub fn on_executed(&self, block: &e2l_ledger::Block, executed: Executed) {
        let height = block.header.height;
        *self.newest.write() = executed.clone();
        self.executed.lock().insert(height, executed);
        self.pool.executed(block, heads_after(block));
        for outcome in block.outcomes().filter(|outcome| outcome.refused) {
            self.pool.drop_envelope(outcome.envelope);
        }
        self.waiters.executed(block);
        self.finality
            .lock()
            .executed(height, block.header.proposal, block.header.digest());
        self.advance();
    }

    /// Reports damage, for the repairer. When too much is reported at once some is found again later.
    pub fn report(&self, damage: Damage) {
        if let Err(error) = self.damage.try_send(damage) {
            tracing::warn!(%error, "damage was found and cannot be repaired now");
        }
    }

    /// The reports, for the one repairer; `None` when they were taken before.
    pub fn take_reports(&self) -> Option<mpsc::Receiver<Damage>> {
        self.reports.lock().take()
    }

    /// A block was written anew: views that were taken before do not see it. Those of older heights are not
    /// replaced; they go now, or with the next block.
    pub fn repaired(&self, block: &e2l_ledger::Block) {
        self.renew(Some(block));
    }

    /// Something that views read was written anew, and no block.
    pub fn renew_views(&self) {
        self.renew(None);
    }

    fn renew(&self, block: Option<&e2l_ledger::Block>) {
        self.past.lock().clear();
        let uncounted = block.filter(|block| self.uncounted.lock().remove(&block.header.height));
        let missed = uncounted.map_or(0, |block| u64::from(block.header.transactions));
        let view = Arc::new(self.store.view());
        let mut newest = self.newest.write();
        newest.transactions += missed;
        let height = newest.header.height;
        let current = view.height() == height;
        if current {
            newest.view = view.clone();
        }
        drop(newest);
        let refresh = |executed: &mut Executed| {
            executed.transactions += missed;
            if current && executed.header.height == height {
                executed.view = view.clone();
            }
        };
        self.executed.lock().values_mut().for_each(refresh);
        self.finalized.send_if_modified(|finalized| {
            let Some(known) = finalized else { return false };
            let mut at = (*known.at).clone();
            refresh(&mut at);
            known.at = Arc::new(at);
            true
        });
    }

    /// Another actor's peer voted; its signature was checked.
    /// Says whether it is worth keeping.
    pub fn on_vote(&self, actor: &str, vote: &SignedVote) -> bool {
        self.finality.lock().voted(actor, &vote.vote)
    }

    /// The link to another actor's peer came up or went down.
    pub fn on_link(&self, actor: &str, linked: bool) {
        let mut heard = self.heard.lock();
        let entry = heard
            .entry(actor.to_owned())
            .or_insert(Heard { linked, at_nano: 0 });
        entry.linked = linked;
        if linked {
            entry.at_nano = now_nano();
        }
        drop(heard);
        self.finality.lock().linked(actor, linked);
        self.advance();
    }

    /// Makes final what can be made final now.
    pub fn advance(&self) {
        let mut finality = self.finality.lock();
        let height = finality.advance(Instant::now());
        for divergence in finality.divergences() {
            self.alarm(format!(
                "{}'s {} of height {} says {}, this peer has {}: compare the two peers' ledgers",
                divergence.actor, divergence.what, divergence.height, divergence.other, divergence.own
            ));
        }
        drop(finality);
        let known = self
            .finalized
            .borrow()
            .as_ref()
            .map(|known| known.at.header.height);
        if known.is_some_and(|known| known >= height) {
            return;
        }
        let mut executed = self.executed.lock();
        let Some(at) = executed.get(&height).cloned() else {
            return;
        };
        let open = executed.split_off(&height);
        let below = std::mem::replace(&mut *executed, open);
        drop(executed);
        self.keep_past(below.into_values());
        if let Err(error) = self.store.save_final_height(height) {
            self.alarm(format!("the final height cannot be written: {error}"));
        }
        self.finalized.send_modify(|finalized| {
            let newer = finalized
                .as_ref()
                .is_none_or(|known| known.at.header.height < height);
            if newer {
                *finalized = Some(Finalized { at: Arc::new(at) });
            }
        });
        self.settle();
    }

    /// Keeps the last final heights, for those who want the same height of several peers.
    fn keep_past(&self, below: impl Iterator<Item = Executed>) {
        let mut past = self.past.lock();
        past.extend(below.map(Arc::new));
        let surplus = past.len().saturating_sub(KEPT_FINAL);
        past.drain(..surplus);
    }

    /// A final height, if it is the newest or one of the last before.
    pub fn final_at(&self, height: u64) -> Option<Arc<Executed>> {
        let newest = self.finalized().map(|known| known.at);
        if let Some(newest) = newest.filter(|newest| newest.header.height == height) {
            return Some(newest);
        }
        let past = self.past.lock();
        past.iter().find(|at| at.header.height == height).cloned()
    }

    /// Answers everyone whose block is final.
    pub fn settle(&self) {
        let (height, voters) = self.with_finality(|finality| (finality.final_height(), finality.voters()));
        self.waiters.finalized(
            height,
            |height| self.with_finality(|f| f.endorsed_by(height)),
            voters,
        );
    }

    /// The newest final height; `None` until one is known after a start.
    pub fn finalized(&self) -> Option<Finalized> {
        self.finalized.borrow().clone()
    }

    /// Follows the newest final height.
    pub fn watch_finalized(&self) -> watch::Receiver<Option<Finalized>> {
        self.finalized.subscribe()
    }

    /// When another actor's peer was last heard; `None` before the first attempt.
    pub fn heard(&self, actor: &str) -> Option<Heard> {
        self.heard.lock().get(actor).copied()
    }

    /// Reads what finality knows.
    pub fn with_finality<T>(&self, read: impl FnOnce(&Finality) -> T) -> T {
        read(&self.finality.lock())
    }

    /// Raises an alarm: logged once, shown in the status until the peer restarts.
    pub fn alarm(&self, message: String) {
        if self.alarms.lock().insert(message.clone()) {
            tracing::error!(alarm = %message, "ALARM");
        }
    }

    /// An alarm's cause is gone.
    pub fn end_alarm(&self, message: &str) {
        if self.alarms.lock().remove(message) {
            tracing::info!(alarm = %message, "the alarm is over");
        }
    }

    /// The ledger can only be mended by a restore: the peer stops, and restores it when it is started again.
    pub fn must_restore(&self, why: &str) {
        self.alarm(format!("the ledger is damaged and must be restored: {why}"));
        if let Err(error) = self.store.set_restoring(Some(why)) {
            tracing::error!(%error, "that it must be restored cannot be noted");
        }
        self.fatal.send_replace(Some(why.to_owned()));
    }

    /// Becomes a reason when this peer must stop.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// Alarms in force.
    pub fn alarms(&self) -> Vec<String> {
        self.alarms.lock().iter().cloned().collect()
    }

    /// Where a sender of batches stands on the ledger, executed heights included.
    ///
    /// # Errors
    /// The store cannot be read, or the record is corrupt.
    pub fn ledger_head(&self, sender: &Member) -> Result<SenderHead, HeadError> {
        let record = self.newest().view.get(&StateKey::sender(sender))?;
        Ok(crate::pool::decode_head(record)?)
    }

    /// Keeps the certificate of a peer that votes: proofs of what it endorsed need it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remember_endorser(&self, certificate: &Certificate) -> Result<(), StoreError> {
        let digest = certificate.digest();
        if self.endorsers.lock().contains_key(&digest) {
            return Ok(());
        }
        self.store.save_certificate(&digest, certificate.der())?;
        self.endorsers.lock().insert(digest, certificate.clone());
        Ok(())
    }

    /// The certificate of a peer that has voted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn endorser(&self, digest: &Digest) -> Result<Option<Certificate>, StoreError> {
        if let Some(certificate) = self.endorsers.lock().get(digest) {
            return Ok(Some(certificate.clone()));
        }
        let der = match self.store.certificate(digest) {
            // As good as none: it comes again with the next vote, or with a repair.
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "a certificate of an endorser is damaged");
                None
            }
            found => found?,
        };
        Ok(der.and_then(|der| Certificate::parse(&der).ok()))
    }

    /// A certificate that is on the ledger.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn certificate(&self, digest: &Digest) -> Result<Option<Certificate>, StoreError> {
        let der = self.newest().view.get(&StateKey::certificate(digest))?;
        Ok(der.and_then(|der| Certificate::parse(&der).ok()))
    }
}

/// Transactions up to a height, and the blocks whose headers cannot be read: they are counted when they are
/// repaired.
fn count_transactions(view: &View, tip: u64) -> Result<(u64, BTreeSet<u64>), StoreError> {
    let (mut count, mut damaged) = (0, BTreeSet::new());
    for height in 1..=tip {
        match view.header(height) {
            Ok(Some(header)) => count += u64::from(header.transactions),
            Ok(None) => return Err(missing(height)),
            Err(error) if error.damaged_height().is_some() => {
                damaged.insert(height);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((count, damaged))
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
    Record(#[from] e2l_ledger::DecodeError),
}
