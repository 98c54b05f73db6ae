//! Requests none of which may fail.

use crate::collector::TestCollector;
use crate::events::event;
use crate::members::{Members, PATIENCE};
use crate::network::Network;
use anyhow::{Context, Result, ensure};
use e2l_identity::Identity;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Events of one batch.
const EVENTS: usize = 10;

/// One actor's requests at its own peer alone, one after the other, in a task: a batch, until it is final, then two reads.
/// Nothing is asked again: whatever fails is an error in the end.
pub struct SteadyLoad {
    stop: watch::Sender<bool>,
    done: watch::Receiver<u64>,
    task: JoinHandle<Result<u64>>,
}

impl SteadyLoad {
    /// Starts with a collector of its own, whose certificate the actor issues.
    ///
    /// # Errors
    /// It cannot be issued.
    pub fn start(network: &Network, members: &Members, actor: &str) -> Result<Self> {
        let home = network.root().join(format!("steady-{actor}"));
        let made = network.e2l(
            actor,
            &[
                "cert",
                "issue",
                "--role",
                "collector",
                "--name",
                "steady",
                "--out",
                home.to_str().context("a path in UTF-8")?,
            ],
        );
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let identity = Identity::load(&home.join("collector.pem"), &home.join("collector.key"))?;
        let client = members.only(&identity, actor)?;
        let collector = TestCollector::new(Arc::new(identity), client, members.digest());
        let reader = members.reader(actor)?;
        let (stop, stopped) = watch::channel(false);
        let (progress, done) = watch::channel(0);
        let actor = actor.to_owned();
        let task = tokio::spawn(async move {
            let mut collector = collector;
            let mut rounds = 0;
            while !*stopped.borrow() {
                let about = |what: &str| format!("{what} of {actor} after {rounds} rounds");
                let events = (0..EVENTS).map(|number| event(&format!("steady-{rounds}-{number}"), "start"));
                let submitted = collector.submit(events.collect()).await;
                submitted.with_context(|| about("a batch"))?;
                reader.status().await.with_context(|| about("a status"))?;
                let all = br#"{"limit": 1}"#.to_vec();
                let query = reader.query("eventdb", "queryAllEvents", all.into()).await;
                query.with_context(|| about("a query"))?;
                rounds += 1;
                progress.send_replace(rounds);
            }
            Ok(rounds)
        });
        Ok(Self { stop, done, task })
    }

    /// Waits until `more` further rounds have succeeded.
    ///
    /// # Errors
    /// Something failed, or takes too long.
    pub async fn progress(&mut self, more: u64) -> Result<()> {
        let wanted = *self.done.borrow() + more;
        let reached = timeout(PATIENCE, self.done.wait_for(|done| *done >= wanted)).await;
        match reached.map(|reached| reached.is_ok()) {
            Ok(true) => Ok(()),
            // It has ended with an error.
            Ok(false) => (&mut self.task).await?.map(|_| ()),
            Err(_) => anyhow::bail!("{} of {wanted} rounds in time", *self.done.borrow()),
        }
    }

    /// Ends it, and says how many events it has brought to the ledger.
    ///
    /// # Errors
    /// The first request that failed.
    pub async fn stop(self) -> Result<u64> {
        let _ = self.stop.send(true);
        Ok(self.task.await?? * EVENTS as u64)
    }
}
