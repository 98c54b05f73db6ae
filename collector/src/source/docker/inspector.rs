//! The task that asks the engine for its state and puts the answers behind the events that were published before them.
//!
//! A part of the containers at a time: inspect them, then read what the engine remembers. All that was published before
//! the inspection is in there, or was read before, if the event that was read last before the asking is in there too. So
//! what is remembered and was not read is put into the queue, which also mends what the engine has skipped, and the
//! answers behind it: whoever takes them there has taken every event that they can know of.

use super::super::intake::{Intake, Offered, Origin};
use super::super::{Asked, EngineEvent};
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::facts;
use super::history::History;
use super::log;
use super::memory::{self, REMEMBERED, print_of};
use crate::backoff::Backoff;
use crate::clock::now_nano;
use crate::recent::Fingerprint;
use crate::reconcile::{Inspected, InspectedService, Inventory};
use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Containers that are asked for together.
const PART: usize = 32;
/// Inspections at the same time.
const INSPECTIONS: usize = 4;
/// How often a part is asked for before it waits for its turn again.
const TRIES: u32 = 5;
/// First and longest pause before the same container is asked for again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// A manager changes a service first and emits the event a little later.
const TOLD_LATER: Duration = Duration::from_millis(500);
/// An event that a log has for so long, and its stream has not brought, it will not bring; nanoseconds.
const SKIPPED: i64 = 2_000_000_000;
/// Pause after a round that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Inspector {
    /// Where the engine is.
    pub address: Endpoint,
    /// Takes the answers.
    pub intake: Arc<Intake>,
    /// Between two rounds; `None`: only when a subscription begins or is in doubt.
    pub every: Option<Duration>,
    /// See the reader.
    pub epoch: watch::Receiver<u64>,
    /// Room for answers.
    pub places: Arc<Semaphore>,
    /// What was read before.
    pub history: History,
    /// Told when the stream does not bring what happens.
    pub skips: Arc<Notify>,
}

/// What a part is asked for with.
struct Asking<'a> {
    docker: &'a Docker,
    engine: &'a Engine,
    again: &'a mpsc::UnboundedSender<Vec<String>>,
    epoch: u64,
    /// Whether a part was thrown away.
    thrown: AtomicBool,
}

