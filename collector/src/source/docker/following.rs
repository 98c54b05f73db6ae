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
                    patience = later;
                    let received_nano = now_nano();
                    let line = ReadLine { text, received_nano };
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
                self.heard = true;
                self.take(event, line.received_nano);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ahead;
    use crate::source::docker::endpoint::{Address, Wire};
    use crate::source::identity::EngineIdentity;
    use crate::source::intake::Outlet;
    use crate::source::{Given, Resume};
    use futures::future::poll_fn;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    fn line(action: &str, number: usize) -> String {
        format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"a"}},"scope":"local","timeNano":{}}}"#,
            now_nano() + number as i64
        ) + "\n"
    }

    /// A subscription whose lines wait for each other for so long, the engine's end of it, and what is taken.
    fn open(gather: Duration) -> (Following, UnixStream, Outlet) {
        let (wire, mut engine) = Wire::pair();
        let tail = Tail::open(wire, "/events").unwrap();
        assert!(engine.read(&mut [0; 4096]).unwrap() > 0);
        engine.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (intake, outlet) = Intake::new(&Resume::default(), 1 << 20);
        let following = Following {
            tail,
            overlap: Overlap::new(Dialect::Docker, &[]),
            behind: Behind::since(0),
            engine: Engine {
                identity: EngineIdentity {
                    name: "fake",
                    version: "1".to_owned(),
                    api: "1".to_owned(),
                },
                dialect: Dialect::Docker,
                ahead: Ahead::shown_between(0, 0, 0),
                manages: false,
            },
            address: Endpoint::open(&Address::socket(Path::new("/none"))).unwrap(),
            intake,
            history: History {
                floor_nano: 0,
                newest_nano: 0,
            },
            epoch: Arc::new(watch::channel(1).0),
            gathered: Gathered::within(Dialect::Docker, gather),
            heard: false,
        };
        (following, engine, outlet)
    }

    async fn taken(outlet: &mut Outlet, count: usize) -> Vec<(u64, String)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            match poll_fn(|context| outlet.poll_next(context)).await {
                Some((Given::Event(sourced), _)) => taken.push((sourced.number, sourced.event.action)),
                other => panic!("{other:?}"),
            }
        }
        taken
    }

    #[tokio::test]
    async fn lines_that_waited_are_taken_when_it_is_quiet_and_at_the_end() {
        let (mut following, mut engine, mut outlet) = open(SHORT);
        for number in 0..3 {
            engine.write_all(line("rename", number).as_bytes()).unwrap();
        }
        assert_eq!(following.read(LONG, SHORT * 5).unwrap(), Stopped::Quiet);
        assert!(following.heard);
        let renamed = |number| (number, "rename".to_owned());
        assert_eq!(taken(&mut outlet, 3).await, [1, 2, 3].map(renamed));
        let (mut following, mut engine, mut outlet) = open(LONG);
        for number in 0..3 {
            engine.write_all(line("rename", number).as_bytes()).unwrap();
        }
        drop(engine);
        assert_eq!(following.read(LONG, LONG).unwrap(), Stopped::Ended);
        assert_eq!(taken(&mut outlet, 3).await, [1, 2, 3].map(renamed));
    }

    #[tokio::test]
    async fn lines_before_one_that_makes_no_sense_are_taken() {
        let (mut following, mut engine, mut outlet) = open(LONG);
        for number in 0..2 {
            engine.write_all(line("rename", number).as_bytes()).unwrap();
        }
        engine.write_all(b"what?\n").unwrap();
        engine.write_all(line("die", 2).as_bytes()).unwrap();
        let error = following.read(LONG, LONG).unwrap_err().to_string();
        assert!(error.contains("JSON object"), "{error}");
        assert_eq!(taken(&mut outlet, 2).await.len(), 2);
    }

    #[test]
    fn what_is_no_event_is_not_heard() {
        let (mut following, mut engine, _outlet) = open(Duration::ZERO);
        engine.write_all(b"\n").unwrap();
        assert_eq!(following.read(SHORT, SHORT).unwrap(), Stopped::Quiet);
        assert!(!following.heard);
    }
}
