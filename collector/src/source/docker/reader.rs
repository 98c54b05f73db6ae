//! The task that does nothing but read: the engine skips a subscriber that does not.

use super::super::EngineEvent;
use super::behind::Behind;
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::intake::{Intake, Origin};
use super::memory::{self, Continuity, print_of};
use crate::backoff::Backoff;
use crate::clock::now_nano;
use crate::gap;
use crate::recent::Fingerprint;
use crate::stats::SharedStats;
use bollard::Docker;
use futures::StreamExt;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Said while it is so.
const NOT_READ: &str = "the engine's events are not read: it does not answer";

/// A stream that brings nothing for so long may be that of an engine that is gone: subscribe again.
const QUIET: Duration = Duration::from_secs(300);

/// Why a subscription ended.
enum Ended {
    /// It brought nothing for too long.
    Quiet,
    /// The engine closed it.
    ByEngine,
}

/// See the module.
pub struct Reader {
    /// Where the engine is.
    pub address: Endpoint,
    /// Takes what is read.
    pub intake: Arc<Intake>,
    /// Events before this moment are not this spool's, if it is new; nanoseconds since the Unix epoch.
    pub floor_nano: i64,
    /// Whether something may have been read before.
    pub resumed: bool,
    /// Counts the subscriptions, and what makes the engine's state worth a comparison; even: there is none.
    pub epoch: watch::Sender<u64>,
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
                Ok(Ended::Quiet) => continue,
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
    async fn subscribe(&mut self, pauses: &mut Backoff) -> Result<Ended, bollard::errors::Error> {
        let docker = self.address.client()?;
        let engine = self.greet(&docker).await?;
        let remembered = memory::read(&docker, &engine, self.intake.highest_nano()).await?;
        self.check_continuity(&remembered, &engine);
        let mut overlap = prints(&remembered);
        // Taken now: the engine may forget the oldest of them until the subscription begins.
        let received_nano = now_nano();
        for event in remembered {
            self.intake.offer(event, Origin::Stream, received_nano);
        }
        let mut stream = memory::stream(&docker, true, None);
        let mut behind = Behind::default();
        self.epoch.send_modify(|epoch| *epoch += 1);
        self.stats.trouble(NOT_READ, false);
        loop {
            let message = match timeout(QUIET, stream.next()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Ended::ByEngine),
                Err(_) => return Ok(Ended::Quiet),
            };
            let event: EngineEvent = message?.into();
            pauses.reset();
            let received_nano = now_nano();
            if let Some(remembered) = overlap.take()
                && print_of(event.clone()).is_some_and(|print| !remembered.contains(&print))
            {
                self.doubt(
                    "not read for too long: the engine forgot events",
                    None,
                    received_nano,
                );
            }
            let doubt = behind.read(event.time_nano, engine.nano(received_nano));
            self.intake.offer(event, Origin::Stream, received_nano);
            if let Some((from_nano, _)) = doubt {
                self.doubt(
                    "read too late: the engine may have skipped events",
                    from_nano,
                    received_nano,
                );
                // The comparison tells what can be told.
                self.epoch.send_modify(|epoch| *epoch += 2);
            }
        }
    }

    async fn greet(&self, docker: &Docker) -> Result<Engine, bollard::errors::Error> {
        let version = docker.version().await?;
        let engine = Engine::ask(docker).await?;
        tracing::info!(
            address = %self.address,
            engine = version.version.as_deref().unwrap_or("unknown"),
            api = version.api_version.as_deref().unwrap_or("unknown"),
            clock_ahead_ms = engine.ahead.middle_nano() / 1_000_000,
            "reading the engine's events"
        );
        Ok(engine)
    }

    /// Records a gap unless the engine remembers the event that was read last.
    fn check_continuity(&mut self, remembered: &[EngineEvent], engine: &Engine) {
        let newest = self.intake.newest();
        let older = match memory::continuity(remembered, newest, self.resumed) {
            Continuity::Proven(place) => &remembered[..=place],
            Continuity::Fresh => remembered,
            Continuity::Broken(why) => {
                let from_nano = newest.and_then(|newest| newest.time_nano);
                self.doubt(why, from_nano, now_nano());
                // Said once: from here on there is nothing to be continuous with.
                self.intake.forget_newest();
                if newest.is_none() { remembered } else { &[] }
            }
        };
        // What was before the spool, by the engine's clock. Only of what surely is older: clocks step.
        let floor_nano = self.floor_nano.saturating_add(engine.ahead.surely_nano());
        let before = older.iter().filter(|event| event.time_nano < floor_nano);
        self.intake
            .leave_out(before.filter_map(|event| print_of(event.clone())));
        self.resumed = true;
    }

    fn doubt(&self, reason: &str, from_nano: Option<i64>, to_nano: i64) {
        tracing::error!(
            alarm = true, address = %self.address, %reason,
            "events of the engine may be missing: a gap is recorded"
        );
        self.intake
            .say(gap::not_read(self.intake.collector(), reason, from_nano, to_nano));
    }
}

/// What the first event of a subscription must be among; `None` if there is nothing that it could be.
fn prints(remembered: &[EngineEvent]) -> Option<HashSet<Fingerprint>> {
    let prints: HashSet<_> = remembered
        .iter()
        .filter_map(|event| print_of(event.clone()))
        .collect();
    (!prints.is_empty()).then_some(prints)
}
