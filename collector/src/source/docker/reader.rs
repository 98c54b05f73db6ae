//! The task that sees to it that the engine is read: subscribes, and leaves the reading to a thread that does nothing else
//! ([`super::following`]), because the engine skips a subscriber that does not.

use super::super::EngineEvent;
use super::super::identity::EngineIdentity;
use super::super::intake::{Intake, Origin};
use super::behind::Behind;
use super::dialect::Dialect;
use super::doubt::doubt;
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::following::{Following, Stopped};
use super::gathered::Gathered;
use super::history::History;
use super::log;
use super::memory::{self, Continuity, print_of};
use super::overlap::Overlap;
use super::raw;
use super::tail::Tail;
use crate::backoff::Backoff;
use crate::clock::now_nano;
use crate::stats::SharedStats;
use bollard::errors::Error;
use futures::FutureExt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

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
    pub epoch: Arc<watch::Sender<u64>>,
    /// Somebody knows that the stream does not bring what happens.
    pub skips: Arc<Notify>,
    /// A stream that brings nothing for so long is given up for a new one.
    pub quiet: Duration,
    /// How long events that need no inspection may wait for each other.
    pub gather: Duration,
    /// Takes whether the engine answers.
    pub stats: SharedStats,
}

impl Reader {
    /// Reads until nobody listens; connects again whenever the stream ends.
    pub async fn run(mut self) {
        let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let intake = Arc::clone(&self.intake);
        self.stats.trouble(NOT_READ, true);
        loop {
            let ended = tokio::select! {
                ended = self.subscribe(&mut pauses) => ended,
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
        let engine = self.greet().await?;
        // Of an earlier subscription: what it missed is read now.
        let _ = self.skips.notified().now_or_never();
        let reach = self.history.reach_of_absence(&self.intake, &engine);
        let remembered = memory::read(&self.address, &engine, reach).await?;
        let overlap = Overlap::new(engine.dialect, &remembered);
        // Taken now: the engine may forget the oldest of them until the subscription begins.
        let received_nano = now_nano();
        for event in self.missed(remembered, &engine) {
            self.intake.offer(event, Origin::Stream, received_nano);
        }
        let since_nano = engine.nano(received_nano).saturating_sub(OVERLAP).max(1);
        let wire = raw::within(async { Ok(self.address.wire().await?) }).await?;
        let path = memory::subscription(engine.dialect, since_nano);
        let following = Following {
            tail: Tail::open(wire, &path)?,
            overlap,
            gathered: Gathered::within(engine.dialect, self.gather),
            behind: Behind::since(self.history.read_nano(&self.intake, &engine)),
            engine,
            address: self.address.clone(),
            intake: Arc::clone(&self.intake),
            history: self.history,
            epoch: Arc::clone(&self.epoch),
            heard: false,
        };
        self.epoch.send_modify(|epoch| *epoch += 1);
        self.stats.trouble(NOT_READ, false);
        self.follow(following, since_nano, pauses).await
    }

    /// Has it read until it ends.
    async fn follow(
        &self,
        mut following: Following,
        since_nano: i64,
        pauses: &mut Backoff,
    ) -> Result<Ended, Error> {
        let closer = following.tail.closer()?;
        let engine = following.engine.clone();
        let (mut quiet_since, mut looked) = (Instant::now(), false);
        loop {
            let (first, later) = match engine.dialect {
                Dialect::Docker => (self.quiet, self.quiet),
                Dialect::Podman if looked => (CLOCK, LOOK),
                Dialect::Podman => (LOOK, LOOK),
            };
            let mut reading = spawn_blocking(move || {
                let stopped = following.read(first, later);
                (following, stopped)
            });
            let read = tokio::select! {
                read = &mut reading => read,
                () = self.skips.notified() => {
                    drop(closer);
                    // Nothing of it comes behind what the next subscription brings.
                    if let Ok((following, _)) = reading.await
                        && following.heard
                    {
                        pauses.reset();
                    }
                    return Ok(Ended::Doubtful);
                }
            };
            let (back, stopped) = read.map_err(io::Error::other)?;
            following = back;
            if std::mem::take(&mut following.heard) {
                pauses.reset();
                (quiet_since, looked) = (Instant::now() - later, false);
            }
            if stopped? == Stopped::Ended {
                return Ok(Ended::ByEngine);
            }
            if engine.dialect == Dialect::Docker || quiet_since.elapsed() >= self.quiet {
                return Ok(Ended::Quiet);
            }
            let is_doubtful = match looked {
                // Its clock was set back, and a log's stream has nothing older than `since_nano`.
                true => engine.nano(now_nano()) < since_nano.saturating_add(OVERLAP / 2),
                // A file that has grown too long was replaced by a shorter one: Podman's service tells nothing more then, and
                // does not end the stream.
                false => self.has_skipped(&engine).await?,
            };
            if is_doubtful {
                return Ok(Ended::Doubtful);
            }
            looked = true;
        }
    }

    async fn greet(&mut self) -> Result<Engine, Error> {
        let engine = Engine::ask(&self.address.client()?).await?;
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
                let bounds = (from_nano, engine.nano(now_nano()));
                doubt(&self.intake, &self.address, why, bounds);
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

    /// Whether the log has what the stream did not bring.
    async fn has_skipped(&self, engine: &Engine) -> Result<bool, Error> {
        let reach = self.history.reach_of_moment(&self.intake, engine);
        let remembered = memory::read(&self.address, engine, reach).await?;
        let last = remembered.last().and_then(|event| print_of(event.clone()));
        Ok(last.is_some_and(|last| !self.intake.knows([last].into_iter())))
    }
}
