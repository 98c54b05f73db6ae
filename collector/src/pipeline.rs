//! The heart: takes events into the spool, cuts batches, hands them on, forgets what is final.
//!
//! Events and the batches cut from them are made durable together, with one write and one sync: when a batch is cut,
//! or when an event has waited as long as it may for its batch. Nothing is handed on before it is durable.
//!
//! [`taking`] has what is taken, [`pace`] when batches are cut, [`own_word`] what the collector says itself, [`room`] what it
//! does where there is none.

mod own_word;
mod pace;
mod room;
mod taking;

pub use own_word::Clocks;
pub use pace::Pace;

use crate::clock::now_nano;
use crate::error::CollectorError;
use crate::heartbeat::Heartbeat;
use crate::inventory::Inventories;
use crate::recording::{CurrentCode, NewCode, Recorder};
use crate::renewal::Renewal;
use crate::source::Given;
use crate::spool::{BatchLimits, Position, Prepared, Spool, SpoolError};
use crate::stats::SharedStats;
use crate::submit::Progress;
use e2l_identity::CurrentIdentity;
use e2l_ledger::proof::Anchor;
use room::{Full, FullDisk};
use std::sync::Arc;
use std::time::Duration;
use taking::take;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

/// Most events of one round.
const ROUND: usize = 1024;

/// So few events are written to a disk that was quick the last time without telling the runtime: that costs several switches
/// between threads, more than the write does.
const SMALL: u64 = 64;

/// A disk that writes them within so long is quick.
const QUICK: Duration = Duration::from_millis(5);

/// A round that brought fewer is followed by a pause, if a batch gathers: to be woken for each event costs more than the event.
const FEW: usize = 16;

/// Settings of a pipeline.
pub struct PipelineOptions {
    /// Bounds of a batch.
    pub limits: BatchLimits,
    /// Batches handed on and not final.
    pub window: u64,
    /// Name of the source.
    pub source: String,
    /// Whether the source can give an event twice.
    pub repeats: bool,
    /// Whether the source can be made to wait for the ledger.
    pub waits: bool,
    /// Whether a thread of its own reads the source.
    pub is_read_apart: bool,
    /// Bytes at which the spool takes no more.
    pub max_bytes: u64,
}

