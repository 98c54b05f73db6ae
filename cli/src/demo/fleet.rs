//! The demo's processes: peers first, the collector last.

use crate::daemon::{Daemon, DaemonSpec, describe};
use crate::error::CliResult;
use futures::future::{FutureExt, join_all, select_all};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::Instant;

/// A process that dies is started again after this long: time enough to see that the others go on.
const RESTART_AFTER: Duration = Duration::from_secs(10);
/// One that dies so soon after its start has something wrong with it.
const TOO_SOON: Duration = Duration::from_secs(5);
/// After so many such deaths in a row it is left alone.
const MAX_EARLY_DEATHS: u32 = 3;

/// What runs in one place of the fleet.
enum State {
    Running(Box<Daemon>),
    /// Starts again at that moment.
    Waiting(Instant),
    /// Died too often.
    Abandoned,
}

/// One process and its history.
pub struct Slot {
    /// The actor whose process it is.
    pub actor: String,
    /// Whether it is a peer; else the collector.
    pub is_peer: bool,
    spec: DaemonSpec,
    state: State,
    early_deaths: u32,
}

impl Slot {
    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        match &self.state {
            State::Running(daemon) => Some(daemon.pid()),
            _ => None,
        }
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.spec.name
    }
}

/// What happened to a process.
#[derive(Debug)]
pub enum FleetEvent {
    /// It ended by itself.
    Died {
        /// Which.
        slot: usize,
        /// Its last process id.
        pid: u32,
        /// In words.
        how: String,
        /// When it starts again; `None`: not any more.
        restart_in: Option<Duration>,
    },
    /// It runs again.
    Restarted {
        /// Which.
        slot: usize,
    },
    /// It could not be started again.
    Failed {
        /// Which.
        slot: usize,
        /// Why.
        why: String,
    },
}

/// All processes.
#[derive(Default)]
pub struct Fleet {
    slots: Vec<Slot>,
}

impl Fleet {
    /// Starts a process; returns its place.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, actor: &str, is_peer: bool, spec: DaemonSpec) -> CliResult<usize> {
        let daemon = Daemon::start(spec.clone())?;
        self.slots.push(Slot {
            actor: actor.to_owned(),
            is_peer,
            spec,
            state: State::Running(Box::new(daemon)),
            early_deaths: 0,
        });
        Ok(self.slots.len() - 1)
    }

    /// Waits until every process that runs has said that it is ready.
    ///
    /// # Errors
    /// One of them ended or stays silent.
    pub async fn ready(&mut self, patience: Duration) -> CliResult<()> {
        let all = self.slots.iter_mut().filter_map(|slot| match &mut slot.state {
            State::Running(daemon) => Some(daemon.ready(patience)),
            _ => None,
        });
        for answer in join_all(all).await {
            answer?;
        }
        Ok(())
    }

    /// The processes.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Waits for the next thing that happens. May be dropped and called again.
    pub async fn next(&mut self) -> FleetEvent {
        let waits = self.slots.iter_mut().enumerate().map(|(i, slot)| {
            async move {
                match &mut slot.state {
                    State::Running(daemon) => (i, Some(daemon.ended().await)),
                    State::Waiting(until) => {
                        tokio::time::sleep_until(*until).await;
                        (i, None)
                    }
                    State::Abandoned => std::future::pending().await,
                }
            }
            .boxed()
        });
        let ((slot, ended), _, _) = select_all(waits).await;
        match ended {
            Some(status) => self.died(slot, status),
            None => self.restart(slot),
        }
    }

    fn died(&mut self, index: usize, status: std::io::Result<ExitStatus>) -> FleetEvent {
        let slot = &mut self.slots[index];
        let (pid, early) = match &slot.state {
            State::Running(daemon) => (daemon.pid(), daemon.age() < TOO_SOON),
            _ => (0, true),
        };
        slot.early_deaths = if early { slot.early_deaths + 1 } else { 0 };
        let again = slot.early_deaths < MAX_EARLY_DEATHS;
        slot.state = if again {
            State::Waiting(Instant::now() + RESTART_AFTER)
        } else {
            State::Abandoned
        };
        FleetEvent::Died {
            slot: index,
            pid,
            how: status.map_or_else(|error| error.to_string(), describe),
            restart_in: again.then_some(RESTART_AFTER),
        }
    }

    fn restart(&mut self, index: usize) -> FleetEvent {
        let slot = &mut self.slots[index];
        match Daemon::start(slot.spec.clone()) {
            Ok(daemon) => {
                slot.state = State::Running(Box::new(daemon));
                FleetEvent::Restarted { slot: index }
            }
            Err(error) => {
                slot.state = State::Abandoned;
                FleetEvent::Failed {
                    slot: index,
                    why: error.to_string(),
                }
            }
        }
    }

    /// Stops collectors, then peers; returns the names of those that had to be killed or failed.
    pub async fn stop(self) -> Vec<String> {
        let (peers, others): (Vec<Slot>, Vec<Slot>) = self.slots.into_iter().partition(|slot| slot.is_peer);
        let mut bad = stop_all(others).await;
        bad.extend(stop_all(peers).await);
        bad
    }
}

async fn stop_all(slots: Vec<Slot>) -> Vec<String> {
    let stopping = slots.into_iter().filter_map(|slot| match slot.state {
        State::Running(daemon) => Some(async move {
            let name = daemon.name().to_owned();
            (!daemon.stop().await).then_some(name)
        }),
        _ => None,
    });
    join_all(stopping).await.into_iter().flatten().collect()
}
