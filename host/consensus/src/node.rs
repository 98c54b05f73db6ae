//! A Raft node.

use crate::application::{Application, ApplicationError};
use crate::electorates::Electorates;
use crate::guard::{Guard, HandleError, MAX_BODY};
use crate::log_standing::step_down;
use crate::log_store::LogStore;
use crate::network::Network;
use crate::options::RaftOptions;
use crate::participation::Participation;
use crate::recent_entries::RecentEntries;
use crate::seen_terms::SeenTerms;
use crate::state_machine::StateMachine;
use crate::transport::{MessageKind, Transport};
use crate::types::{Payload, TypeConfig, encode};
use bytes::Bytes;
use e2l_store::{RaftLog, StoreError};
use openraft::raft::AppendEntriesResponse;
use openraft::{ChangeMembers, Config, Raft, ServerState, Snapshot, SnapshotPolicy};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How long a leader may take to learn whether it still leads.
const LINEARIZABLE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is looked whether the log is too large.
const LOG_CHECK: Duration = Duration::from_millis(250);
/// Bytes of entries up to which judging them takes less than handing them to another thread. Raft's own task waits for the
/// same log besides.
const JUDGED_AT_ONCE: usize = 8 << 10;
/// Pause before a leader sends again what this node cannot judge yet.
const NOT_YET: Duration = Duration::from_millis(20);
/// Proposals that wait to be handed to Raft.
const QUEUE: usize = 64;

/// Why ordering cannot be started or used.
#[derive(Debug, thiserror::Error)]
pub enum ConsensusError {
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The application.
    #[error("the ledger cannot say where it stands: {0}")]
    Application(#[from] ApplicationError),
    /// The settings.
    #[error("the Raft settings are not usable: {0}")]
    Settings(String),
    /// The system.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The group's voters cannot be changed now.
    #[error("the voters of the Raft group cannot be changed now: {0}")]
    Membership(String),
    /// Raft does not start.
    #[error("ordering does not start: {0}")]
    Start(String),
    /// Leadership is not confirmed.
    #[error("leadership is not confirmed: {0}")]
    NotConfirmed(String),
}

/// Why a proposal did not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another node leads; the proposal may or may not be in the log.
    #[error("another node leads: {0}")]
    NotLeader(String),
    /// Ordering has stopped.
    #[error("ordering has stopped on this peer")]
    Stopped,
}

/// What a node is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaftRole {
    /// It orders.
    Leader,
    /// It follows.
    Follower,
    /// It stands for election.
    Candidate,
    /// It follows and does not vote.
    Learner,
}

impl fmt::Display for RaftRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
        })
    }
}

/// Who leads, as this node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// The term.
    pub term: u64,
    /// This node's role in it.
    pub role: RaftRole,
    /// The leader's id, if known.
    pub leader: Option<u64>,
}

impl Leadership {
    /// Whether this node leads.
    pub fn is_leader(&self) -> bool {
        self.role == RaftRole::Leader
    }
}

/// How far logs reach; indexes, 0 for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The term.
    pub term: u64,
    /// Who leads in it, if known.
    pub leader: Option<u64>,
    /// Last entry of this node's log.
    pub last: u64,
    /// Last one applied here.
    pub applied: u64,
    /// Last entry that each other node has confirmed; empty unless this node leads.
    pub matched: BTreeMap<u64, u64>,
}

struct Proposed {
    payload: Payload,
    done: oneshot::Sender<Result<(), ProposeError>>,
}

/// A Raft node.
pub struct RaftNode {
    raft: Raft<TypeConfig>,
    guard: Arc<Guard>,
    log: RaftLog,
    seen: Arc<SeenTerms>,
    application: Arc<dyn Application>,
    node_id: u64,
    proposals: mpsc::Sender<Proposed>,
    leadership: watch::Receiver<Leadership>,
    fatal: watch::Receiver<Option<String>>,
}

