//! Where what was read waits for its facts and for the spool: in memory, bounded in bytes, and never in the way of the
//! reading.

use super::{Asked, EngineEvent, Given, LeftOut, Resume, Sourced};
use crate::gap;
use crate::recent::{Fingerprint, Recent, fingerprint};
use e2l_ledger::event::{Event, EventKind};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// An engine publishes an event at most so long after the moment that it gives it, nanoseconds: it takes the time before its
/// locks, and threads overtake each other.
pub const PUBLISHED_WITHIN: i64 = 1_000_000_000;
/// Bytes of memory that an event takes beyond its texts.
const EVENT_BYTES: usize = 512;
/// And one of its attributes.
const ATTRIBUTE_BYTES: usize = 96;

/// Where an event was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the stream, which goes on from it.
    Stream,
    /// In what the engine remembers.
    Memory,
}

/// What became of an event that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It waits.
    Taken,
    /// It was there before.
    Repeat,
    /// The ledger does not record its kind, or it is none.
    Other,
    /// Memory is full: a gap will say so.
    Lost,
}

struct Waiting {
    given: Given,
    bytes: usize,
}

/// Events that found no room.
#[derive(Debug)]
struct Lost {
    from_nano: i64,
    to_nano: i64,
    events: u64,
    /// The last of them.
    last: LeftOut,
}

struct State {
    recent: Recent,
    number: u64,
    newest: Option<Fingerprint>,
    read_nano: Option<i64>,
    highest_nano: i64,
    bytes: usize,
    lost: Option<Lost>,
}

/// The end that reads put into.
pub struct Intake {
    state: Mutex<State>,
    queue: mpsc::UnboundedSender<Waiting>,
    max_bytes: usize,
    collector: String,
}

/// The end that is emptied.
pub struct Outlet {
    queue: mpsc::UnboundedReceiver<Waiting>,
    intake: Arc<Intake>,
}

impl Intake {
    /// Both ends. Takes nothing that was taken last before.
    pub fn new(resume: &Resume, max_bytes: usize) -> (Arc<Self>, Outlet) {
        let (sender, queue) = mpsc::unbounded_channel();
        let recent = Recent::new(resume.recent.iter().copied());
        let intake = Arc::new(Self {
            state: Mutex::new(State {
                newest: recent.newest(),
                recent,
                number: 0,
                read_nano: resume.read_nano,
                highest_nano: 0,
                bytes: 0,
                lost: None,
            }),
            queue: sender,
            max_bytes,
            collector: resume.collector.clone(),
        });
        let outlet = Outlet {
            queue,
            intake: Arc::clone(&intake),
        };
        (intake, outlet)
    }

    /// Takes an event of the engine, unless it was taken before. Never waits.
    pub fn offer(&self, raw: EngineEvent, origin: Origin, received_nano: i64) -> Offered {
        let action = raw.action.clone();
        let event = match raw.normalise(received_nano) {
            Ok(Some(event)) => event,
            Ok(None) => return Offered::Other,
            Err(error) => {
                tracing::error!(%error, %action, "the engine emitted an event that cannot be recorded");
                return Offered::Other;
            }
        };
        let print = fingerprint(&event);
        let bytes = size(&event);
        let mut state = self.state.lock();
        state.highest_nano = state.highest_nano.max(event.time_nano);
        let repeat = state.recent.contains(&print);
        // Until the gap is said nothing comes before it: whoever starts again must not find an event that was read after
        // what was lost.
        let no_room = state.lost.is_some() || state.bytes + bytes > self.max_bytes;
        if !repeat && no_room {
            // What the engine remembers may be offered again; of the stream's the gap speaks, and taken later they would
            // come behind what followed them.
            if origin == Origin::Stream {
                note_lost(&mut state, print, (event.time_nano, received_nano));
                state.recent.insert(print);
            }
            return Offered::Lost;
        }
        if origin == Origin::Stream {
            state.newest = Some(print);
            // Services' events have the clock of the Swarm's leader.
            if event.kind == EventKind::Container {
                state.read_nano = Some(event.time_nano);
            }
        }
        if repeat {
            return Offered::Repeat;
        }
        state.recent.insert(print);
        state.number += 1;
        state.bytes += bytes;
        let sourced = Sourced {
            event,
            print: Some(print),
            number: state.number,
            since_nano: received_nano,
            line: 0,
        };
        // Within the lock: the order of numbers is that of the queue. Nobody takes it only when the collector stops.
        let _ = self.queue.send(Waiting {
            given: sourced.into(),
            bytes,
        });
        Offered::Taken
    }