impl Inspector {
    /// Asks at the beginning of each subscription, and after each period.
    pub async fn run(mut self) {
        let (again, mut wanted) = mpsc::unbounded_channel();
        while self.connected().await.is_some() {
            let done = self.round(&again).await;
            let pause = match &done {
                Ok(()) => self.every,
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "the engine does not tell its state");
                    Some(self.every.unwrap_or(AFTER_FAILURE).min(AFTER_FAILURE))
                }
            };
            let next = pause.map(|pause| Instant::now() + pause);
            if self.between(next, &again, &mut wanted).await.is_none() {
                return;
            }
        }
    }

    /// Waits for a subscription; `None` when there will be none.
    async fn connected(&mut self) -> Option<u64> {
        let found = self.epoch.wait_for(|epoch| !epoch.is_multiple_of(2)).await;
        let epoch = found.ok().map(|epoch| *epoch);
        self.epoch.mark_unchanged();
        epoch
    }

    /// Until the next round asks again for whom that is wanted.
    async fn between(
        &mut self,
        next: Option<Instant>,
        again: &mpsc::UnboundedSender<Vec<String>>,
        wanted: &mut mpsc::UnboundedReceiver<Vec<String>>,
    ) -> Option<()> {
        let mut pauses = Backoff::new(AGAIN.0, AGAIN.1);
        loop {
            let mut ids: BTreeSet<String> = tokio::select! {
                changed = self.epoch.changed() => return changed.ok(),
                () = until(next) => return Some(()),
                ids = wanted.recv() => ids?.into_iter().collect(),
            };
            if ids.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.epoch.changed() => return changed.ok(),
                () = sleep(pauses.fail()) => {}
            }
            while let Ok(more) = wanted.try_recv() {
                ids.extend(more);
            }
            if let Err(error) = self.some(&ids, again).await {
                tracing::debug!(address = %self.address, %error, "the engine does not tell the state of some containers");
            }
        }
    }

    async fn round(&self, again: &mpsc::UnboundedSender<Vec<String>>) -> Result<(), Error> {
        let docker = self.address.client()?;
        let engine = Engine::ask(&docker).await?;
        let asking = self.asking(&docker, &engine, again);
        let listed = match engine.dialect {
            Dialect::Docker => listed(&docker).await?,
            Dialect::Podman => log::listed(&self.address).await?,
        };
        let ids: Vec<String> = listed.iter().cloned().collect();
        for part in ids.chunks(PART) {
            self.ask(&asking, part, None).await?;
        }
        self.ask(&asking, &[], Some(listed)).await
    }

    async fn some(
        &self,
        ids: &BTreeSet<String>,
        again: &mpsc::UnboundedSender<Vec<String>>,
    ) -> Result<(), Error> {
        let docker = self.address.client()?;
        let engine = Engine::ask(&docker).await?;
        let asking = self.asking(&docker, &engine, again);
        let ids: Vec<String> = ids.iter().cloned().collect();
        for part in ids.chunks(PART) {
            self.ask(&asking, part, None).await?;
        }
        Ok(())
    }

    fn asking<'a>(
        &self,
        docker: &'a Docker,
        engine: &'a Engine,
        again: &'a mpsc::UnboundedSender<Vec<String>>,
    ) -> Asking<'a> {
        let epoch = *self.epoch.borrow();
        Asking {
            docker,
            engine,
            again,
            epoch,
            thrown: AtomicBool::new(false),
        }
    }

    /// One part. Its answers are thrown away, and asked for again, where events may have been published before them that
    /// were neither read nor are remembered. `listed` ends a round: with the services of a manager.
    async fn ask(
        &self,
        asking: &Asking<'_>,
        ids: &[String],
        listed: Option<BTreeSet<String>>,
    ) -> Result<(), Error> {
        // It is closed never.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return Ok(());
        };
        let mut before: Option<EngineEvent> = None;
        for _ in 0..TRIES {
            let asked_at = self.intake.number();
            let newest = self.intake.newest();
            let containers = inspect(asking.docker, ids).await?;
            let services = match &listed {
                Some(_) if asking.engine.manages => services(asking.docker).await,
                _ => None,
            };
            if services.is_some() {
                sleep(TOLD_LATER).await;
            }
            let reach = self.history.reach_of_moment(&self.intake, asking.engine);
            let remembered = memory::read(&self.address, asking.engine, reach).await?;
            if *self.epoch.borrow() != asking.epoch {
                // Another subscription, or none: its beginning asks again.
                return Ok(());
            }
            let keeps_log = asking.engine.dialect == Dialect::Podman;
            let reaches_back = match newest {
                Some(newest) => place_of(&remembered, newest),
                None => (keeps_log || remembered.len() < REMEMBERED).then_some(0),
            };
            let complete = match reaches_back {
                // Of a log all that is older was read, and there may be more of it than is known as a repeat.
                Some(place) if keeps_log => self.put_log(&remembered[place..], asking.engine),
                Some(_) => self.put(&remembered),
                // Only a new subscription finds out what is missing of a log.
                None if keeps_log => {
                    self.skips.notify_one();
                    return Ok(());
                }
                // Events of other kinds may have filled it; what is remembered of the others was read then.
                None => self.goes_on(before.as_ref(), &remembered),
            };
            before = remembered.last().cloned();
            if complete {
                let inventory = Inventory {
                    asked_at,
                    containers,
                    whole: listed.is_some() && !asking.thrown.load(Ordering::Relaxed),
                    listed,
                    services,
                };
                self.intake.answer(Asked {
                    inventory,
                    ahead: asking.engine.ahead,
                    again: asking.again.clone(),
                    place,
                });
                return Ok(());
            }
        }
        if listed.is_some() {
            // The end of a round is nobody's in particular: all of it is tried again.
            return Err(Error::from(std::io::Error::other(
                "too much happens at once to compare states",
            )));
        }
        asking.thrown.store(true, Ordering::Relaxed);
        tracing::warn!(address = %self.address, "too much happens at once to compare states: trying again");
        // The receiver lives as long as this task.
        let _ = asking.again.send(ids.to_vec());
        Ok(())
    }

    /// Whether nothing was missed between the try before and this one, and nothing is to be put.
    fn goes_on(&self, before: Option<&EngineEvent>, remembered: &[EngineEvent]) -> bool {
        let prints = remembered.iter().filter_map(|event| print_of(event.clone()));
        before.is_some_and(|before| remembered.contains(before)) && self.intake.knows(prints)
    }

    /// Puts what was not read, in its order, since what was read last is among it; whether all found room.
    fn put(&self, remembered: &[EngineEvent]) -> bool {
        let received_nano = now_nano();
        let mut complete = true;
        for event in remembered {
            let offered = self.intake.offer(event.clone(), Origin::Memory, received_nano);
            complete &= offered != Offered::Lost;
        }
        complete
    }

    /// The same of a log, whose stream is given up if it has skipped some of it.
    fn put_log(&self, remembered: &[EngineEvent], engine: &Engine) -> bool {
        let told_by = engine.nano(now_nano()).saturating_sub(SKIPPED);
        let due = remembered.iter().take_while(|event| event.time_nano < told_by);
        if !self.intake.knows(due.filter_map(|event| print_of(event.clone()))) {
            self.skips.notify_one();
        }
        self.put(remembered)
    }
}

async fn listed(docker: &Docker) -> Result<BTreeSet<String>, Error> {
    let all = ListContainersOptionsBuilder::new().all(true).build();
    let containers = docker.list_containers(Some(all)).await?;
    Ok(containers.into_iter().filter_map(|one| one.id).collect())
}

fn place_of(remembered: &[EngineEvent], newest: Fingerprint) -> Option<usize> {
    let is_newest = |event: &EngineEvent| print_of(event.clone()) == Some(newest);
    remembered.iter().rposition(is_newest)
}

async fn inspect(docker: &Docker, ids: &[String]) -> Result<Vec<(String, Option<Inspected>)>, Error> {
    let asked: Vec<_> = ids
        .iter()
        .map(|id| inspect_one(docker.clone(), id.clone()))
        .collect();
    let answers: Vec<_> = stream::iter(asked).buffered(INSPECTIONS).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

/// `None` for an answer that cannot be read: that is not to say that the container is gone.
async fn inspect_one(docker: Docker, id: String) -> Result<Option<(String, Option<Inspected>)>, Error> {
    match docker.inspect_container(&id, None).await {
        Ok(answer) => Ok(facts::inspected(&id, answer).map(|seen| (id, Some(seen)))),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(Some((id, None))),
        // One that cannot be inspected keeps nobody else from being compared.
        Err(
            error @ (Error::DockerResponseServerError { .. }
            | Error::JsonDataError { .. }
            | Error::RequestTimeoutError),
        ) => {
            tracing::warn!(container = %id, %error, "the engine does not tell a container's state");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A manager without a majority cannot tell.
async fn services(docker: &Docker) -> Option<Vec<InspectedService>> {
    let services = docker.list_services(None).await.ok()?;
    Some(
        services
            .into_iter()
            .filter_map(facts::inspected_service)
            .collect(),
    )
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