impl RaftNode {
    /// Opens the log and starts as a follower.
    ///
    /// # Errors
    /// A corrupt log, an application that cannot say where it stands, unusable settings.
    pub async fn start(
        options: RaftOptions,
        application: Arc<dyn Application>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ConsensusError> {
        let config = Config {
            cluster_name: "event2ledger".to_owned(),
            heartbeat_interval: options.heartbeat_ms,
            election_timeout_min: options.election_timeout_min_ms,
            election_timeout_max: options.election_timeout_max_ms,
            max_payload_entries: options.max_payload_entries,
            install_snapshot_timeout: 10_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(options.purge_after),
            max_in_snapshot_log_to_keep: options.keep,
            enable_elect: options.participation == Participation::Voting,
            ..Config::default()
        };
        let config = config
            .validate()
            .map_err(|error| ConsensusError::Settings(error.to_string()))?;
        let log = RaftLog::open(&options.dir)?;
        step_down(&log, options.node_id)?;
        log.note_height(options.height)?;
        let machine = StateMachine::new(application.clone(), log.clone())?;
        let seen = Arc::new(SeenTerms::default());
        let guard = Arc::new(Guard::new(
            application.clone(),
            log.clone(),
            machine.applied_index(),
            options.participation,
            seen.clone(),
        ));
        let network = Network {
            transport,
            seen: seen.clone(),
        };
        let store = LogStore::new(log.clone())?;
        let recent = store.recent();
        let raft = Raft::new(options.node_id, Arc::new(config), network, store, machine)
            .await
            .map_err(|error| ConsensusError::Start(error.to_string()))?;
        guard.saw_membership(raft.metrics().borrow().membership_config.membership());
        tokio::spawn(bound_log(raft.clone(), recent));
        let (proposals, queue) = mpsc::channel(QUEUE);
        tokio::spawn(hand_over(raft.clone(), queue));
        let (leadership, fatal) = follow(&raft, guard.clone());
        Ok(Self {
            raft,
            guard,
            log,
            seen,
            application,
            node_id: options.node_id,
            proposals,
            leadership,
            fatal,
        })
    }

    /// Founds the group, if nobody has: the voter with the lowest id of the genesis does.
    ///
    /// # Errors
    /// Ordering has stopped.
    pub async fn initialize(&self) -> Result<(), ConsensusError> {
        let start = |error: &dyn fmt::Display| ConsensusError::Start(error.to_string());
        let voters = Electorates(self.application.electorates()).founders();
        let founder = voters.keys().next() == Some(&self.node_id);
        if !founder || self.raft.is_initialized().await.map_err(|error| start(&error))? {
            return Ok(());
        }
        self.raft.initialize(voters).await.map_err(|error| start(&error))
    }

    /// Makes the voters that governance has decided on the group's, if this node leads and they are not: new ones join
    /// as learners first. Says whether there was anything to do.
    ///
    /// # Errors
    /// It does not lead any more, or another change is under way: call again.
    pub async fn bring_in_voters(&self) -> Result<bool, ConsensusError> {
        let electorates = self.application.electorates();
        let Some(decided) = electorates.last() else {
            return Ok(false);
        };
        let wanted: BTreeSet<u64> = decided.voters.keys().copied().collect();
        let stored = self.raft.metrics().borrow().membership_config.clone();
        let membership = stored.membership();
        let nodes: BTreeSet<u64> = membership.nodes().map(|(id, _)| *id).collect();
        let uniform = membership.get_joint_config().len() == 1;
        if uniform && nodes == wanted && membership.voter_ids().eq(wanted.iter().copied()) {
            return Ok(false);
        }
        let failed = |error: &dyn fmt::Display| ConsensusError::Membership(error.to_string());
        for (id, node) in decided.voters.iter().filter(|(id, _)| !nodes.contains(id)) {
            let added = self.raft.add_learner(*id, node.clone(), false).await;
            added.map_err(|error| failed(&error))?;
        }
        let change = ChangeMembers::ReplaceAllVoters(wanted);
        let changed = self.raft.change_membership(change, false).await;
        let changed = changed.map_err(|error| failed(&error))?;
        if let Some(membership) = changed.membership {
            self.guard.saw_membership(&membership);
        }
        Ok(true)
    }

    /// This node does not vote any more: it leads nobody, and stands for no election.
    pub fn resign(&self) {
        self.guard.participate(Participation::Waiting);
        let config = self.raft.runtime_config();
        config.elect(false);
        config.heartbeat(false);
    }

    /// How far this node takes part.
    pub fn participation(&self) -> Participation {
        self.guard.participation()
    }

    /// Changes how far this node takes part. That it is on its way back is durable on return.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn participate(&self, participation: Participation) -> Result<(), ConsensusError> {
        if participation != Participation::Waiting {
            let rejoining = participation == Participation::Following;
            if self.log.is_rejoining()? != rejoining {
                self.log.set_rejoining(rejoining)?;
            }
        }
        self.guard.participate(participation);
        let config = self.raft.runtime_config();
        config.elect(participation == Participation::Voting);
        config.heartbeat(true);
        Ok(())
    }

