//! The task that asks containerd for its state and puts the answers behind the events that were read before them.
//!
//! A shim changes a task's state first and tells of it a little later, so that an answer waits for events that it may be
//! ahead of. Of whom one comes meanwhile, it is asked again.

use super::client::{Client, ContainerdError};
use super::roster::Roster;
use super::selection::ContainerdOptions;
use super::state;
use crate::backoff::Backoff;
use crate::clock::{Ahead, now_nano};
use crate::reconcile::{Inspected, Inventory};
use crate::source::Asked;
use crate::source::intake::Intake;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// How much later than its state a task's event is read, at most, unless its shim is in trouble.
const TOLD_LATER: Duration = Duration::from_millis(500);
/// First and longest pause before it is asked again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// Pause after a round that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

type Names = BTreeSet<String>;

/// See the module.
pub struct Inspector {
    /// Where containerd is.
    pub socket: PathBuf,
    /// What of it is read.
    pub selection: ContainerdOptions,
    /// Takes the answers.
    pub intake: Arc<Intake>,
    /// Learns which tasks there are.
    pub roster: Arc<Mutex<Roster>>,
    /// Between two rounds; `None`: only when a subscription begins.
    pub every: Option<Duration>,
    /// Counts the subscriptions; even: there is none.
    pub epoch: watch::Receiver<u64>,
    /// Room for answers.
    pub places: Arc<Semaphore>,
}

impl Inspector {
    /// Asks at the beginning of each subscription, after each period, and again for those that changed meanwhile.
    pub async fn run(mut self) {
        let (again, mut wanted) = mpsc::unbounded_channel();
        let mut names = Names::new();
        while self.connected().await {
            let mut pauses = Backoff::new(AGAIN.0, AGAIN.1);
            loop {
                let asked = std::mem::take(&mut names);
                let pause = match self.round(&asked, &again).await {
                    Ok(()) => self.every,
                    Err(error) => {
                        tracing::warn!(socket = %self.socket.display(), %error, "containerd does not tell its state");
                        // They are still wanted.
                        names = asked;
                        Some(self.every.unwrap_or(AFTER_FAILURE).min(AFTER_FAILURE))
                    }
                };
                let next = pause.map(|pause| Instant::now() + pause);
                tokio::select! {
                    changed = self.epoch.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    () = until(next) => pauses.reset(),
                    more = wanted.recv() => match more {
                        Some(more) => {
                            names.extend(more);
                            sleep(pauses.fail()).await;
                            while let Ok(more) = wanted.try_recv() {
                                names.extend(more);
                            }
                        }
                        None => return,
                    },
                }
            }
        }
    }

    async fn connected(&mut self) -> bool {
        let found = self
            .epoch
            .wait_for(|epoch| !epoch.is_multiple_of(2))
            .await
            .is_ok();
        self.epoch.mark_unchanged();
        found
    }

    /// Asks for all, and says of those that were asked for by name and are not there that they are gone.
    async fn round(
        &self,
        names: &Names,
        again: &mpsc::UnboundedSender<Vec<String>>,
    ) -> Result<(), ContainerdError> {
        // It is closed never.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return Ok(());
        };
        let epoch = *self.epoch.borrow();
        let asked_at = self.intake.number();
        let client = Client::connect(&self.socket).await?;
        let seen = state::all(&client, &self.selection).await?;
        sleep(TOLD_LATER).await;
        if *self.epoch.borrow() != epoch {
            // Another subscription, or none: its beginning asks again.
            return Ok(());
        }
        let listed: Names = seen.iter().map(|seen| seen.name.clone()).collect();
        let whole = seen.iter().all(|seen| seen.there.is_some());
        let gone = names
            .iter()
            .filter(|name| !listed.contains(*name) && self.selection.selects_name(name));
        let mut containers: Vec<_> = gone.map(|name| (name.clone(), None)).collect();
        containers.extend(seen.into_iter().filter_map(|seen| {
            let there = self.with_start(seen.there?, seen.pid);
            Some((seen.name, Some(there)))
        }));
        let now = now_nano();
        self.intake.answer(Asked {
            inventory: Inventory {
                asked_at,
                containers,
                listed: Some(listed),
                whole,
                services: None,
            },
            // It runs on this host, and does not tell what its clock shows.
            ahead: Ahead::shown_between(now, now, now),
            again: again.clone(),
            place,
        });
        Ok(())
    }

    /// When its task was started, if that was read.
    fn with_start(&self, mut there: Inspected, pid: Option<u32>) -> Inspected {
        let mut roster = self.roster.lock();
        if let Some(pid) = pid {
            roster.is_there(&there.id, pid);
            there.started_nano = roster.started_nano(&there.id, pid);
        }
        there
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
