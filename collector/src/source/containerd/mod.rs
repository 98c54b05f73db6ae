//! Events of a containerd, as they happen, and its state, to find out what did not come as an event.
//!
//! Three tasks: one does nothing but read into memory ([`reader`]); one asks for the state ([`inspector`]); the last adds to
//! each event what its container is, and passes on, in order.

#[allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
mod api;
mod client;
mod describer;
mod inspector;
mod reader;
mod roster;
mod selection;
mod state;
mod wording;

pub use selection::ContainerdOptions;

use super::docker::EngineOptions;
use super::intake::{Intake, Outlet};
use super::{Given, Resume, Source, SourceError};
use crate::stats::SharedStats;
use describer::Describer;
use futures::future::{BoxFuture, poll_fn};
use inspector::Inspector;
use parking_lot::Mutex;
use reader::Reader;
use roster::Roster;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Where it is, unless `CONTAINERD_ADDRESS` says.
const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";
/// With more than this waiting, containers that are not known are not described.
const DESCRIBED_BACKLOG: usize = 4096;
/// Answers that may wait.
const ANSWERS: usize = 2;

/// See the module.
pub struct ContainerdSource {
    socket: PathBuf,
    selection: ContainerdOptions,
    options: EngineOptions,
    stats: SharedStats,
}

impl ContainerdSource {
    /// The containerd at a socket, else at the one that containerd's own client would use. Whether it answers is written to
    /// `stats`.
    pub fn new(
        socket: Option<&Path>,
        selection: ContainerdOptions,
        options: EngineOptions,
        stats: SharedStats,
    ) -> Self {
        let named = || std::env::var_os("CONTAINERD_ADDRESS").filter(|name| !name.is_empty());
        let socket = socket.map(Path::to_owned).or_else(|| named().map(PathBuf::from));
        Self {
            socket: socket.unwrap_or_else(|| DEFAULT_SOCKET.into()),
            selection,
            options,
            stats,
        }
    }
}

impl Source for ContainerdSource {
    fn name(&self) -> String {
        format!("containerd at unix://{}", self.socket.display())
    }

    fn repeats(&self) -> bool {
        // A shim may tell again what containerd did not confirm.
        true
    }

    fn waits(&self) -> bool {
        false
    }

    fn run(
        self: Box<Self>,
        resume: Resume,
        events: mpsc::Sender<Given>,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            let (intake, outlet) = Intake::new(&resume, self.options.memory_max_bytes);
            let (epoch, epochs) = watch::channel(0);
            let roster = Arc::new(Mutex::new(Roster::new(&resume.alive)));
            let inspector = Inspector {
                socket: self.socket.clone(),
                selection: self.selection.clone(),
                intake: Arc::clone(&intake),
                roster: Arc::clone(&roster),
                every: self.options.reconcile_every,
                epoch: epochs,
                places: Arc::new(Semaphore::new(ANSWERS)),
            };
            let reader = Reader {
                socket: self.socket.clone(),
                selection: self.selection,
                intake,
                roster,
                read_nano: resume.read_nano.unwrap_or(resume.floor_nano),
                identity: None,
                epoch,
                stats: self.stats,
            };
            let mut tasks = JoinSet::new();
            tasks.spawn(pass_on(Describer::new(self.socket), outlet, events));
            tasks.spawn(reader.run());
            tasks.spawn(inspector.run());
            // Its end ends the others.
            while tasks.join_next().await.is_some() {}
            Ok(())
        })
    }
}

async fn pass_on(mut describer: Describer, mut outlet: Outlet, events: mpsc::Sender<Given>) {
    loop {
        let next = tokio::select! {
            next = poll_fn(|context| outlet.poll_next(context)) => next,
            () = events.closed() => return,
        };
        let Some((mut given, backlog)) = next else { return };
        if let Given::Event(sourced) = &mut given
            && sourced.number > 0
        {
            let may_ask = backlog < DESCRIBED_BACKLOG;
            describer.describe(&mut sourced.event, may_ask).await;
        }
        if events.send(given).await.is_err() {
            return;
        }
    }
}