    /// The highest term in which another node was seen to stand for election, to lead or to have voted, since this node
    /// was started; 0 for none.
    pub fn seen_term(&self, node: u64) -> u64 {
        self.seen.of(node)
    }

    /// How far this node's log reaches, and, if it leads, how far it knows the others' to reach.
    pub fn reach(&self) -> Reach {
        let metrics = self.raft.metrics().borrow().clone();
        let matched = metrics.replication.unwrap_or_default();
        let index = |id: &openraft::LogId<u64>| id.index;
        Reach {
            term: metrics.current_term,
            leader: metrics.current_leader,
            last: metrics.last_log_index.unwrap_or(0),
            applied: metrics.last_applied.as_ref().map_or(0, index),
            matched: matched
                .iter()
                .filter_map(|(id, matched)| Some((*id, matched.as_ref().map(index)?)))
                .collect(),
        }
    }

    /// Judges a message, and gives it to Raft.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn handle(
        &self,
        authenticated: u64,
        claimed: u64,
        kind: MessageKind,
        body: Bytes,
    ) -> Result<Bytes, HandleError> {
        if claimed != authenticated {
            return Err(HandleError::OtherSender {
                claimed,
                authenticated,
            });
        }
        if body.len() > MAX_BODY {
            return Err(HandleError::TooLarge(body.len()));
        }
        let stopped = |error: &dyn fmt::Display| HandleError::Stopped(error.to_string());
        let answer = match kind {
            MessageKind::AppendEntries => {
                let judged = if body.len() <= JUDGED_AT_ONCE {
                    self.guard.append(authenticated, &body)?
                } else {
                    let guard = self.guard.clone();
                    let judged = tokio::task::spawn_blocking(move || guard.append(authenticated, &body));
                    judged.await.map_err(|error| stopped(&error))??
                };
                let (partial, reaches) = (judged.is_partial, judged.reaches());
                let answer = self.raft.append_entries(judged.request).await;
                let mut answer = answer.map_err(|error| stopped(&error))?;
                if partial && answer == AppendEntriesResponse::Success {
                    answer = AppendEntriesResponse::PartialSuccess(reaches);
                    // The leader sends the rest at once, and it takes a moment to execute what comes before.
                    tokio::time::sleep(NOT_YET).await;
                }
                encode(&answer)
            }
            MessageKind::Vote => {
                let request = self.guard.vote(authenticated, &body)?;
                encode(&self.raft.vote(request).await.map_err(|error| stopped(&error))?)
            }
            MessageKind::Snapshot => {
                let message = self.guard.snapshot(authenticated, &body)?;
                self.guard.point(authenticated, &message).await?;
                let snapshot = Snapshot {
                    meta: message.meta,
                    snapshot: Box::new(message.pointer),
                };
                let installed = self.raft.install_full_snapshot(message.vote, snapshot).await;
                encode(&installed.map_err(|error| stopped(&error))?)
            }
        };
        answer.map(Bytes::from).map_err(|error| stopped(&error))
    }

    /// Hands a proposal to Raft; they get there in the order of the calls. The future resolves when the
    /// proposal is applied here, or cannot be.
    pub fn propose(&self, payload: Bytes) -> impl Future<Output = Result<(), ProposeError>> + Send + 'static {
        let (done, waiting) = oneshot::channel();
        let queued = self.proposals.try_send(Proposed {
            payload: Payload(payload),
            done,
        });
        async move {
            queued.map_err(|_| ProposeError::Stopped)?;
            waiting.await.unwrap_or(Err(ProposeError::Stopped))
        }
    }

    /// Waits until this node has confirmed that it leads and has applied all that was committed before.
    ///
    /// # Errors
    /// It does not lead, or cannot reach a majority.
    pub async fn linearizable(&self) -> Result<(), ConsensusError> {
        let confirmed = tokio::time::timeout(LINEARIZABLE_TIMEOUT, self.raft.ensure_linearizable()).await;
        match confirmed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ConsensusError::NotConfirmed(error.to_string())),
            Err(_) => Err(ConsensusError::NotConfirmed(
                "a majority does not answer".to_owned(),
            )),
        }
    }

    /// Follows who leads.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Becomes a reason when ordering has stopped for good: the peer must stop.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.clone()
    }

    /// Stops.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "ordering did not stop cleanly");
        }
    }
}

