//! Events of an engine with Docker's interface, Docker itself or [Podman](dialect), as they happen, and its state, to find
//! out what did not come as an event.
//!
//! A thread that does nothing but read into memory ([`following`]), because the engine skips a subscriber that does not, and four
//! tasks: one subscribes and sees to that thread ([`reader`]); one asks for the engine's state ([`inspector`]), one for a Swarm's tasks ([`tasks`]); the last asks for facts and passes
//! on, in order.

mod behind;
mod conflict;
mod dialect;
mod doubt;
mod endpoint;
mod engine;
mod facts;
mod following;
mod gathered;
mod history;
mod inspector;
mod lines;
mod log;
mod memory;
mod overlap;
mod raw;
mod reader;
mod tail;
mod tasks;
mod tls;
mod told;

use super::intake::{Intake, Outlet};
use super::{Given, Resume, Source, SourceError, SourceSpec, Sourced};
use crate::stats::SharedStats;
use conflict::conflict;
use e2l_ledger::attributes::CONFLICT;
use endpoint::{Address, Endpoint};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use history::History;
use inspector::Inspector;
use reader::Reader;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

pub use tasks::TaskOptions;
use tasks::TaskWatch;

/// With more than this waiting, facts are left out until the backlog is gone; they are asked for later.
const FACTS_BACKLOG: usize = 4096;
/// Inspections at the same time.
const INSPECTIONS: usize = 16;
/// Answers of the engine that may wait, of some containers each.
const ANSWERS: usize = 4;

/// How an engine is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Between two comparisons of its state with what was recorded; `None`: only when a subscription begins.
    pub reconcile_every: Option<Duration>,
    /// Bytes of memory for events that wait for the spool.
    pub memory_max_bytes: usize,
    /// How a Swarm's manager is asked for its tasks; `None`: it is not.
    pub tasks: Option<TaskOptions>,
    /// How long events that need no inspection may wait for each other, when others came just before.
    pub gather: Duration,
    /// A stream that brings nothing for so long may be that of an engine that is gone: it is given up for a new one.
    pub quiet: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            reconcile_every: Some(Duration::from_secs(60)),
            memory_max_bytes: 32 << 20,
            tasks: None,
            gather: Duration::ZERO,
            quiet: Duration::from_secs(300),
        }
    }
}

/// See the module.
pub struct DockerSource {
    family: &'static str,
    address: Address,
    options: EngineOptions,
    stats: SharedStats,
}

impl DockerSource {
    /// The engine that `spec` names. Whether it answers is written to `stats`.
    pub fn new(spec: &SourceSpec, options: EngineOptions, stats: SharedStats) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let (family, address) = match spec {
            SourceSpec::Socket(path) => ("docker", Address::socket(path)),
            SourceSpec::Podman(Some(path)) => ("podman", Address::socket(path)),
            SourceSpec::Podman(None) => ("podman", Address::of_podman(variable, Path::exists)),
            _ => ("docker", Address::from_environment(variable)),
        };
        Self {
            family,
            address,
            options,
            stats,
        }
    }
}

impl Source for DockerSource {
    fn name(&self) -> String {
        format!("{} at {}", self.family, self.address.url)
    }

    fn repeats(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        false
    }

    fn is_read_apart(&self) -> bool {
        true
    }

    fn run(
        self: Box<Self>,
        resume: Resume,
        events: mpsc::Sender<Given>,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            let engine = Endpoint::open(&self.address)?;
            let (intake, outlet) = Intake::new(&resume, self.options.memory_max_bytes);
            let (epoch, epochs) = watch::channel(0);
            let skips = Arc::new(Notify::new());
            let history = History {
                floor_nano: resume.floor_nano,
                newest_nano: resume.newest_nano,
            };
            let watch = TaskWatch {
                address: engine.clone(),
                intake: intake.clone(),
                options: self.options.tasks,
                epoch: epochs.clone(),
            };
            let inspector = Inspector {
                address: engine.clone(),
                intake: intake.clone(),
                every: self.options.reconcile_every,
                epoch: epochs,
                places: Arc::new(Semaphore::new(ANSWERS)),
                history,
                skips: Arc::clone(&skips),
            };
            let reader = Reader {
                address: engine.clone(),
                intake,
                history,
                resumed: resume.resumed,
                identity: None,
                epoch: Arc::new(epoch),
                skips,
                quiet: self.options.quiet,
                gather: self.options.gather,
                stats: self.stats.clone(),
            };
            // The set ends all when this task is aborted.
            let mut tasks = JoinSet::new();
            tasks.spawn(pass_on(engine, outlet, events));
            tasks.spawn(reader.run());
            tasks.spawn(inspector.run());
            tasks.spawn(watch.run());
            while tasks.join_next().await.is_some() {}
            Ok(())
        })
    }
}

async fn pass_on(engine: Endpoint, outlet: Outlet, events: mpsc::Sender<Given>) {
    let mut complete = WithBacklog(outlet)
        .map(|(given, backlog)| with_facts(&engine, given, backlog))
        .buffered(INSPECTIONS)
        .boxed();
    loop {
        let given = tokio::select! {
            next = complete.next() => match next {
                Some(given) => given,
                None => return,
            },
            // Its end ends the others too, which an engine without events would not notice.
            () = events.closed() => return,
        };
        if events.send(given).await.is_err() {
            return;
        }
    }
}

/// What waits, each with the number behind it.
struct WithBacklog(Outlet);

impl Stream for WithBacklog {
    type Item = (Given, usize);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

async fn with_facts(engine: &Endpoint, given: Given, backlog: usize) -> Given {
    match given {
        Given::Event(sourced) if facts::wanted(&sourced.event) && backlog < FACTS_BACKLOG => {
            Given::Event(inspected(engine, sourced).await)
        }
        other => other,
    }
}

async fn inspected(engine: &Endpoint, mut sourced: Sourced) -> Sourced {
    let Ok(docker) = engine.client() else {
        return sourced;
    };
    let event = &mut sourced.event;
    let Some(seen) = facts::ask(&docker, event).await else {
        return sourced;
    };
    let facts = facts::of(event, &seen);
    if let Some(conflict) = conflict(event, &seen, &facts) {
        tracing::warn!(
            container = %event.actor_id, action = %event.action, %conflict,
            "an event contradicts what inspection says: labels were set over the engine's own facts"
        );
        event.attributes.insert(CONFLICT.to_owned(), conflict);
    }
    event.facts = Some(facts);
    sourced
}
