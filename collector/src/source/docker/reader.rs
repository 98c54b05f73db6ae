//! The task that does nothing but read: the engine skips a subscriber that does not.

use super::super::EngineEvent;
use super::super::identity::EngineIdentity;
use super::super::intake::{Intake, Origin};
use super::behind::Behind;
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::history::History;
use super::log;
use super::memory::{self, Continuity, EventStream, print_of};
use super::overlap::{Joint, Overlap};
use crate::backoff::Backoff;
use crate::clock::now_nano;
use crate::gap;
use crate::stats::SharedStats;
use bollard::Docker;
use bollard::errors::Error;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// Said while it is so.
const NOT_READ: &str = "the engine's events are not read: it does not answer";

/// When the stream of a log has brought nothing for so long, it is looked whether it still would.
const LOOK: Duration = Duration::from_secs(2);
/// Between two looks at the clock of such an engine.
const CLOCK: Duration = Duration::from_secs(15);
/// How much older that is than now, when it begins, nanoseconds.
const OVERLAP: i64 = 60_000_000_000;

/// Why a subscription ended.
enum Ended {
    /// It brought nothing for so long that the engine may be gone.
    Quiet,
    /// It may not bring what happens.
    Doubtful,
    /// The engine closed it.
    ByEngine,
}

/// See the module.
pub struct Reader {
    /// Where the engine is.
    pub address: Endpoint,
    /// Takes what is read.
    pub intake: Arc<Intake>,
    /// What was read before.
    pub history: History,
    /// Whether something may have been read before.
    pub resumed: bool,
    /// What the engine was when it was last recorded.
    pub identity: Option<EngineIdentity>,
    /// Counts the subscriptions, and what makes the engine's state worth a comparison; even: there is none.
    pub epoch: watch::Sender<u64>,
    /// Somebody knows that the stream does not bring what happens.
    pub skips: Arc<Notify>,
    /// A stream that brings nothing for so long is given up for a new one.
    pub quiet: Duration,
    /// Takes whether the engine answers.
    pub stats: SharedStats,
}

impl Reader {
    /// Reads until nobody listens; connects again whenever the stream ends.
    pub async fn run(mut self) {
        let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let (intake, skips) = (Arc::clone(&self.intake), Arc::clone(&self.skips));
        self.stats.trouble(NOT_READ, true);
        loop {
            let ended = tokio::select! {
                ended = self.subscribe(&mut pauses) => ended,
                () = skips.notified() => Ok(Ended::Doubtful),
                () = intake.closed() => return,
            };
            self.epoch.send_if_modified(|epoch| {
                let connected = !epoch.is_multiple_of(2);
                *epoch += u64::from(connected);
                connected
            });
            let why = match ended {
                // Asking again shows whether it is still there, and loses nothing.
                Ok(Ended::Quiet) => {
                    // An engine of this machine cannot go without an end of the stream: nothing was missed, though there may be
                    // no event to prove it by.
                    self.resumed &= self.intake.newest().is_some() || !self.address.is_local();
                    continue;
                }
                Ok(Ended::Doubtful) => continue,
                Ok(Ended::ByEngine) => "the engine ended the stream".to_owned(),
                Err(error) => error.to_string(),
            };
            self.stats.trouble(NOT_READ, true);
            let pause = pauses.fail();
            tracing::warn!(
                address = %self.address, %why, retry_ms = pause.as_millis(),
                "the engine's events stopped: connecting again"
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = intake.closed() => return,
            }
        }
    }

    /// One subscription. Asks for everything that the engine still has; repeats are known by their content.
    async fn subscribe(&mut self, pauses: &mut Backoff) -> Result<Ended, Error> {
        let docker = self.address.client()?;
        let engine = self.greet(&docker).await?;
        let reach = self.history.reach_of_absence(&self.intake, &engine);
        let remembered = memory::read(&self.address, &docker, &engine, reach).await?;
        let mut overlap = Overlap::new(engine.dialect, &remembered);
        // Taken now: the engine may forget the oldest of them until the subscription begins.
        let received_nano = now_nano();
        for event in self.missed(remembered, &engine) {
            self.intake.offer(event, Origin::Stream, received_nano);
        }
        let since_nano = engine.nano(received_nano).saturating_sub(OVERLAP).max(1);
        let mut stream = memory::subscribe(&self.address, &docker, &engine, since_nano);
        let mut behind = Behind::since(self.history.read_nano(&self.intake, &engine));
        self.epoch.send_modify(|epoch| *epoch += 1);
        self.stats.trouble(NOT_READ, false);
        loop {
            let event = match self.next(&mut stream, &docker, &engine, since_nano).await? {
                Ok(event) => event,
                Err(ended) => return Ok(ended),
            };
            pauses.reset();
            let received_nano = now_nano();
            match overlap.join(&event) {
                Joint::GoesOn => {}
                Joint::Repeats => continue,
                Joint::Broken => self.doubt(
                    "not read for too long: the engine forgot events",
                    self.history.read_nano(&self.intake, &engine),
                    engine.nano(received_nano),
                ),
            }
            if engine.dialect == Dialect::Podman {
                // Its service waits for a reader that is slow, and its log is read in any case.
                self.intake.offer(event, Origin::Stream, received_nano);
                continue;
            }
            let doubt = match event.kind == "container" {
                true => behind.read(event.time_nano, engine.nano(received_nano)),
                // It has the clock of the Swarm's leader.
                false => None,
            };
            self.intake.offer(event, Origin::Stream, received_nano);
            if let Some((from_nano, to_nano)) = doubt {
                self.doubt(
                    "read too late: the engine may have skipped events",
                    from_nano,
                    to_nano,
                );
                // The comparison tells what can be told.
                self.epoch.send_modify(|epoch| *epoch += 2);
            }
        }
    }

