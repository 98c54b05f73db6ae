//! What the parts of a peer share.

use crate::alarms::Alarms;
use crate::dispute::AcceptError;
use crate::dispute_book::DisputeBook;
use crate::evidence_book::EvidenceBook;
use crate::finality::{Divergence, Era, Finality, Own};
use crate::header_tree::HeaderTree;
use crate::heard_votes::HeardVotes;
use crate::missed_proofs::MissedProofs;
use crate::pool::{Pool, Pooled, heads_after};
use crate::proposal_cache::ProposalCache;
use crate::repair::Damage;
use crate::scrubber::ScrubProgress;
use crate::silence::SilentCollectors;
use crate::vote_log::VoteLog;
use crate::votes_in::now_nano;
use crate::waiters::Waiters;
use e2l_execution::SignatureCache;
use e2l_identity::{CurrentIdentity, Identity, Trust};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{
    Canonical, Certificate, Digest, Genesis, Header, Member, NetworkConfig, SenderHead, SignedVote, Signer,
    StateKey, Vote,
};
use e2l_store::{LedgerStore, StoreError, View};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Certificates of one actor's peers that are kept in one run: an actor can issue as many as it likes.
const MAX_CERTIFICATES: usize = 4096;
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
    /// The configuration of the next height.
    config: watch::Sender<Arc<NetworkConfig>>,
    /// The newest configuration that is known.
    trusted: watch::Sender<Arc<NetworkConfig>>,
    /// Who this peer is now.
    pub identity: Arc<CurrentIdentity>,
    /// Raft id that this peer takes part with; none before it is admitted.
    raft_id: OnceLock<u64>,
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
    damage: mpsc::Sender<Damage>,
    reports: Mutex<Option<mpsc::Receiver<Damage>>>,
    /// Blocks whose headers could not be read at the start, so that their transactions are not counted yet.
    uncounted: Mutex<BTreeSet<u64>>,
    finality: Mutex<Finality>,
    /// What has stopped finality.
    disputes: DisputeBook,
    executed: Mutex<BTreeMap<u64, Executed>>,
    /// Final heights below the newest, the newest last.
    past: Mutex<VecDeque<Arc<Executed>>>,
    newest: RwLock<Executed>,
    finalized: watch::Sender<Option<Finalized>>,
    /// Collectors that do not keep their promise of heartbeats.
    pub silent: SilentCollectors,
    alarms: Mutex<Alarms>,
    fatal: watch::Sender<Option<String>>,
    stopping: watch::Sender<bool>,
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

