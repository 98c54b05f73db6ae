//! Where events come from.

mod docker;
mod engine_event;
mod invention;
mod replay;
mod spec;
mod synthetic;

pub use docker::{DockerSource, EngineOptions};
pub use engine_event::{EngineEvent, LineError};
pub use replay::{ReplayPace, ReplaySource};
pub use spec::{SourceSpec, SourceSpecError};
pub use synthetic::{SyntheticOptions, SyntheticSource};

use crate::clock::Ahead;
use crate::recent::Fingerprint;
use crate::reconcile::Inventory;
use e2l_ledger::event::Event;
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
    /// The event, redacted.
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
}

/// Why a source gives up. Sources that can wait and try again do that instead.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The engine's address makes no sense.
    #[error("cannot use the container engine at `{address}`: {why}; name a socket with --source docker:PATH")]
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
pub trait Source: Send {
    /// Its name; a recording's progress is kept under it.
    fn name(&self) -> String;

    /// Whether the same event can come twice.
    fn repeats(&self) -> bool;

    /// Whether it can be made to wait. One that cannot fills the spool instead.
    fn waits(&self) -> bool;

    /// Sends events until its end.
    fn run(
        self: Box<Self>,
        resume: Resume,
        events: mpsc::Sender<Given>,
    ) -> BoxFuture<'static, Result<(), SourceError>>;
}