/// Has the log purged when it is large in bytes, whatever the number of its entries: blocks are the archive.
async fn bound_log(raft: Raft<TypeConfig>, recent: Arc<Mutex<RecentEntries>>) {
    let mut ticks = tokio::time::interval(LOG_CHECK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let excess = recent.lock().excess();
        let Some(last) = excess else { continue };
        // Only what a snapshot covers is purged, and a snapshot points to a final height.
        let trigger = raft.trigger();
        if trigger.snapshot().await.is_err() || trigger.purge_log(last).await.is_err() {
            return;
        }
    }
}

/// Gives proposals to Raft one after the other.
async fn hand_over(raft: Raft<TypeConfig>, mut queue: mpsc::Receiver<Proposed>) {
    while let Some(Proposed { payload, done }) = queue.recv().await {
        let Ok(waiting) = raft.client_write_ff(payload).await else {
            // Whoever proposed may have gone.
            let _ = done.send(Err(ProposeError::Stopped));
            continue;
        };
        tokio::spawn(async move {
            let result = match waiting.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(ProposeError::NotLeader(error.to_string())),
                Err(_) => Err(ProposeError::Stopped),
            };
            let _ = done.send(result);
        });
    }
}

/// Turns Raft's metrics, which change with every entry, into what others wait for.
fn follow(
    raft: &Raft<TypeConfig>,
    guard: Arc<Guard>,
) -> (watch::Receiver<Leadership>, watch::Receiver<Option<String>>) {
    let mut metrics = raft.metrics();
    let first = Leadership {
        term: 0,
        role: RaftRole::Follower,
        leader: None,
    };
    let (leadership, leadership_watch) = watch::channel(first);
    let (fatal, fatal_watch) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let (now, failed) = {
                let metrics = metrics.borrow_and_update();
                let role = match metrics.state {
                    ServerState::Leader => RaftRole::Leader,
                    ServerState::Follower => RaftRole::Follower,
                    ServerState::Candidate => RaftRole::Candidate,
                    _ => RaftRole::Learner,
                };
                let now = Leadership {
                    term: metrics.current_term,
                    role,
                    leader: metrics.current_leader,
                };
                (now, metrics.running_state.as_ref().err().map(ToString::to_string))
            };
            guard.saw_term(now.term);
            leadership.send_if_modified(|known| {
                let changed = *known != now;
                *known = now;
                changed
            });
            if failed.is_some() {
                fatal.send_replace(failed);
                return;
            }
            if metrics.changed().await.is_err() {
                fatal.send_replace(Some("Raft's task has ended".to_owned()));
                return;
            }
        }
    });
    (leadership_watch, fatal_watch)
}
