//! Makes appended entries durable: one thread, which serves all appends that wait with one fsync.

use crate::types::TypeConfig;
use e2l_store::RaftLog;
use openraft::storage::LogFlushed;
use std::io::Error;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

type Callback = LogFlushed<TypeConfig>;

/// Sends callbacks to the flusher's thread. When the last handle is dropped the thread has ended, and with it
/// its hold on the log: a database that is open when the process ends aborts it.
#[derive(Clone)]
pub struct Flusher(Arc<Running>);

struct Running {
    waiting: Option<mpsc::Sender<Callback>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread.
    pub fn start(log: RaftLog) -> std::io::Result<Self> {
        let (waiting, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("raft-flush".to_owned())
            .spawn(move || serve(&log, &queue))?;
        Ok(Self(Arc::new(Running {
            waiting: Some(waiting),
            thread: Some(thread),
        })))
    }

    /// Calls back once everything appended so far is durable.
    pub fn flush(&self, callback: Callback) -> Result<(), Error> {
        let sent = self.0.waiting.as_ref().map(|waiting| waiting.send(callback));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::other(
                "the thread that makes the Raft log durable has stopped",
            )),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The thread ends when nobody can send any more.
        self.waiting = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has ended too, and has said why.
            let _ = thread.join();
        }
    }
}

fn serve(log: &RaftLog, queue: &mpsc::Receiver<Callback>) {
    while let Ok(first) = queue.recv() {
        let mut callbacks = vec![first];
        callbacks.extend(queue.try_iter());
        let flushed = log.flush();
        for callback in callbacks {
            let result = flushed
                .as_ref()
                .copied()
                .map_err(|error| Error::other(format!("the Raft log cannot be made durable: {error}")));
            callback.log_io_completed(result);
        }
    }
}