/// Whoever is behind trusts what the others do by now: it could not come to the height where it would learn it.
impl Trust for Node {
    fn config(&self) -> Arc<NetworkConfig> {
        self.trusted()
    }
}

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
        let actor = identity.member().actor.clone();
        let view = Arc::new(store.view());
        let anchor = Anchor::checked(genesis);
        know_configs(&anchor, &view)?;
        let config = anchor.newest();
        let final_height = store.final_height().min(tip.height);
        let mut finality = Finality::new(Era::of(0, &genesis.config), &actor, final_height);
        for epoch in anchor.epochs() {
            finality.begin(Era::of(epoch.from, &epoch.config));
        }
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
        let disputes = DisputeBook::load(&store, &mut finality, |height| own_at(&newest.view, height))?;
        let (damage, reports) = mpsc::channel(64);
        let node = Self {
            network: genesis.digest(),
            evidence: EvidenceBook::load(&store, &anchor)?,
            anchor,
            trusted: watch::Sender::new(config.clone()),
            config: watch::Sender::new(config),
            votes: VoteLog::new(identity.get()),
            identity,
            raft_id: OnceLock::new(),
            store,
            signatures: Arc::default(),
            pool,
            proposals: ProposalCache::default(),
            waiters: Waiters::default(),
            heard_votes: HeardVotes::default(),
            missed_proofs: MissedProofs::default(),
            keeping_votes: Mutex::default(),
            headers: HeaderTree::default(),
            scrub: ScrubProgress::default(),
            damage,
            reports: Mutex::new(Some(reports)),
            uncounted: Mutex::new(uncounted),
            finality: Mutex::new(finality),
            disputes,
            executed: Mutex::new(BTreeMap::from([(tip.height, newest.clone())])),
            past: Mutex::default(),
            newest: RwLock::new(newest),
            finalized: watch::Sender::new(None),
            silent: SilentCollectors::default(),
            alarms: Mutex::default(),
            fatal: watch::Sender::new(None),
            stopping: watch::Sender::new(false),
            endorsers: Mutex::default(),
            heard: Mutex::default(),
        };
        for (actor, _) in node.config().voters() {
            node.missed_proofs.lost(&actor.name, final_height);
        }
        let node = Arc::new(node);
        node.remember_endorser(node.signer().certificate())?;
        node.repeat_votes()?;
        node.disputes.alarm(&node);
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
        self.identity.member()
    }

    /// Signs in this peer's name, with the key that is in use now: taken once for what belongs together.
    pub fn signer(&self) -> Arc<Identity> {
        self.identity.get()
    }

    /// Signs with another key from now on, if it is this peer's and the configuration in force trusts its certificate;
    /// says whether it is another. Proofs of what it endorses need the certificate, so that is kept first.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn take_identity(&self, candidate: Identity) -> Result<bool, String> {
        let judged = self.identity.judge(candidate, &self.config(), now_nano());
        let Some(successor) = judged.map_err(|error| error.to_string())? else {
            return Ok(false);
        };
        match self.remember_endorser(successor.certificate()) {
            Ok(true) => {}
            Ok(false) => return Err("this peer has used too many certificates: restart it".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        self.identity.publish(successor);
        self.votes.sign_with(self.signer());
        Ok(true)
    }

    /// The Raft id that a configuration gives this peer; `None` if it is not the peer of its actor there.
    pub fn raft_id_in(&self, config: &NetworkConfig) -> Option<u64> {
        config.peer_of(self.me()).map(|(_, peer)| peer.raft_id)
    }

    /// The Raft id that this peer takes part with; `None` before it is admitted.
    pub fn raft_id(&self) -> Option<u64> {
        self.raft_id.get().copied()
    }

    /// This peer takes part with this Raft id from now on.
    pub fn take_part_as(&self, raft_id: u64) {
        // A peer has one for its life: another one is another disk.
        let _ = self.raft_id.set(raft_id);
    }

    /// Whether this peer votes about heights of a configuration. What it might have signed under another Raft id, with
    /// another disk, it does not know: there it signs nothing.
    pub fn votes_under(&self, config: &NetworkConfig) -> bool {
        let mine = self.raft_id_in(config);
        mine.is_some() && mine == self.raft_id() && config.is_voting_peer(self.me())
    }

    /// The configuration of the next height.
    pub fn config(&self) -> Arc<NetworkConfig> {
        self.config.borrow().clone()
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

    /// Follows the configuration.
    pub fn watch_config(&self) -> watch::Receiver<Arc<NetworkConfig>> {
        self.config.subscribe()
    }

    /// The newest configuration that is known, executed or proven: it says who is trusted now.
    pub fn trusted(&self) -> Arc<NetworkConfig> {
        self.trusted.borrow().clone()
    }

    /// Follows it.
    pub fn watch_trusted(&self) -> watch::Receiver<Arc<NetworkConfig>> {
        self.trusted.subscribe()
    }

    /// Others have proven a change of the configuration, perhaps one that this peer has still to execute.
    pub fn on_proven_config(&self) {
        let newest = self.anchor.newest();
        self.trusted.send_if_modified(|known| {
            let news = !Arc::ptr_eq(known, &newest);
            *known = newest;
            news
        });
    }

    /// A block that was executed has changed the configuration, from this height on.
    pub fn on_config(&self, from: u64, config: NetworkConfig) {
        tracing::info!(from, root = %config.root(), "the network's configuration changes");
        self.anchor.know(from, config.clone());
        self.finality.lock().begin(Era::of(from, &config));
        self.config.send_replace(Arc::new(config));
        self.on_proven_config();
    }

    /// Signs a vote and offers it to the other peers. The caller has made the sign-once record durable.
    pub fn cast(&self, vote: Vote) -> SignedVote {
        let vote = SignedVote::sign(vote, &*self.signer());
        self.offer([&vote]);
        vote
    }

    /// Offers signed votes to the other peers.
    pub fn offer<'a>(&self, votes: impl IntoIterator<Item = &'a SignedVote>) {
        self.votes.push(votes);
    }

    /// The newest height executed here.
    pub fn newest(&self) -> Executed {
        self.newest.read().clone()
    }

    /// A block was executed and is durable, together with this peer's endorsement if it gave one. Returns envelopes that
    /// waited under a number that the block gives to another.
    pub fn on_executed(&self, block: &e2l_ledger::Block, executed: Executed, endorsed: bool) -> Vec<Pooled> {
        let height = block.header.height;
        *self.newest.write() = executed.clone();
        self.executed.lock().insert(height, executed);
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
        let mut heard = self.heard.lock();
        let entry = heard
            .entry(actor.to_owned())
            .or_insert(Heard { linked, at_nano: 0 });
        entry.linked = linked;
        if linked {
            entry.at_nano = now_nano();
        }
        drop(heard);
        let mut finality = self.finality.lock();
        finality.linked(actor, linked);
        if !linked {
            self.missed_proofs.lost(actor, finality.final_height());
        }
        drop(finality);
        self.advance();
    }

    /// Makes final what can be made final now.
    pub fn advance(&self) {
        let mut finality = self.finality.lock();
        let height = finality.advance(Instant::now());
        for divergence in finality.news() {
            self.alarm(divergence.alarm());
        }
        let disputes: Vec<Divergence> = finality.disputes().cloned().collect();
        let accepted: BTreeSet<String> = finality.accepted().map(str::to_owned).collect();
        drop(finality);
        self.disputes.keep(self, disputes, &accepted);
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
        let height = self.with_finality(Finality::final_height);
        let endorsed_by = |height| self.with_finality(|f| (f.endorsed_by(height), f.voters(height)));
        self.waiters.finalized(height, endorsed_by);
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
        if self.alarms.lock().raise(message.clone()) {
            tracing::error!(alarm = %message, "ALARM");
        }
    }

    /// An alarm grows: the old words, empty for none, give way to the new ones.
    pub fn replace_alarm(&self, old: &str, message: String) {
        if old != message {
            self.alarms.lock().end(old);
            self.alarm(message);
        }
    }

    /// An alarm's cause is gone.
    pub fn end_alarm(&self, message: &str) {
        if self.alarms.lock().end(message) {
            tracing::info!(alarm = %message, "the alarm is over");
        }
    }

    /// The ledger can only be mended by a restore: the peer stops, and restores it when it is started again.
    pub fn must_restore(&self, why: &str) {
        self.alarm(format!("the ledger is damaged and must be restored: {why}"));
        if let Err(error) = self.store.condemn(why) {
            tracing::error!(%error, "that it must be restored cannot be noted");
        }
        self.stop(format!(
            "the ledger is damaged: {why}; start this peer again, and it restores its ledger from the others"
        ));
    }

    /// The peer must stop, and says this.
    pub fn stop(&self, why: String) {
        self.fatal.send_replace(Some(why));
    }

    /// Becomes a reason when this peer must stop.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// Ends what would go on for ever: the peer is to stop.
    pub fn begin_to_stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Becomes true when this peer is about to stop.
    pub fn watch_stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Alarms in force, a bounded number; the last one says how many are left out.
    pub fn alarms(&self) -> Vec<String> {
        self.alarms.lock().shown()
    }

    /// Where a sender of batches stands on the ledger, executed heights included.
    ///
    /// # Errors
    /// The store cannot be read, or the record is corrupt.
    pub fn ledger_head(&self, sender: &Member) -> Result<SenderHead, HeadError> {
        let record = self.newest().view.get(&StateKey::sender(sender))?;
        Ok(crate::pool::decode_head(record)?)
    }

    /// Keeps the certificate of a peer that has voted, whose signature was good: proofs of what it endorsed need it. Says
    /// whether it is kept: not if its actor has left too many here.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remember_endorser(&self, certificate: &Certificate) -> Result<bool, StoreError> {
        let digest = certificate.digest();
        let mut endorsers = self.endorsers.lock();
        if endorsers.contains_key(&digest) {
            return Ok(true);
        }
        let actor = &certificate.member().actor;
        let kept = endorsers.values().filter(|known| known.member().actor == *actor);
        if kept.count() >= MAX_CERTIFICATES {
            return Ok(false);
        }
        self.store.save_certificate(&digest, certificate.der())?;
        endorsers.insert(digest, certificate.clone());
        Ok(true)
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

    /// The certificate of a peer that has voted, if it is in memory.
    pub fn known_endorser(&self, digest: &Digest) -> Option<Certificate> {
        self.endorsers.lock().get(digest).cloned()
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

/// Learns the configurations that a ledger has had. They are read as they are: whether the state is the one that was
/// executed is checked right after, as a whole.
pub(crate) fn know_configs(anchor: &Anchor, view: &View) -> Result<(), StoreError> {
    let changes = view.scan(&StateKey::config_from(0), &StateKey::configs_end(), usize::MAX)?;
    for (key, bytes) in changes {
        let corrupt = |why: String| StoreError::corrupt_state(&key, why);
        let from = key
            .local()
            .try_into()
            .map_err(|_| corrupt("its key names no height".to_owned()))?;
        let config = NetworkConfig::decode(&bytes).map_err(|error| corrupt(error.to_string()))?;
        anchor.know(u64::from_be_bytes(from), config);
    }
    Ok(())
}

/// What this peer got at a height; `None` above its newest.
fn own_at(view: &View, height: u64) -> Result<Option<Own>, StoreError> {
    let header = view.header(height)?;
    Ok(header.map(|header| Own {
        proposal: header.proposal,
        header: header.digest(),
    }))
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
