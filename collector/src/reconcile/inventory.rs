//! What the engine said when it was asked.

use std::collections::{BTreeMap, BTreeSet};

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub enum Phase {
    /// It has not run yet, or could not be started.
    Created,
    /// Its process runs.
    Runs,
    /// Its process is frozen.
    Paused,
    /// Its process has ended; it may be started again by a restart policy.
    Dead,
}

impl Phase {
    /// Whether it has a process.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Runs | Self::Paused)
    }
}

/// How an engine tells one run of a container from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunMark {
    /// By the moment when it was started, which inspection tells.
    Start,
    /// By its process, as long as that, or its exit code, is there; `None`: there is none, and whether there was one is not
    /// told. When it was started is not told either.
    Process(Option<String>),
}

/// What inspection says of a container. Times are the engine's, nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Its id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// The image's name, as the container was created with.
    pub image: String,
    /// The image's digest.
    pub image_digest: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub created_nano: i64,
    /// What it does.
    pub phase: Phase,
    /// Which run this is about.
    pub mark: RunMark,
    /// When it was started last.
    pub started_nano: Option<i64>,
    /// When a process of it ended last: before `started_nano` if it runs.
    pub finished_nano: Option<i64>,
    /// With which code; means nothing while it runs.
    pub exit_code: Option<i64>,
    /// Whether for lack of memory.
    pub oom_killed: Option<bool>,
}

/// What a manager says of a service. Times are the store's, nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedService {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_nano: i64,
    /// When it, or the state of its update, was changed last.
    pub updated_nano: i64,
}

/// Answers that were asked for while the stream was read. Every event that was published before the last answer is taken
/// before this is looked at.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Number of the last event that was read when the asking began. Of whom there are later ones, the answer may be old.
    pub asked_at: u64,
    /// Containers that were asked for; `None`: there is no such container.
    pub containers: Vec<(String, Option<Inspected>)>,
    /// All containers that there were when the round began, at its end.
    pub listed: Option<BTreeSet<String>>,
    /// Whether every part of the round was answered, at its end.
    pub whole: bool,
    /// All services, on a manager, at a round's end.
    pub services: Option<Vec<InspectedService>>,
}
