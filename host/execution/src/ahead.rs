//! Components that are compiled before anybody needs them, on a thread of their own: a proposal's while it is voted on.
//! What comes of it is the same whoever compiles, so no peer's blocks depend on how far this one is.

use e2l_ledger::Digest;
use e2l_runtime::{AdmissionError, Admitted, REQUIRED_STACK_BYTES, Runtime, StaticLimits};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Most that are compiled or being compiled and were not asked for; beyond, all are forgotten, and compiled when they are
/// needed.
const MOST: usize = 16;

type Compiled = Result<Admitted, AdmissionError>;

struct Job {
    bytes: Vec<u8>,
    done: SyncSender<Compiled>,
}

/// See the module.
pub(crate) struct Ahead {
    runtime: Arc<Runtime>,
    /// `None` before the first.
    jobs: Option<SyncSender<Job>>,
    begun: HashMap<Digest, Receiver<Compiled>>,
}

impl Ahead {
    /// Compiles with this engine.
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self {
            runtime,
            jobs: None,
            begun: HashMap::new(),
        }
    }

    /// Begins to compile a component that was checked. Never waits: where that is not possible now, it is compiled when it is
    /// needed.
    pub(crate) fn begin(&mut self, digest: Digest, bytes: Vec<u8>) {
        if self.begun.contains_key(&digest) {
            return;
        }
        if self.begun.len() >= MOST {
            self.begun.clear();
        }
        let runtime = &self.runtime;
        let jobs = self.jobs.get_or_insert_with(|| start(Arc::clone(runtime)));
        let (done, compiled) = sync_channel(1);
        if jobs.try_send(Job { bytes, done }).is_ok() {
            self.begun.insert(digest, compiled);
        }
    }

    /// What came of a component, once it is known; `None` if it was not begun.
    pub(crate) fn take(&mut self, digest: &Digest) -> Option<Compiled> {
        // The thread is gone if it could not be started, or the compiler crashed.
        self.begun.remove(digest)?.recv().ok()
    }
}

fn start(runtime: Arc<Runtime>) -> SyncSender<Job> {
    let (jobs, queue) = sync_channel::<Job>(MOST);
    let compile = move || {
        for job in queue {
            // Nobody waits for it any more only when it was forgotten.
            let _ = job.done.send(runtime.admit(&job.bytes, &unbounded()));
        }
    };
    let thread = thread::Builder::new()
        .name("compile".to_owned())
        .stack_size(REQUIRED_STACK_BYTES)
        .spawn(compile);
    if let Err(error) = thread {
        tracing::warn!(%error, "no thread to compile proposed components on: they are compiled when they come into force");
    }
    jobs
}

/// Of what was accepted before: it was small enough then, and that the limit is another one now must not stop a peer.
pub(crate) fn unbounded() -> StaticLimits {
    StaticLimits {
        component_bytes: u64::MAX,
        ..StaticLimits::default()
    }
}
