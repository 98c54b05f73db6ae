//! What a thread does that reads a subscription: nothing else.

use super::behind::Behind;
use super::dialect::Dialect;
use super::doubt::doubt;
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::gathered::{Gathered, ReadLine};
use super::history::History;
use super::lines;
use super::overlap::{Joint, Overlap};
use super::tail::{Next, Tail};
use crate::clock::now_nano;
use crate::source::EngineEvent;
use crate::source::intake::{Intake, Origin};
use bollard::errors::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Why it stopped reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing came for as long as it was to wait.
    Quiet,
    /// The engine ended the stream.
    Ended,
}

/// A subscription that is read.
pub struct Following {
    /// What is read.
    pub tail: Tail,
    /// How it goes on from what the engine remembered.
    pub overlap: Overlap,
    /// Whether it is read in time.
    pub behind: Behind,
    /// Whose it is.
    pub engine: Engine,
    /// Where that is.
    pub address: Endpoint,
    /// Takes what is read.
    pub intake: Arc<Intake>,
    /// What was read before.
    pub history: History,
    /// See the reader.
    pub epoch: Arc<watch::Sender<u64>>,
    /// What was read and waits to be taken.
    pub gathered: Gathered,
    /// Whether an event came since that was looked at.
    pub heard: bool,
}

impl Following {
    /// Reads until nothing comes for `first`, or for `later` after the last event.
    ///
    /// # Errors
    /// As [`Tail::next`], or something else comes than events.
    pub fn read(&mut self, first: Duration, later: Duration) -> Result<Stopped, Error> {
        let mut patience = first;
        loop {
            match self.tail.next(self.gathered.patience().unwrap_or(patience)) {
                Ok(Next::Line(text)) => {
                    self.heard = true;
                    patience = later;
                    let read_nano = now_nano();
                    let line = ReadLine { text, read_nano };
                    if self.gathered.add(line, Instant::now()) {
                        self.take_all()?;
                    }
                }
                // For another one that they could have been taken with.
                Ok(Next::Quiet) if self.gathered.patience().is_some() => self.take_all()?,
                other => {
                    // Before an error, too: they were read.
                    self.take_all()?;
                    return match other? {
                        Next::Quiet => Ok(Stopped::Quiet),
                        _ => Ok(Stopped::Ended),
                    };
                }
            }
        }
    }

    fn take_all(&mut self) -> Result<(), Error> {
        for line in self.gathered.take(Instant::now()) {
            if let Some(event) = lines::event(self.engine.dialect, &line.text)? {
                self.take(event, line.read_nano);
            }
        }
        Ok(())
    }

    fn take(&mut self, event: EngineEvent, received_nano: i64) {
        match self.overlap.join(&event) {
            Joint::GoesOn => {}
            Joint::Repeats => return,
            Joint::Broken => self.doubt(
                "not read for too long: the engine forgot events",
                self.history.read_nano(&self.intake, &self.engine),
                self.engine.nano(received_nano),
            ),
        }
        if self.engine.dialect == Dialect::Podman {
            // Its service waits for a reader that is slow, and its log is read in any case.
            self.intake.offer(event, Origin::Stream, received_nano);
            return;
        }
        let late = match event.kind == "container" {
            true => self.behind.read(event.time_nano, self.engine.nano(received_nano)),
            // It has the clock of the Swarm's leader.
            false => None,
        };
        self.intake.offer(event, Origin::Stream, received_nano);
        if let Some((from_nano, to_nano)) = late {
            self.doubt(
                "read too late: the engine may have skipped events",
                from_nano,
                to_nano,
            );
            // The comparison tells what can be told.
            self.epoch.send_modify(|epoch| *epoch += 2);
        }
    }

    fn doubt(&self, reason: &str, from_nano: i64, to_nano: i64) {
        doubt(&self.intake, &self.address, reason, (from_nano, to_nano));
    }
}
