//! The heart: takes events into the spool, cuts batches, hands them on, forgets what is final.
//!
//! Events and the batches cut from them are made durable together, with one write and one sync: when a batch is cut,
//! or when an event has waited as long as it may for its batch. Nothing is handed on before it is durable.

use crate::clock::now_nano;
use crate::error::CollectorError;
use crate::gap;
use crate::recent::fingerprint;
use crate::source::Sourced;
use crate::spool::{BatchLimits, Position, Prepared, Spool};
use crate::stats::SharedStats;
use crate::submit::Progress;
use e2l_ledger::Signer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Longest wait of an event until it is durable, however long a batch may take to fill.
const SYNC_WITHIN: Duration = Duration::from_millis(100);
/// Most events of one round.
const ROUND: usize = 1024;

/// Settings of a pipeline.
pub struct PipelineOptions {
    /// Bounds of a batch.
    pub limits: BatchLimits,
    /// Batches handed on and not final.
    pub window: u64,
    /// Longest wait for a batch to fill while another is under way, and of an event for its sync.
    pub linger: Duration,
    /// Name of the source.
    pub source: String,
    /// Whether the source can give an event twice.
    pub repeats: bool,
    /// Whether the source can be made to wait for the ledger.
    pub waits: bool,
    /// Bytes at which the spool takes no more.
    pub max_bytes: u64,
}

/// See the module. Inside a multi-threaded Tokio runtime only: it blocks while it writes.
pub struct Pipeline {
    pub(crate) spool: Spool,
    pub(crate) signer: Arc<dyn Signer + Send + Sync>,
    pub(crate) options: PipelineOptions,
    pub(crate) events: mpsc::Receiver<Sourced>,
    pub(crate) batches: mpsc::UnboundedSender<Prepared>,
    pub(crate) progress: mpsc::UnboundedReceiver<Progress>,
    /// The last batch that a peer has called final.
    pub(crate) settled: u64,
    pub(crate) stats: SharedStats,
    /// Since when something waits for a sync.
    pub(crate) unsynced: Option<Instant>,
    /// Since when the spool takes no more, and how many events that cost.
    pub(crate) full: Option<Full>,
}

/// A source that cannot wait, and a spool that takes no more.
#[derive(Debug, Clone, Copy)]
pub struct Full {
    since_nano: i64,
    events: u64,
}

/// Why a pipeline ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// The source has ended and everything is final.
    Done,
    /// The submitter is gone; its own result says why.
    Abandoned,
}

impl Pipeline {
    /// Runs until the source has ended and everything is final. Dropping it loses nothing that it took.
    ///
    /// # Errors
    /// The spool cannot be written.
    pub async fn run(mut self) -> Result<Drained, CollectorError> {
        for batch in self.spool.unfinal_batches(&*self.signer)? {
            self.hand_on(batch);
        }
        let mut taken = Vec::with_capacity(ROUND);
        let mut open = true;
        loop {
            tokio::task::block_in_place(|| self.round(&mut taken))?;
            if !open && self.spool.unfinal() == 0 {
                // So that the next start knows it too.
                tokio::task::block_in_place(|| self.spool.commit())?;
                return Ok(Drained::Done);
            }
            let waiting = [self.linger_left(), self.sync_left()].into_iter().flatten().min();
            let takes = open && !(self.options.waits && (self.backlog_is_full() || self.is_over_bound()));
            tokio::select! {
                count = self.events.recv_many(&mut taken, ROUND), if takes => open = count > 0,
                progress = self.progress.recv() => match progress {
                    Some(progress) => self.note(progress),
                    None => {
                        tokio::task::block_in_place(|| self.spool.commit())?;
                        return Ok(Drained::Abandoned);
                    }
                },
                () = sleep(waiting.unwrap_or_default()), if waiting.is_some() => {}
            }
            while let Ok(progress) = self.progress.try_recv() {
                self.note(progress);
            }
        }
    }

    fn note(&mut self, progress: Progress) {
        match progress {
            Progress::Settled(last) => self.settled = self.settled.max(last),
            Progress::Proven(last) => self.spool.finalize(last),
        }
    }

    /// Takes events, cuts batches, makes both durable, and only then hands the batches on.
    fn round(&mut self, taken: &mut Vec<Sourced>) -> Result<(), CollectorError> {
        let mut line = 0;
        let gap = self.watch_bound();
        if let Some(full) = &mut self.full {
            full.events += taken.len() as u64;
            taken.clear();
        }
        for sourced in taken.drain(..) {
            line = line.max(sourced.line);
            take(&mut self.spool, &self.options, &self.stats, sourced);
        }
        if line > 0 {
            self.spool.set_position(Position {
                source: self.options.source.clone(),
                lines: line,
            });
        }
        let mut cut = Vec::new();
        while self.is_time_to_cut() {
            match self.spool.cut(&self.options.limits, &*self.signer, now_nano())? {
                Some(batch) => cut.push(batch),
                None => break,
            }
        }
        if self.spool.wants_commit() {
            self.unsynced.get_or_insert_with(Instant::now);
            if gap || !cut.is_empty() || self.sync_left().is_some_and(|left| left.is_zero()) {
                self.spool.commit()?;
                self.unsynced = None;
            }
        }
        let spooled = self.spool.unfinal();
        self.stats.change(|stats| stats.spooled = spooled);
        cut.into_iter().for_each(|batch| self.hand_on(batch));
        Ok(())
    }

