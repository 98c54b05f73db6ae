//! Judges a message before Raft sees it. openraft trusts its leader: it compares log ids only, takes membership
//! from entries and truncates without asking (DESIGN section 3).

use crate::application::{Application, Incoming, NodeInfo, Refusal};
use crate::electorates::{Electorates, Sanction};
use crate::network::SnapshotMessage;
use crate::participation::{Participation, SharedParticipation};
use crate::seen_terms::SeenTerms;
use crate::types::{Marker, TypeConfig, decode};
use e2l_store::{RaftLog, StoreError};
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft::{Entry, EntryPayload, LogId, Membership, Vote};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a term may lie ahead of the highest one known: a huge one would end all elections.
const MAX_TERM_STEP: u64 = 1_000_000;
/// How far a pointer's place may lie ahead of this node's log when no third node can say whether its log reaches there.
const MAX_INDEX_STEP: u64 = 100_000;
/// Largest message, bytes.
pub const MAX_BODY: usize = 64 << 20;

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// This node has just been started.
    #[error("this node is finding out where it stands: ask again in a moment")]
    NotReady,
    /// This node may not vote.
    #[error("this node is on its way back into the group and does not vote")]
    Rejoining,
    /// The certificate is another node's.
    #[error("the message claims to be from node {claimed}, the certificate is that of node {authenticated}")]
    OtherSender {
        /// Id in the message.
        claimed: u64,
        /// Id of the certificate.
        authenticated: u64,
    },
    /// The content speaks for another node.
    #[error("node {sender} speaks for node {named}: a node leads and stands for election only for itself")]
    OtherCandidate {
        /// Who sent it.
        sender: u64,
        /// Whom it names.
        named: u64,
    },
    /// Not a message.
    #[error("the message cannot be decoded: {0}")]
    Malformed(String),
    /// Too long.
    #[error("the message has {0} bytes, at most {MAX_BODY} are accepted")]
    TooLarge(usize),
    /// A term far ahead.
    #[error("term {found} is too far ahead of term {known}")]
    Term {
        /// Term in the message.
        found: u64,
        /// Highest term known here.
        known: u64,
    },
    /// Entries with gaps or out of order.
    #[error("entry {index} of term {term} does not follow: {why}")]
    Order {
        /// Its index.
        index: u64,
        /// Its term.
        term: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// An entry would replace one that is applied here.
    #[error("entry {index} would replace one that is applied here (up to {applied})")]
    Applied {
        /// Its index.
        index: u64,
        /// Last index applied.
        applied: u64,
    },
    /// Two contents for one place in the log.
    #[error("entry {index} of term {term} is held here with another content: its leader tells two stories")]
    TwoStories {
        /// Its index.
        index: u64,
        /// Its term.
        term: u64,
    },
    /// A membership that governance has not decided on.
    #[error("entry {0} names a membership that governance has not decided on")]
    Membership(u64),
    /// Not a voter.
    #[error("node {0} does not vote under the configuration that this node has come to")]
    NotAVoter(u64),
    /// A pointer to a place in the log that there cannot be.
    #[error("the snapshot's place in the log, entry {index} of term {term}, is not acceptable: {why}")]
    Place {
        /// Its index.
        index: u64,
        /// Its term.
        term: u64,
        /// What is wrong.
        why: String,
    },
    /// A pointer that nobody proves.
    #[error("the snapshot's pointer to height {height} is not acceptable: {why}")]
    Pointer {
        /// The height it names.
        height: u64,
        /// What is wrong.
        why: String,
    },
    /// A proposal that must not be appended.
    #[error("a proposal is not acceptable: {0}")]
    Proposal(#[from] Refusal),
    /// Earlier entries of the same leader were refused.
    #[error("node {leader} sent entries in term {term} that were refused: it is heard no more in that term")]
    RefusedLeader {
        /// The leader.
        leader: u64,
        /// Its term.
        term: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Raft has stopped.
    #[error("ordering has stopped on this peer: {0}")]
    Stopped(String),
}

/// The guard.
pub struct Guard {
    application: Arc<dyn Application>,
    log: RaftLog,
    applied: Arc<AtomicU64>,
    known_term: AtomicU64,
    /// Term in which each leader was refused.
    refused: Mutex<BTreeMap<u64, u64>>,
    participation: SharedParticipation,
    seen: Arc<SeenTerms>,
    /// Height from which on those vote that the last membership led to.
    electorate: AtomicU64,
}

/// Entries for Raft, and how many of the message's were left out.
pub struct Judged {
    /// The message, without them.
    pub request: AppendEntriesRequest<TypeConfig>,
    /// Whether the rest can be judged only when this node has executed more.
    pub is_partial: bool,
}

impl Judged {
    /// Up to where the log has what was sent, if Raft takes it.
    pub fn reaches(&self) -> Option<LogId<u64>> {
        let last = self.request.entries.last().map(|entry| entry.log_id);
        last.or(self.request.prev_log_id)
    }
}

impl Guard {
    /// Over the node's log and application, with the membership that its log has.
    pub fn new(
        application: Arc<dyn Application>,
        log: RaftLog,
        applied: Arc<AtomicU64>,
        participation: Participation,
        seen: Arc<SeenTerms>,
    ) -> Self {
        Self {
            electorate: AtomicU64::new(0),
            participation: SharedParticipation::new(participation),
            seen,
            application,
            log,
            applied,
            known_term: AtomicU64::new(0),
            refused: Mutex::new(BTreeMap::new()),
        }
    }

    /// How far this node takes part.
    pub fn participation(&self) -> Participation {
        self.participation.get()
    }

    /// Changes how far this node takes part.
    pub fn participate(&self, participation: Participation) {
        self.participation.set(participation);
    }

    /// Tells the guard the membership that Raft has.
    pub fn saw_membership(&self, membership: &Membership<u64, NodeInfo>) {
        let target = membership.get_joint_config().last();
        if let Some(from) = target.and_then(|ids| self.electorates().of(ids)) {
            self.electorate.fetch_max(from, Ordering::AcqRel);
        }
    }

    fn electorates(&self) -> Electorates {
        Electorates(self.application.electorates())
    }

    /// Tells the guard the term that Raft is in.
    pub fn saw_term(&self, term: u64) {
        self.known_term.fetch_max(term, Ordering::AcqRel);
    }

    fn check_vote(&self, sender: u64, vote: &Vote<u64>) -> Result<(), HandleError> {
        if self.participation() == Participation::Waiting {
            return Err(HandleError::NotReady);
        }
        let named = vote.leader_id.node_id;
        if named != sender {
            return Err(HandleError::OtherCandidate { sender, named });
        }
        if !self.electorates().votes(sender) {
            return Err(HandleError::NotAVoter(sender));
        }
        let (found, known) = (vote.leader_id.term, self.known_term.load(Ordering::Acquire));
        if found > known.saturating_add(MAX_TERM_STEP) {
            return Err(HandleError::Term { found, known });
        }
        self.seen.note(sender, found);
        Ok(())
    }

    /// A request for a vote.
    pub fn vote(&self, sender: u64, body: &[u8]) -> Result<VoteRequest<u64>, HandleError> {
        let request: VoteRequest<u64> = parse(body)?;
        self.check_vote(sender, &request.vote)?;
        if self.participation() != Participation::Voting {
            return Err(HandleError::Rejoining);
        }
        Ok(request)
    }

    /// A pointer.
    pub fn snapshot(&self, sender: u64, body: &[u8]) -> Result<SnapshotMessage, HandleError> {
        let message: SnapshotMessage = parse(body)?;
        self.check_vote(sender, &message.vote)?;
        self.check_heard(sender, message.vote.leader_id.term)?;
        let marker: Marker = parse(&message.pointer.marker)?;
        let same =
            marker.last == message.meta.last_log_id && marker.membership == message.meta.last_membership;
        let index = marker.last.map_or(0, |last| last.index);
        if same {
            return Ok(message);
        }
        Err(HandleError::Membership(index))
    }

    /// Whether there can be such a place in the log: it is of no later term than its sender's, of a leader that there is.
    fn check_place(&self, message: &SnapshotMessage) -> Result<(), HandleError> {
        let place = message.meta.last_log_id.unwrap_or_default();
        let (index, term, leader) = (place.index, place.leader_id.term, place.leader_id.node_id);
        let refused = |why: String| Err(HandleError::Place { index, term, why });
        let leads = message.vote.leader_id.term;
        if term > leads {
            return refused(format!("its sender leads in term {leads}"));
        }
        // Nobody leads when the founder appends entry 0.
        if index > 0 && !self.electorates().has(leader) {
            return refused(format!("there is no node {leader} that could have led"));
        }
        Ok(())
    }

    /// Whether what a pointer names is final, and where it says: the log of a node other than the sender reaches there,
    /// or, if no other answers, the place lies not far ahead of this node's own log.
    pub async fn point(&self, sender: u64, message: &SnapshotMessage) -> Result<(), HandleError> {
        let (height, header) = (message.pointer.height, message.pointer.header);
        let checked = self.application.check_point(height, header).await;
        checked.map_err(|why| HandleError::Pointer { height, why })?;
        // What is final there may have changed who votes; now it is known.
        let membership = message.meta.last_membership.membership();
        self.sanction(membership)
            .ok_or_else(|| HandleError::Membership(message.meta.last_log_id.map_or(0, |last| last.index)))?;
        self.check_place(message)?;
        let place = message.meta.last_log_id.unwrap_or_default();
        let (index, term) = (place.index, place.leader_id.term);
        let refused = |why: String| Err(HandleError::Place { index, term, why });
        match self.application.log_end(sender).await {
            Some(end) if index > end => refused(format!("the others' logs end at entry {end}")),
            Some(_) => Ok(()),
            None => {
                let own = self.log.reach()?.unwrap_or(0);
                let most = own.saturating_add(MAX_INDEX_STEP);
                if index > most {
                    return refused(format!(
                        "no other peer says how far its log reaches, and this one's ends at entry {own}"
                    ));
                }
                Ok(())
            }
        }
    }

    /// Entries or a heartbeat. May block: it reads the log and asks the application.
    pub fn append(&self, sender: u64, body: &[u8]) -> Result<Judged, HandleError> {
        let request: AppendEntriesRequest<TypeConfig> = parse(body)?;
        self.check_vote(sender, &request.vote)?;
        let term = request.vote.leader_id.term;
        self.check_heard(sender, term)?;
        match self.check_entries(sender, &request) {
            Err(error) if !matches!(error, HandleError::Store(_)) => {
                self.refused.lock().insert(sender, term);
                Err(error)
            }
            checked => {
                let acceptable = checked?;
                let is_partial = acceptable < request.entries.len();
                let mut request = request;
                request.entries.truncate(acceptable);
                Ok(Judged { request, is_partial })
            }
        }
    }

    fn check_heard(&self, leader: u64, term: u64) -> Result<(), HandleError> {
        if self.refused.lock().get(&leader) == Some(&term) {
            return Err(HandleError::RefusedLeader { leader, term });
        }
        Ok(())
    }

    fn check_entries(
        &self,
        sender: u64,
        request: &AppendEntriesRequest<TypeConfig>,
    ) -> Result<usize, HandleError> {
        let mut index = request
            .prev_log_id
            .map_or(Some(0), |previous| previous.index.checked_add(1))
            .ok_or(HandleError::Order {
                index: u64::MAX,
                term: request.vote.leader_id.term,
                why: "there is no index after it",
            })?;
        let mut term = request.prev_log_id.map_or(0, |previous| previous.leader_id.term);
        let mut fresh = Vec::new();
        for (place, entry) in request.entries.iter().enumerate() {
            let (found, found_term) = (entry.log_id.index, entry.log_id.leader_id.term);
            let order = |why| {
                Err(HandleError::Order {
                    index: found,
                    term: found_term,
                    why,
                })
            };
            if found != index {
                return order("the index before it is missing");
            }
            if found_term < term || found_term > request.vote.leader_id.term {
                return order("its term lies before that of the entry below, or after the leader's");
            }
            (index, term) = (index.saturating_add(1), found_term);
            if self.is_new(entry)? {
                if !self.may_become_member(entry)? {
                    self.check_fresh(sender, &fresh)?;
                    return Ok(place);
                }
                fresh.push(entry);
            }
        }
        self.check_fresh(sender, &fresh)?;
        Ok(request.entries.len())
    }

    /// Whether an entry can be judged now. A membership that nothing known here allows may follow from a block that this
    /// node has still to execute; when it has executed all that come before the entry, it does not.
    fn may_become_member(&self, entry: &Entry<TypeConfig>) -> Result<bool, HandleError> {
        let EntryPayload::Membership(membership) = &entry.payload else {
            return Ok(true);
        };
        let index = entry.log_id.index;
        if self.sanction(membership).is_some() {
            return Ok(true);
        }
        if self.applied.load(Ordering::Acquire).saturating_add(1) >= index {
            return Err(HandleError::Membership(index));
        }
        Ok(false)
    }

    /// Notes a membership that governance has decided on; `None` if it has not, as far as is known.
    fn sanction(&self, membership: &Membership<u64, NodeInfo>) -> Option<()> {
        let floor = self.electorate.load(Ordering::Acquire);
        match self.electorates().judge(membership, floor) {
            Sanction::Decided(from) => {
                self.electorate.fetch_max(from, Ordering::AcqRel);
                Some(())
            }
            Sanction::Unknown => None,
        }
    }

    /// Whether this node does not hold the entry yet.
    fn is_new(&self, entry: &Entry<TypeConfig>) -> Result<bool, HandleError> {
        let index = entry.log_id.index;
        let applied = self.applied.load(Ordering::Acquire);
        if self.log.last_index().is_none_or(|last| index > last) {
            return Ok(true);
        }
        let held = self.log.entries(index..index.saturating_add(1))?;
        let Some((_, bytes)) = held.first() else {
            // Purged: it was applied, and Raft ignores it.
            return Ok(false);
        };
        let held: Entry<TypeConfig> = parse(bytes)?;
        if held.log_id == entry.log_id {
            if held.payload == entry.payload {
                return Ok(false);
            }
            if let (EntryPayload::Normal(held), EntryPayload::Normal(sent)) = (&held.payload, &entry.payload)
            {
                self.application.contradiction(&held.0, &sent.0);
            }
            return Err(HandleError::TwoStories {
                index,
                term: entry.log_id.leader_id.term,
            });
        }
        if index <= applied {
            return Err(HandleError::Applied { index, applied });
        }
        Ok(true)
    }

    fn check_fresh(&self, sender: u64, fresh: &[&Entry<TypeConfig>]) -> Result<(), HandleError> {
        let mut proposals = Vec::new();
        for entry in fresh {
            match &entry.payload {
                EntryPayload::Blank | EntryPayload::Membership(_) => {}
                EntryPayload::Normal(payload) => proposals.push(Incoming {
                    term: entry.log_id.leader_id.term,
                    index: entry.log_id.index,
                    payload: &payload.0,
                }),
            }
        }
        if proposals.is_empty() {
            return Ok(());
        }
        Ok(self.application.validate(sender, &proposals)?)
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, HandleError> {
    decode(body).map_err(|error| HandleError::Malformed(error.to_string()))
}