    /// Whether these were all taken, or are left out.
    pub fn knows(&self, mut prints: impl Iterator<Item = Fingerprint>) -> bool {
        let state = self.state.lock();
        prints.all(|print| state.recent.contains(&print))
    }

    /// Events that are not this collector's, though the engine remembers them.
    pub fn leave_out(&self, prints: impl Iterator<Item = Fingerprint>) {
        let mut state = self.state.lock();
        prints.for_each(|print| {
            state.recent.insert(print);
        });
    }

    /// Puts what the collector has to say itself behind what waits.
    pub fn say(&self, event: Event) {
        self.put(&mut self.state.lock(), event);
    }

    fn put(&self, state: &mut State, event: Event) {
        let since_nano = event.received_nano;
        let bytes = size(&event);
        state.bytes += bytes;
        let _ = self.queue.send(Waiting {
            given: Sourced::once(event, since_nano).into(),
            bytes,
        });
    }

    /// Puts what the engine answered behind what waits.
    pub fn answer(&self, asked: Asked) {
        let _ = self.queue.send(Waiting {
            given: Given::Inventory(Box::new(asked)),
            bytes: 0,
        });
    }

    /// The event that was read last, whether it was taken now or in an earlier run. While the engine remembers it, nothing
    /// after it is missing.
    pub fn newest(&self) -> Option<Fingerprint> {
        self.state.lock().newest
    }

    /// The engine's time of the container's event that was read last, nanoseconds since the Unix epoch, or of one before it;
    /// `None` if none was read.
    pub fn read_nano(&self) -> Option<i64> {
        self.state.lock().read_nano
    }

    /// There is nothing to be continuous with any more.
    pub fn forget_newest(&self) {
        self.state.lock().newest = None;
    }

    /// Number of the event that was read last.
    pub fn number(&self) -> u64 {
        self.state.lock().number
    }

    /// The highest engine's time that was read, nanoseconds since the Unix epoch; 0 for none.
    pub fn highest_nano(&self) -> i64 {
        self.state.lock().highest_nano
    }

    /// This collector, as gaps name it.
    pub fn collector(&self) -> &str {
        &self.collector
    }

    /// Waits until nobody empties it any more.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    fn release(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes -= bytes;
        if state.bytes > self.max_bytes / 2 {
            return;
        }
        let Some(lost) = state.lost.take() else { return };
        let bounds = (lost.from_nano, lost.to_nano);
        // Within the lock: nothing that is read comes before it.
        self.put(&mut state, gap::overrun(&self.collector, bounds, lost.events));
        let _ = self.queue.send(Waiting {
            given: Given::LeftOut(lost.last),
            bytes: 0,
        });
    }
}

fn note_lost(state: &mut State, print: Fingerprint, (time_nano, received_nano): (i64, i64)) {
    if state.lost.is_none() {
        tracing::error!(
            alarm = true,
            bytes = state.bytes,
            "memory is full of events that wait for the spool: what the engine emits is lost; see `memory_max_bytes`"
        );
    }
    let lost = state.lost.get_or_insert(Lost {
        from_nano: received_nano,
        to_nano: received_nano,
        events: 0,
        last: LeftOut::default(),
    });
    // It may have waited at the engine before it was read.
    lost.from_nano = lost.from_nano.min(time_nano);
    lost.to_nano = lost.to_nano.max(time_nano).max(received_nano);
    lost.events += 1;
    lost.last.add(print);
}

impl Outlet {
    /// The next, and how many wait behind it; `None` when nobody reads any more.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(Given, usize)>> {
        let next = ready!(self.queue.poll_recv(context));
        Poll::Ready(next.map(|waiting| {
            self.intake.release(waiting.bytes);
            (waiting.given, self.queue.len())
        }))
    }
}

