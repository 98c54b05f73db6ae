//! Invents events, at a rate or as fast as they become final. On a thread of its own, so that what inventing costs can be
//! told from what collecting costs.

use super::invention::Invention;
use super::{Given, Resume, Source, SourceError, Sourced};
use crate::clock::now_nano;
use crate::stats::SharedStats;
use futures::executor::block_on;
use futures::future::BoxFuture;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Name of the thread.
const THREAD: &str = "generator";
/// Shortest sleep: events that are due within one are sent together, and a little late.
const GRAIN: Duration = Duration::from_micros(500);
/// Events between two looks at the thread's CPU time.
const LOOK: u64 = 512;

/// What is invented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticOptions {
    /// Events a second; without it, or with 0, as fast as they become final.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Containers that they are about.
    #[serde(default = "default_containers")]
    pub containers: u32,
    /// How many events, if that is the end.
    #[serde(default)]
    pub events: Option<u64>,
    /// For how many seconds, if that is the end.
    #[serde(default)]
    pub duration_s: Option<u64>,
    /// Makes the same ids again.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn default_containers() -> u32 {
    10
}

/// Where nothing is configured: slow enough to watch.
impl Default for SyntheticOptions {
    fn default() -> Self {
        Self {
            rate: Some(2.0),
            containers: default_containers(),
            events: None,
            duration_s: None,
            seed: None,
        }
    }
}

/// See the module.
pub struct SyntheticSource {
    options: SyntheticOptions,
    stats: SharedStats,
}

impl SyntheticSource {
    /// With these options. What inventing costs is written to `stats`.
    pub fn new(options: SyntheticOptions, stats: SharedStats) -> Self {
        Self { options, stats }
    }
}

impl Source for SyntheticSource {
    fn name(&self) -> String {
        "synthetic".to_owned()
    }

    fn repeats(&self) -> bool {
        false
    }

    fn waits(&self) -> bool {
        true
    }

    fn run(
        self: Box<Self>,
        _resume: Resume,
        events: mpsc::Sender<Given>,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            // The thread ends when this future is dropped: its end of the channel closes.
            let (_running, stopped) = channel();
            let (ended, end) = oneshot::channel();
            std::thread::Builder::new()
                .name(THREAD.to_owned())
                .spawn(move || {
                    invent(&self.options, &events, &stopped, &self.stats);
                    // Nobody listens when the collector stops.
                    let _ = ended.send(());
                })
                .map_err(|error| SourceError::Generator(error.to_string()))?;
            end.await
                .map_err(|_| SourceError::Generator("it ended early".to_owned()))
        })
    }
}

fn invent(
    options: &SyntheticOptions,
    events: &mpsc::Sender<Given>,
    stopped: &Receiver<()>,
    stats: &SharedStats,
) {
    let world = Invention::new(options.seed, options.containers);
    let (start, start_nano) = (Instant::now(), now_nano());
    let end = options.duration_s.map(Duration::from_secs);
    let rate = options.rate.unwrap_or_default();
    for number in 0..options.events.unwrap_or(u64::MAX) {
        let after = due(rate, number);
        let passed = after.unwrap_or_else(|| start.elapsed());
        if end.is_some_and(|end| passed >= end) || !wait(after.map(|after| start + after), stopped) {
            break;
        }
        let Ok(place) = block_on(events.reserve()) else {
            break;
        };
        let now = now_nano();
        // The latency counts from when the event was meant to happen, so that a stall shows in every event that
        // it delays.
        let since_nano = after.map_or(now, |after| {
            start_nano.saturating_add(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX))
        });
        let event = world.event(number, since_nano, now);
        place.send(Sourced::once(event, since_nano).into());
        if number % LOOK == 0 {
            note_cpu(stats);
        }
    }
    note_cpu(stats);
}

/// When an event is meant to happen, from the start on; `None`: at once.
fn due(rate: f64, number: u64) -> Option<Duration> {
    (rate > 0.0).then(|| Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX))
}

/// Waits until then; false when it is time to stop.
fn wait(until: Option<Instant>, stopped: &Receiver<()>) -> bool {
    loop {
        let left = until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return stopped.try_recv() != Err(TryRecvError::Disconnected);
        }
        if stopped.recv_timeout(left.max(GRAIN)) != Err(RecvTimeoutError::Timeout) {
            return false;
        }
    }
}

fn note_cpu(stats: &SharedStats) {
    // Where the kernel does not tell, nothing is told apart.
    if let Ok(cpu) = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID) {
        let micros = u64::try_from(Duration::from(cpu).as_micros()).unwrap_or(u64::MAX);
        stats.change(|stats| stats.generator_cpu_us = micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::event::Event;

    fn all(options: &SyntheticOptions) -> (Vec<Event>, SharedStats) {
        let (sender, mut receiver) = mpsc::channel(4096);
        let (_running, stopped) = channel();
        let stats = SharedStats::default();
        invent(options, &sender, &stopped, &stats);
        let mut events = Vec::new();
        while let Ok(Given::Event(sourced)) = receiver.try_recv() {
            events.push(sourced.event);
        }
        (events, stats)
    }

    #[test]
    fn as_many_as_asked_of_the_size_of_real_ones() {
        let options = SyntheticOptions {
            rate: None,
            events: Some(1000),
            seed: Some(1),
            containers: 100,
            ..Default::default()
        };
        let (events, stats) = all(&options);
        assert_eq!(events.len(), 1000);
        let size = events.iter().map(|event| event.encode().len()).sum::<usize>() / 1000;
        assert!((550..700).contains(&size), "{size} bytes");
        let ids = |events: &[Event]| events.iter().map(|e| e.actor_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&events), ids(&all(&options).0), "a seed makes the same ids");
        assert!(stats.get().generator_cpu_us > 0, "inventing costs something");
    }

    #[test]
    fn a_rate_and_a_time_make_a_number() {
        let options = SyntheticOptions {
            rate: Some(3000.0),
            duration_s: Some(1),
            ..Default::default()
        };
        assert_eq!(all(&options).0.len(), 3000);
    }

    #[tokio::test]
    async fn the_thread_ends_with_its_future_though_the_next_event_is_far() {
        let options = SyntheticOptions {
            rate: Some(0.001),
            ..Default::default()
        };
        let (sender, mut receiver) = mpsc::channel(4);
        let source = Box::new(SyntheticSource::new(options, SharedStats::default()));
        let running = tokio::spawn(source.run(Resume::default(), sender));
        assert!(receiver.recv().await.is_some());
        running.abort();
        let end = tokio::time::timeout(Duration::from_secs(30), receiver.recv()).await;
        assert!(end.unwrap().is_none(), "the channel closes");
    }
}