    fn hand_on(&self, batch: Prepared) {
        // The submitter is gone only when the collector stops; the batch is in the spool.
        let _ = self.batches.send(batch);
    }

    /// Batches that no peer has called final.
    fn in_flight(&self) -> u64 {
        self.spool
            .in_flight()
            .min(self.spool.last_batch().saturating_sub(self.settled))
    }

    /// With nothing under way at once, else when a batch is full or has waited long enough.
    fn is_time_to_cut(&self) -> bool {
        let in_flight = self.in_flight();
        if self.spool.unbatched() == 0 || in_flight >= self.options.window {
            return false;
        }
        in_flight == 0
            || self.spool.fills(&self.options.limits)
            || self.linger_left().is_some_and(|left| left.is_zero())
    }

    /// How long the oldest unbatched event may still wait; `None` if nothing is to be waited for.
    fn linger_left(&self) -> Option<Duration> {
        let in_flight = self.in_flight();
        if in_flight == 0 || in_flight >= self.options.window {
            return None;
        }
        let age = now_nano().saturating_sub(self.spool.oldest_unbatched()?);
        Some(
            self.options
                .linger
                .saturating_sub(Duration::from_nanos(u64::try_from(age).unwrap_or_default())),
        )
    }

    /// How long what is not durable may still wait for a batch to be cut.
    fn sync_left(&self) -> Option<Duration> {
        let since = self.unsynced?;
        Some(
            self.options
                .linger
                .min(SYNC_WITHIN)
                .saturating_sub(since.elapsed()),
        )
    }

    fn is_over_bound(&self) -> bool {
        self.spool.bytes() >= self.options.max_bytes
    }

    /// Records a gap when the bound is reached, so that a crash does not hide it, and one when there is room again; says
    /// whether it did.
    fn watch_bound(&mut self) -> bool {
        if self.options.waits || self.is_over_bound() == self.full.is_some() {
            return false;
        }
        let now = now_nano();
        let (mut gap, full) = match self.full {
            None => (
                gap::spool_full(self.spool.sender(), now),
                Some(Full {
                    since_nano: now,
                    events: 0,
                }),
            ),
            Some(Full { since_nano, events }) => (
                gap::spool_was_full(self.spool.sender(), since_nano, now, events),
                None,
            ),
        };
        match full {
            Some(_) => tracing::error!(
                alarm = true,
                bytes = self.spool.bytes(),
                "the spool is full: events are lost until the ledger takes what is in it; see `spool_max_bytes`"
            ),
            None => tracing::warn!("the spool has room again: a gap is recorded"),
        }
        self.spool.take(&mut gap, None, now);
        self.stats.change(|stats| stats.taken += 1);
        self.full = full;
        true
    }

    fn backlog_is_full(&self) -> bool {
        self.spool.unbatched() >= 2 * self.options.limits.events as u64
    }
}

impl Drop for Pipeline {
    /// What was taken last is not durable yet.
    fn drop(&mut self) {
        if self.unsynced.is_some()
            && let Err(error) = self.spool.commit()
        {
            tracing::error!(%error, "the newest events could not be written to the spool: they are asked for again");
        }
    }
}

fn take(spool: &mut Spool, options: &PipelineOptions, stats: &SharedStats, sourced: Sourced) {
    let Sourced {
        mut event,
        since_nano,
        ..
    } = sourced;
    let print = options.repeats.then(|| fingerprint(&event));
    if print.is_some_and(|print| spool.knows(&print)) {
        stats.change(|stats| stats.repeats += 1);
        return;
    }
    let size = event.encode().len();
    if size > options.limits.event_bytes {
        tracing::error!(
            alarm = true, size, limit = options.limits.event_bytes, action = %event.action, id = %event.actor_id,
            "an event is larger than the network's limits: a gap is recorded in its place"
        );
        event = gap::too_large(&event, size);
    }
    event.sequence = 1;
    if let Err(error) = event.check() {
        tracing::error!(
            alarm = true, %error, action = %event.action, id = %event.actor_id,
            "the contract would reject an event: a gap is recorded in its place"
        );
        event = gap::malformed(&event, &error);
    }
    spool.take(&mut event, print, since_nano);
    stats.change(|stats| stats.taken += 1);
}
