//! Where events come from.

mod containerd;
mod docker;
mod engine_event;
mod identity;
mod intake;
mod invention;
mod left_out;
mod replay;
mod spec;
mod synthetic;

pub use containerd::{ContainerdOptions, ContainerdSource};
pub use docker::{DockerSource, EngineOptions, TaskOptions};
pub use engine_event::{EngineEvent, LineError, Said};
pub use identity::EngineIdentity;
pub use left_out::LeftOut;
pub use replay::{ReplayPace, ReplaySource};
pub use spec::{SourceSpec, SourceSpecError};
pub use synthetic::{SyntheticOptions, SyntheticSource};

use crate::clock::Ahead;
use crate::recent::Fingerprint;
use crate::reconcile::{Inventory, Known};
use e2l_ledger::event::Event;
#[cfg(doc)]
use e2l_ledger::event::Facts;
use futures::future::BoxFuture;
use std::path::PathBuf;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// What a source gives, in the order in which it counts.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events: a box would be an allocation for each"
)]
pub enum Given {
    /// An event.
    Event(Sourced),
    /// What the engine said when it was asked.
    Inventory(Box<Asked>),
    /// Events that are lost, which a gap before this says, and must not be taken later.
    LeftOut(LeftOut),
}

impl From<Sourced> for Given {
    fn from(sourced: Sourced) -> Self {
        Self::Event(sourced)
    }
}

/// An inventory, and who wants to know of whom to ask again.
#[derive(Debug)]
pub struct Asked {
    /// What the engine said.
    pub inventory: Inventory,
    /// How far its clock is ahead.
    pub ahead: Ahead,
    /// Takes the ids of containers.
    pub again: mpsc::UnboundedSender<Vec<String>>,
    /// Only so many answers wait at the same time: one that is dropped makes room.
    pub place: OwnedSemaphorePermit,
}

/// An event as a source gives it; it has no sequence number yet.
#[derive(Debug, Clone)]
pub struct Sourced {
    /// The event, as the source gives it: what is recorded of it is decided later.
    pub event: Event,
    /// To know a repeat, if the source knows better than the event as it is now.
    pub print: Option<Fingerprint>,
    /// Its number among the events that were read from the engine since the start, from 1; 0 for other sources.
    pub number: u64,
    /// When its latency began, nanoseconds since the Unix epoch: when it was meant to happen, or was read.
    pub since_nano: i64,
    /// Line of a recording, from 1; 0 for other sources.
    pub line: u64,
}

impl Sourced {
    /// One that nobody numbers and that comes once: invented, inferred, or said by the collector itself.
    pub fn once(event: Event, since_nano: i64) -> Self {
        Self {
            event,
            print: None,
            number: 0,
            since_nano,
            line: 0,
        }
    }
}

/// Where a source continues.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Events before this moment are not this spool's, nanoseconds since the Unix epoch.
    pub floor_nano: i64,
    /// Lines of the recording that were taken before.
    pub lines: u64,
    /// The events that were taken last, oldest first.
    pub recent: Vec<Fingerprint>,
    /// Whether this spool was there before: there may be something to be continuous with, though nothing was taken.
    pub resumed: bool,
    /// This collector, as gaps name it.
    pub collector: String,
    /// The highest engine's time of the last events of containers and services that are there, nanoseconds since the Unix epoch;
    /// 0 for none.
    pub newest_nano: i64,
    /// The engine's time of the container's event that was recorded last, nanoseconds since the Unix epoch.
    pub read_nano: Option<i64>,
    /// Containers that run, as recorded.
    pub alive: Vec<Alive>,
}

/// A container that runs, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alive {
    /// Its id.
    pub id: String,
    /// The engine's name of this run, where it has one.
    pub run: Option<String>,
    /// When it was started, if that is known exactly, nanoseconds since the Unix epoch.
    pub started_nano: Option<i64>,
}

impl Alive {
    /// All of them.
    pub fn all(known: &Known) -> Vec<Self> {
        let all = known.running().map(|(id, container)| Self {
            id: id.clone(),
            run: container.run.clone(),
            started_nano: container
                .started
                .filter(|moment| moment.exact)
                .map(|moment| moment.nano),
        });
        all.collect()
    }
}