    async fn greet(&mut self, docker: &Docker) -> Result<Engine, Error> {
        let engine = Engine::ask(docker).await?;
        if engine.dialect == Dialect::Podman {
            log::check(&self.address).await?;
        }
        let identity = &engine.identity;
        tracing::info!(
            address = %self.address, engine = identity.name, version = %identity.version, api = %identity.api,
            clock_ahead_ms = engine.ahead.middle_nano() / 1_000_000,
            "reading the engine's events"
        );
        if self.identity.as_ref() != Some(identity) {
            let (collector, address) = (self.intake.collector(), self.address.to_string());
            self.intake
                .say(identity.statement(collector, &address, now_nano()));
            self.identity = Some(identity.clone());
        }
        Ok(engine)
    }

    /// What is remembered and may not have been taken. Records a gap unless the event that was read last is remembered.
    fn missed(&mut self, mut remembered: Vec<EngineEvent>, engine: &Engine) -> Vec<EngineEvent> {
        let newest = self.intake.newest();
        // What was before the spool, by the engine's clock. Only of what surely is older: clocks step.
        let floor_nano = self.history.floor_nano(engine);
        let resumed = self.resumed.then_some(floor_nano);
        let older = match memory::continuity(engine.dialect, &remembered, newest, resumed) {
            Continuity::Proven(place) => place + 1,
            Continuity::Fresh => remembered.len(),
            Continuity::Broken(why) => {
                let from_nano = self.history.read_nano(&self.intake, engine);
                self.doubt(why, from_nano, engine.nano(now_nano()));
                // Said once: from here on there is nothing to be continuous with.
                self.intake.forget_newest();
                if newest.is_none() { remembered.len() } else { 0 }
            }
        };
        let proven = newest.is_some() && older > 0;
        self.resumed = true;
        if engine.dialect == Dialect::Podman {
            // A log has its order: what is before the event that was read last was read, or was not this spool's.
            return if proven {
                remembered.split_off(older)
            } else {
                remembered
            };
        }
        let before = remembered[..older]
            .iter()
            .filter(|event| event.time_nano < floor_nano);
        self.intake
            .leave_out(before.filter_map(|event| print_of(event.clone())));
        remembered
    }

    /// Between these moments of the engine's clock.
    fn doubt(&self, reason: &str, from_nano: i64, to_nano: i64) {
        tracing::error!(
            alarm = true, address = %self.address, %reason,
            "events of the engine may be missing: a gap is recorded"
        );
        let bounds = (from_nano.min(to_nano), to_nano);
        let mut gap = gap::unproven(self.intake.collector(), reason, bounds);
        gap.received_nano = now_nano();
        self.intake.say(gap);
    }

    /// The next event, or why there will be none.
    async fn next(
        &self,
        stream: &mut EventStream,
        docker: &Docker,
        engine: &Engine,
        since_nano: i64,
    ) -> Result<Result<EngineEvent, Ended>, Error> {
        let started = Instant::now();
        let mut looked = false;
        loop {
            let patience = match engine.dialect {
                Dialect::Docker => self.quiet,
                Dialect::Podman if looked => CLOCK,
                Dialect::Podman => LOOK,
            };
            match timeout(patience, stream.next()).await {
                Ok(Some(event)) => return event.map(Ok),
                Ok(None) => return Ok(Err(Ended::ByEngine)),
                Err(_) if started.elapsed() >= self.quiet => return Ok(Err(Ended::Quiet)),
                // Its clock was set back, and a log's stream has nothing older than `since_nano`.
                Err(_) if looked && engine.nano(now_nano()) < since_nano.saturating_add(OVERLAP / 2) => {
                    return Ok(Err(Ended::Doubtful));
                }
                // A file that has grown too long was replaced by a shorter one: Podman's service tells nothing more then, and
                // does not end the stream.
                Err(_) if !looked => {
                    looked = true;
                    if self.has_skipped(docker, engine).await? {
                        return Ok(Err(Ended::Doubtful));
                    }
                }
                Err(_) => {}
            }
        }
    }

    async fn has_skipped(&self, docker: &Docker, engine: &Engine) -> Result<bool, Error> {
        let reach = self.history.reach_of_moment(&self.intake, engine);
        let remembered = memory::read(&self.address, docker, engine, reach).await?;
        let last = remembered.last().and_then(|event| print_of(event.clone()));
        Ok(last.is_some_and(|last| !self.intake.knows([last].into_iter())))
    }
}
