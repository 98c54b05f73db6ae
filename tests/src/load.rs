//! Load that goes on through failures, as a collector's does.

use crate::collector::TestCollector;
use crate::events::event;
use crate::members::PATIENCE;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use e2l_client::wire::refusal::Reason;
use e2l_client::{ClientError, Outcome, SubmitStream, wire};
use e2l_ledger::Digest;
use std::collections::VecDeque;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Batches under way.
const WINDOW: usize = 8;

/// What a peer has acknowledged: these transactions are final at this place.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Ids of the batch's transactions, in order.
    pub transactions: Vec<Digest>,
    /// The peer's answer.
    pub answer: wire::Final,
}

struct Unanswered {
    tag: u64,
    bytes: Bytes,
    transactions: Vec<Digest>,
}

/// A collector under load in a task of its own.
pub struct Load {
    stop: watch::Sender<bool>,
    acknowledged: watch::Receiver<usize>,
    task: JoinHandle<Result<(TestCollector, Vec<Receipt>)>>,
}

impl Load {
    /// Submits batches of `events` events, a few at a time, until it is stopped or `batches` are
    /// acknowledged. What is unanswered when a peer fails is sent again, byte for byte, to the next.
    pub fn start(collector: TestCollector, events: usize, batches: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (progress, acknowledged) = watch::channel(0);
        let runner = Runner {
            collector,
            events,
            batches,
            made: 0,
            unanswered: VecDeque::new(),
            receipts: Vec::new(),
            stopped,
            progress,
        };
        Self {
            stop,
            acknowledged,
            task: tokio::spawn(runner.run()),
        }
    }

    /// Waits until `more` further batches are acknowledged.
    ///
    /// # Errors
    /// They are not in time.
    pub async fn progress(&mut self, more: usize) -> Result<()> {
        let wanted = *self.acknowledged.borrow() + more;
        let reached = self.acknowledged.wait_for(|acknowledged| *acknowledged >= wanted);
        let reached = timeout(PATIENCE, reached).await.map(|reached| reached.is_ok());
        match reached {
            Ok(true) => Ok(()),
            _ => bail!(
                "{} of {wanted} batches were acknowledged within {} s",
                *self.acknowledged.borrow(),
                PATIENCE.as_secs()
            ),
        }
    }

    /// Waits until everything sent is acknowledged, sends nothing new, and returns all acknowledgements.
    ///
    /// # Errors
    /// A batch was refused, or nothing was acknowledged for too long.
    pub async fn stop(self) -> Result<(TestCollector, Vec<Receipt>)> {
        let _ = self.stop.send(true);
        self.task.await?
    }

    /// Waits until all batches are acknowledged.
    ///
    /// # Errors
    /// As [`Load::stop`].
    pub async fn finish(self) -> Result<(TestCollector, Vec<Receipt>)> {
        self.task.await?
    }
}

struct Runner {
    collector: TestCollector,
    events: usize,
    batches: usize,
    made: usize,
    unanswered: VecDeque<Unanswered>,
    receipts: Vec<Receipt>,
    stopped: watch::Receiver<bool>,
    progress: watch::Sender<usize>,
}

impl Runner {
    async fn run(mut self) -> Result<(TestCollector, Vec<Receipt>)> {
        let mut moved = (0, Instant::now());
        while self.fill() || !self.unanswered.is_empty() {
            if moved.0 < self.receipts.len() {
                moved = (self.receipts.len(), Instant::now());
            }
            let Err(error) = self.one_stream().await else {
                break;
            };
            if moved.1.elapsed() > PATIENCE {
                return Err(error).context(format!("{} makes no progress", self.collector.member()));
            }
            match error.downcast_ref::<ClientError>() {
                // Everything after a batch that was sent back is sent back as a gap.
                Some(ClientError::Refused {
                    reason: Reason::SequenceGap,
                    ..
                }) => {}
                Some(error) if error.is_transient() => {}
                _ => return Err(error),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok((self.collector, self.receipts))
    }

    /// Makes a batch if there is room and more is wanted.
    fn fill(&mut self) -> bool {
        if self.unanswered.len() >= WINDOW || self.made >= self.batches || *self.stopped.borrow() {
            return false;
        }
        self.made += 1;
        let name = format!("{}-{}", self.collector.member().name, self.made);
        let events = (0..self.events).map(|number| event(&format!("{name}-{number}"), "start"));
        let batch = self.collector.batch(events.collect());
        let transactions = (0..batch.header.count).map(|index| batch.header.transaction_id(index));
        self.unanswered.push_back(Unanswered {
            tag: self.made as u64,
            transactions: transactions.collect(),
            bytes: TestCollector::encode(batch),
        });
        true
    }

    async fn one_stream(&mut self) -> Result<()> {
        let mut stream = self.collector.client.submit_stream(WINDOW).await?;
        for unanswered in &self.unanswered {
            stream.send(unanswered.tag, unanswered.bytes.clone()).await?;
        }
        loop {
            while self.fill() {
                let last = self.unanswered.back().context("it was just made")?;
                stream.send(last.tag, last.bytes.clone()).await?;
            }
            if self.unanswered.is_empty() {
                return Ok(());
            }
            self.answer(&mut stream).await?;
        }
    }

    async fn answer(&mut self, stream: &mut SubmitStream) -> Result<()> {
        let answer = timeout(PATIENCE, stream.recv())
            .await
            .context("no answer in time")??;
        let (tag, outcome) = answer.context("the stream ended")?;
        let answer = match outcome {
            Outcome::Final(answer) => answer,
            Outcome::Refusal(refusal) => return Err(ClientError::refused(&refusal).into()),
        };
        let at = self
            .unanswered
            .iter()
            .position(|unanswered| unanswered.tag == tag);
        let at = at.with_context(|| format!("an answer to {tag}, which was not sent"))?;
        if let Some(Unanswered { transactions, .. }) = self.unanswered.remove(at) {
            self.receipts.push(Receipt { transactions, answer });
        }
        self.progress.send_replace(self.receipts.len());
        Ok(())
    }
}