/// Why a source gives up. Sources that can wait and try again do that instead.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The engine's address makes no sense.
    #[error(
        "cannot use the container engine at `{address}`: {why}; name a socket with --source docker:PATH, podman:PATH or containerd:PATH"
    )]
    Engine {
        /// What was given.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// A recording cannot be read.
    #[error("cannot read the recording {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Events cannot be invented.
    #[error("the thread that invents events does not run: {0}; check `ulimit -u`")]
    Generator(String),
    /// A line of a recording is no event.
    #[error(
        "{path}, line {line}: {source}; record with `docker events --format '{{{{json .}}}}'`, or remove the line"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        source: LineError,
    },
}

/// Gives events until it has none left or nobody takes them.
///
/// What one that reads an engine promises; `tests/tests/conformance.rs` holds each to it, on the engine itself:
///
/// 1. *It reads, and does nothing else.* One task, or a thread, reads into memory ([`EngineOptions::memory_max_bytes`]) and never waits for
///    the spool. What finds no room is counted, and a gap stands before everything that is read later.
/// 2. *Order and numbers.* Events come in the order in which the engine told them, each once, numbered from 1 without a hole
///    ([`Sourced::number`]). What the source says itself has the number 0. Repeats are known by [`Sourced::print`], against
///    those of [`Resume::recent`] too.
/// 3. *The engine's own fields, the ledger's words.* Where engines mean the same, the action is Docker's, and the engine's own
///    word is the attribute `event2ledger.action`. Words that have no like stay. The id names one container of this engine
///    for good. Labels are attributes and can pass for nothing else: what only engine or collector may say is in [`Facts`],
///    or in attributes that a label cannot set.
/// 4. *Observed is what the stream told*, when it happens or from the engine's memory. A source gives nothing inferred: it
///    gives [`Asked`], the engine's state, and the comparison with what was recorded ([`crate::reconcile`]) infers.
/// 5. *State comes behind its events.* It subscribes first, then asks; an answer is put behind every event that it may know
///    of, and [`Inventory::asked_at`] says which events had been read before. It asks when a subscription begins, each
///    [`EngineOptions::reconcile_every`], and again for those that [`Asked::again`] names: one that is not there any more
///    is answered with `None`, one that cannot be asked is left out.
/// 6. *Continuity is proven or denied.* A subscription that follows another, of this run or an earlier one, either shows that
///    the engine told all that happened between, or begins with a gap that has its bounds and reason.
/// 7. *Which engine.* Whenever what it reads is another or has another version than it said last, it says so
///    ([`EngineIdentity`]).
/// 8. *It waits out trouble.* An engine that is away, restarted or slow is no error: it connects again, with growing pauses,
///    and says through [`crate::SharedStats`] that events are not read. [`SourceError`] is for what waiting cannot mend.
/// 9. *It ends when nobody listens*, and with it all its tasks; dropping its future ends them too.
///
/// A watch on a Kubernetes API server fits: the list's `resourceVersion` from which the watch goes on is the proof of 6, "too
/// old" its gap; the list is the state of 5; each container of a Pod is a container with its own id, whose runs
/// [`crate::reconcile::RunMark::Start`] tells apart.
///
/// Recordings and inventions have no engine: 3 and 9 hold for them, they give no state, and they wait for the ledger.
pub trait Source: Send {
    /// Its name; a recording's progress is kept under it.
    fn name(&self) -> String;

    /// Whether the same event can come twice.
    fn repeats(&self) -> bool;

    /// Whether it can be made to wait. One that cannot fills the spool instead.
    fn waits(&self) -> bool;

    /// Whether a thread of its own reads it, so that no task of the runtime holds the reading up.
    fn is_read_apart(&self) -> bool {
        false
    }

    /// Sends events until its end.
    fn run(
        self: Box<Self>,
        resume: Resume,
        events: mpsc::Sender<Given>,
    ) -> BoxFuture<'static, Result<(), SourceError>>;
}