/// See the module. Inside a multi-threaded Tokio runtime only: it blocks while it writes.
pub struct Pipeline {
    pub(crate) spool: Spool,
    pub(crate) identity: Arc<CurrentIdentity>,
    pub(crate) options: PipelineOptions,
    pub(crate) events: mpsc::Receiver<Given>,
    pub(crate) batches: mpsc::UnboundedSender<Prepared>,
    pub(crate) progress: mpsc::UnboundedReceiver<Progress>,
    /// The last batch that a peer has called final.
    pub(crate) settled: u64,
    pub(crate) stats: SharedStats,
    pub(crate) pace: Pace,
    /// Since when something waits for a sync.
    pub(crate) unsynced: Option<Instant>,
    /// Since when the spool takes no more, and how many events that cost.
    pub(crate) full: Option<Full>,
    /// Since when the disk is full, and when it is tried again.
    pub(crate) full_disk: Option<FullDisk>,
    /// The last small write took so long that other tasks should not have waited for it.
    pub(crate) disk_is_slow: bool,
    /// Batches that are cut and not durable.
    pub(crate) cut: Vec<Prepared>,
    pub(crate) clocks: Clocks,
    /// Containers of this round that changed while they were compared.
    pub(crate) unsettled: usize,
    /// What the actors have agreed on.
    pub(crate) anchor: Arc<Anchor>,
    /// `None` where the source is no engine.
    pub(crate) inventories: Option<Inventories>,
    /// `None` where the source is no engine.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// What is recorded of each event.
    pub(crate) recorder: Recorder,
    /// What comes into force.
    pub(crate) new_code: mpsc::UnboundedReceiver<NewCode>,
    pub(crate) code: Arc<CurrentCode>,
    /// The ledger takes no more of this incarnation.
    pub(crate) renewal: Option<Renewal>,
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
        // There may be gigabytes of them.
        let unfinal = block_in_place(|| self.spool.unfinal_batches(&*self.identity.get()))?;
        unfinal.into_iter().for_each(|batch| self.hand_on(batch));
        block_in_place(|| self.say_that_disk_was_full())?;
        let mut taken = Vec::with_capacity(ROUND);
        let mut open = true;
        loop {
            let few = taken.len() < FEW;
            self.round(&mut taken)?;
            if !open && self.spool.unfinal() == 0 {
                // So that the next start knows it too.
                block_in_place(|| self.commit())?;
                return Ok(Drained::Done);
            }
            let waits = [self.batch_left(), self.sync_left(), self.heartbeat_left()];
            let waiting = match self.full_disk {
                Some(full) => Some(full.retry.saturating_duration_since(Instant::now())),
                None => waits.into_iter().flatten().min(),
            };
            let gathers = few && self.full_disk.is_none() && self.gathers();
            // While the disk is full the source's events wait in its memory.
            let takes = open
                && self.full_disk.is_none()
                && !gathers
                && !(self.options.waits && (self.backlog_is_full() || self.is_over_bound()));
            tokio::select! {
                count = self.events.recv_many(&mut taken, ROUND), if takes => open = count > 0,
                progress = self.progress.recv() => match progress {
                    Some(progress) => self.note(progress),
                    None => {
                        block_in_place(|| self.commit())?;
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

    /// What came while a batch gathered belongs to it, and to the sync that is due before.
    fn take_what_waits(&mut self, taken: &mut Vec<Given>) {
        if self.pace.gather.is_zero() || self.gathers() {
            return;
        }
        while taken.len() < ROUND
            && let Ok(given) = self.events.try_recv()
        {
            taken.push(given);
        }
    }

    fn note(&mut self, progress: Progress) {
        match progress {
            Progress::Settled(last) => self.settled = self.settled.max(last),
            Progress::Proven(last) => self.spool.finalize(last),
            Progress::Clock(ahead) => self.peers_ahead(ahead),
            Progress::GivenUp(head) => self.renewal = Some(Renewal::after(head)),
        }
    }

    /// Takes events, cuts batches, makes both durable, and only then hands the batches on. Only where it writes much
    /// to the disk does it tell the runtime that it blocks: that costs another thread, more than most rounds do.
    fn round(&mut self, taken: &mut Vec<Given>) -> Result<(), CollectorError> {
        if let Some(full) = self.full_disk {
            return if full.retry <= Instant::now() {
                block_in_place(|| self.retry_full_disk(full))
            } else {
                Ok(())
            };
        }
        self.take_what_waits(taken);
        self.take_new_code();
        self.renew()?;
        let gap = self.watch_bound();
        if !taken.is_empty() {
            self.watch_clock();
        }
        match self.recorder.component() {
            // The actors' code may be slow, and the reading goes on.
            Some(_) if !taken.is_empty() => block_in_place(|| self.take_all(taken)),
            _ => self.take_all(taken),
        }
        self.beat();
        self.note_waiting();
        if self.spool.wants_commit() {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        let is_due = gap || self.sync_left().is_some_and(|left| left.is_zero());
        if is_due || self.is_time_to_cut() {
            self.write()?;
        }
        let (spooled, oldest_nano) = (self.spool.unfinal(), self.spool.oldest_unfinal_nano());
        self.stats.change(|stats| {
            stats.spooled = spooled;
            stats.oldest_unfinal_nano = oldest_nano.unwrap_or_default();
        });
        Ok(())
    }

    /// Other tasks wait for a small write to a quick disk, unless the reading is one of them.
    fn write(&mut self) -> Result<(), CollectorError> {
        let is_small = self.spool.unbatched() < SMALL && self.options.is_read_apart;
        let began = Instant::now();
        let written = match is_small && !self.disk_is_slow {
            true => self.cut_and_commit(),
            false => block_in_place(|| self.cut_and_commit()),
        };
        if is_small {
            self.disk_is_slow = began.elapsed() > QUICK;
        }
        written
    }

    fn cut_and_commit(&mut self) -> Result<(), CollectorError> {
        while self.is_time_to_cut() {
            let signer = self.identity.get();
            match self.spool.cut(&self.options.limits, &*signer, now_nano())? {
                Some(batch) => {
                    self.cut.push(batch);
                    self.pace.cut = Some(Instant::now());
                    // What is left begins to wait now.
                    self.pace.waiting = None;
                    self.note_waiting();
                }
                None => break,
            }
        }
        match self.spool.wants_commit() {
            true => self.commit(),
            false => Ok(()),
        }
    }

    fn take_all(&mut self, taken: &mut Vec<Given>) {
        let mut line = 0;
        self.recorder.begin_round();
        for given in taken.drain(..) {
            if let Some(full) = &mut self.full
                && full.drops(&given)
            {
                continue;
            }
            match given {
                Given::Event(sourced) => {
                    line = line.max(sourced.line);
                    take(
                        (&mut self.spool, &mut self.recorder),
                        &self.options,
                        &self.stats,
                        sourced,
                    );
                }
                Given::Inventory(asked) => self.reconcile(*asked),
                Given::LeftOut(prints) => prints.into_iter().for_each(|print| self.spool.leave_out(print)),
            }
        }
        if line > 0 {
            self.spool.set_position(Position {
                source: self.options.source.clone(),
                lines: line,
            });
        }
    }

    /// Makes durable, and only then hands on.
    fn commit(&mut self) -> Result<(), CollectorError> {
        match self.spool.commit() {
            Ok(()) => {
                self.unsynced = None;
                let cut = std::mem::take(&mut self.cut);
                cut.into_iter().for_each(|batch| self.hand_on(batch));
                Ok(())
            }
            Err(error @ SpoolError::Full { .. }) => {
                self.disk_is_full(&error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn hand_on(&self, batch: Prepared) {
        // The submitter is gone only when the collector stops; the batch is in the spool.
        let _ = self.batches.send(batch);
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
