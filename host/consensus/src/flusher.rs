//! Makes appended entries durable: one thread, which serves all appends that wait with one fsync.

use crate::types::TypeConfig;
use e2l_store::RaftLog;
use openraft::storage::LogFlushed;
use std::sync::mpsc;

/// Sends callbacks to the flusher's thread.
#[derive(Clone)]
pub struct Flusher {
    waiting: mpsc::Sender<LogFlushed<TypeConfig>>,
}

impl Flusher {
    /// Starts the thread; it ends when the last handle is dropped.
    pub fn start(log: RaftLog) -> std::io::Result<Self> {
        let (waiting, queue) = mpsc::channel::<LogFlushed<TypeConfig>>();
        std::thread::Builder::new()
            .name("raft-flush".to_owned())
            .spawn(move || {
                while let Ok(first) = queue.recv() {
                    let mut callbacks = vec![first];
                    callbacks.extend(queue.try_iter());
                    let flushed = log.flush();
                    for callback in callbacks {
                        let result = flushed.as_ref().copied().map_err(|error| {
                            std::io::Error::other(format!("the Raft log cannot be made durable: {error}"))
                        });
                        callback.log_io_completed(result);
                    }
                }
            })?;
        Ok(Self { waiting })
    }

    /// Calls back once everything appended so far is durable.
    pub fn flush(&self, callback: LogFlushed<TypeConfig>) -> Result<(), std::io::Error> {
        self.waiting
            .send(callback)
            .map_err(|_| std::io::Error::other("the thread that makes the Raft log durable has stopped"))
    }
}
