//! The thread that owns the chain.

use crate::chain::{Chain, ChainError};
use std::sync::mpsc;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Chain) + Send>;

/// Sends work to the chain's thread.
#[derive(Clone)]
pub struct ChainThread {
    jobs: mpsc::Sender<Job>,
}

impl ChainThread {
    /// Starts the thread; it ends when the last handle is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(mut chain: Chain) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("execute".to_owned())
            .stack_size(e2l_runtime::REQUIRED_STACK_BYTES)
            .spawn(move || {
                for job in queue {
                    job(&mut chain);
                }
            })?;
        Ok(Self { jobs })
    }

    /// Runs `work` on the thread after all that was sent before.
    ///
    /// # Errors
    /// [`ChainError::Stopped`], or what `work` returns.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Chain) -> Result<T, ChainError> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, ChainError>> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |chain| {
            // Whoever asked may have gone; the work is done all the same.
            let _ = sender.send(work(chain));
        });
        // A failed send drops the job and with it the sender: the receiver sees that the thread is gone.
        let _ = self.jobs.send(job);
        receiver
    }
}
