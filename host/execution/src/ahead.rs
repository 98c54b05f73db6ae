//! Components that are compiled before anybody needs them, on a thread of their own: a proposal's while it is voted on.
//! What comes of it is the same whoever compiles, so no peer's blocks depend on how far this one is.

use e2l_ledger::Digest;
use e2l_runtime::{AdmissionError, Admitted, REQUIRED_STACK_BYTES, Runtime, StaticLimits};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Most that were begun and not asked for; beyond, the oldest is forgotten, and compiled when it is needed.
const MOST: usize = 16;

type Compiled = Result<Admitted, AdmissionError>;

struct Job {
    digest: Digest,
    bytes: Vec<u8>,
    done: SyncSender<Compiled>,
}

/// What is to be compiled, in turn.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// See the module.
pub(crate) struct Ahead {
    runtime: Arc<Runtime>,
    queue: Arc<Queue>,
    has_thread: bool,
    /// Oldest first.
    begun: VecDeque<(Digest, Receiver<Compiled>)>,
}

impl Ahead {
    /// Compiles with this engine.
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self {
            runtime,
            queue: Arc::default(),
            has_thread: false,
            begun: VecDeque::new(),
        }
    }

    /// Begins to compile a component that was checked. Never waits.
    pub(crate) fn begin(&mut self, digest: Digest, bytes: Vec<u8>) {
        if self.begun.iter().any(|(begun, _)| *begun == digest) || !self.thread() {
            return;
        }
        if self.begun.len() >= MOST
            && let Some((oldest, _)) = self.begun.pop_front()
        {
            self.queue.withdraw(&oldest);
        }
        let (done, compiled) = sync_channel(1);
        self.begun.push_back((digest, compiled));
        self.queue
            .state
            .lock()
            .jobs
            .push_back(Job { digest, bytes, done });
        self.queue.changed.notify_one();
    }

    /// What came of a component; if it is being compiled, once that is known. `None` if that has not begun.
    pub(crate) fn take(&mut self, digest: &Digest) -> Option<Compiled> {
        let at = self.begun.iter().position(|(begun, _)| begun == digest)?;
        let (_, compiled) = self.begun.remove(at)?;
        if self.queue.withdraw(digest) {
            return None;
        }
        // The thread is gone if the compiler has crashed.
        compiled.recv().ok()
    }

    fn thread(&mut self) -> bool {
        if !self.has_thread {
            let (runtime, queue) = (Arc::clone(&self.runtime), Arc::clone(&self.queue));
            let started = thread::Builder::new()
                .name("compile".to_owned())
                .stack_size(REQUIRED_STACK_BYTES)
                .spawn(move || queue.compile(&runtime));
            match started {
                Ok(_) => self.has_thread = true,
                Err(error) => tracing::warn!(
                    %error, "no thread to compile a proposed component on: it is compiled when it comes into force"
                ),
            }
        }
        self.has_thread
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.queue.state.lock().closed = true;
        self.queue.changed.notify_one();
    }
}

impl Queue {
    /// Takes out a job that nobody has begun; `false` if there is none.
    fn withdraw(&self, digest: &Digest) -> bool {
        let mut state = self.state.lock();
        let before = state.jobs.len();
        state.jobs.retain(|job| job.digest != *digest);
        state.jobs.len() < before
    }

    fn compile(&self, runtime: &Runtime) {
        while let Some(job) = self.next() {
            // Nobody waits for it any more only when it was forgotten.
            let _ = job.done.send(runtime.admit(&job.bytes, &unbounded()));
        }
    }

    /// Waits for a job; `None` when there will be none.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            self.changed.wait(&mut state);
        }
    }
}

/// Of what was accepted before: it was small enough then, and that the limit is another one now must not stop a peer.
pub(crate) fn unbounded() -> StaticLimits {
    StaticLimits {
        component_bytes: u64::MAX,
        ..StaticLimits::default()
    }
}