fn size(event: &Event) -> usize {
    let attributes = event.attributes.iter();
    let texts: usize = attributes
        .map(|(name, value)| name.len() + value.len() + ATTRIBUTE_BYTES)
        .sum();
    EVENT_BYTES + event.action.len() + event.actor_id.len() + texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::poll_fn;

    fn raw(number: i64) -> EngineEvent {
        EngineEvent {
            kind: "container".to_owned(),
            action: "exec_die".to_owned(),
            actor: super::super::engine_event::EngineActor {
                id: "a".repeat(64),
                attributes: None,
            },
            scope: "local".to_owned(),
            time: 1,
            time_nano: 1_000_000_000 + number,
            ..EngineEvent::default()
        }
    }

    async fn next(outlet: &mut Outlet) -> Sourced {
        match poll_fn(|context| outlet.poll_next(context)).await {
            Some((Given::Event(sourced), _)) => sourced,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_said_once_there_is_room_again() {
        let (intake, mut outlet) = Intake::new(&Resume::default(), 10_000);
        let offered: Vec<_> = (0..100)
            .map(|number| intake.offer(raw(number), Origin::Stream, 7 + number))
            .collect();
        let taken = offered
            .iter()
            .filter(|offered| **offered == Offered::Taken)
            .count();
        assert!((10..25).contains(&taken), "{taken}");
        assert!(offered[taken..].iter().all(|offered| *offered == Offered::Lost));
        assert_eq!(next(&mut outlet).await.number, 1);
        let before_the_gap = intake.offer(raw(100), Origin::Stream, 107);
        assert_eq!(
            before_the_gap,
            Offered::Lost,
            "there is room, and the gap is not said"
        );
        for number in 1..taken {
            assert_eq!(next(&mut outlet).await.number, number as u64 + 1);
        }
        let gap = next(&mut outlet).await.event;
        assert_eq!(gap.attributes["reason"], "memory was full");
        assert_eq!(gap.attributes["events"], (101 - taken).to_string());
        assert_eq!(gap.attributes["from"], (7 + taken).to_string());
        let left_out = poll_fn(|context| outlet.poll_next(context)).await;
        let Some((Given::LeftOut(left_out), _)) = left_out else {
            panic!("{left_out:?}")
        };
        let print = |number| fingerprint(&raw(number).normalise(1).unwrap().unwrap());
        assert_eq!(
            left_out.into_iter().collect::<Vec<_>>(),
            (taken as i64..=100).map(print).collect::<Vec<_>>(),
            "the next start must not take what is lost behind what followed it"
        );
        // Of what was lost the gap speaks: taken now it would come behind what followed it.
        assert_eq!(intake.offer(raw(99), Origin::Memory, 200), Offered::Repeat);
        assert_eq!(intake.offer(raw(0), Origin::Memory, 200), Offered::Repeat);
        assert_eq!(intake.offer(raw(101), Origin::Stream, 200), Offered::Taken);
    }

    #[test]
    fn what_was_taken_in_an_earlier_run_or_is_left_out_is_a_repeat() {
        let print = |number| {
            let event = raw(number).normalise(1).unwrap().unwrap();
            fingerprint(&event)
        };
        let resume = Resume {
            recent: vec![print(1)],
            read_nano: Some(1_000_000_001),
            ..Resume::default()
        };
        let (intake, _outlet) = Intake::new(&resume, 10_000);
        intake.leave_out([print(2)].into_iter());
        assert_eq!(intake.newest(), Some(print(1)));
        assert_eq!(intake.read_nano(), resume.read_nano);
        assert_eq!(
            [1, 2, 3].map(|number| intake.offer(raw(number), Origin::Stream, 1)),
            [Offered::Repeat, Offered::Repeat, Offered::Taken]
        );
        assert_eq!(intake.newest(), Some(print(3)));
        intake.forget_newest();
        assert_eq!((intake.newest(), intake.read_nano()), (None, Some(1_000_000_003)));
    }
}
