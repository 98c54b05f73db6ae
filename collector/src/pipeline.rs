//! The heart: takes events into the spool, cuts batches, hands them on, forgets what is final.
//!
//! Events and the batches cut from them are made durable together, with one write and one sync: when a batch is cut,
//! or when an event has waited as long as it may for its batch. Nothing is handed on before it is durable.

use crate::clock::{self, Ahead, Said, Watch, now_nano};
use crate::error::CollectorError;
use crate::gap;
use crate::heartbeat::Heartbeat;
use crate::inventory::Inventories;
use crate::recent::fingerprint;
use crate::reconcile::{self, Context};
use crate::recording::{self, CurrentCode, NewCode, Recorded, Recorder};
use crate::renewal::Renewal;
use crate::source::{Asked, Given, Sourced};
use crate::spool::{BatchLimits, Position, Prepared, Spool, SpoolError};
use crate::stats::SharedStats;
use crate::submit::Progress;
use e2l_identity::CurrentIdentity;
use e2l_ledger::event::{Event, Observation};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Longest wait of an event until it is durable, however long a batch may take to fill.
const SYNC_WITHIN: Duration = Duration::from_millis(100);
/// Most events of one round.
const ROUND: usize = 1024;
/// Said while it is so.
const SPOOL_FULL: &str = "the spool is full: events are lost; see spool_max_bytes";
/// The same.
const DISK_FULL: &str = "the spool's disk is full: events wait in memory";
/// Between two attempts to write to a disk that is full.
const FULL_DISK_RETRY: Duration = Duration::from_millis(500);

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
    pub(crate) identity: Arc<CurrentIdentity>,
    pub(crate) options: PipelineOptions,
    pub(crate) events: mpsc::Receiver<Given>,
    pub(crate) batches: mpsc::UnboundedSender<Prepared>,
    pub(crate) progress: mpsc::UnboundedReceiver<Progress>,
    /// The last batch that a peer has called final.
    pub(crate) settled: u64,
    pub(crate) stats: SharedStats,
    /// Since when something waits for a sync.
    pub(crate) unsynced: Option<Instant>,
    /// Since when the spool takes no more, and how many events that cost.
    pub(crate) full: Option<Full>,
    /// Since when the disk is full, and when it is tried again.
    pub(crate) full_disk: Option<FullDisk>,
    /// Batches that are cut and not durable.
    pub(crate) cut: Vec<Prepared>,
    pub(crate) clocks: Clocks,
    /// Containers of this round that changed while they were compared.
    pub(crate) unsettled: usize,
    /// `None` where the source is no engine, or none are wanted.
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

/// The clocks that matter.
#[derive(Debug)]
pub struct Clocks {
    own: Watch,
    engine: Said,
    peers: Said,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            own: Watch::new(now_nano(), std::time::Instant::now()),
            engine: Said::default(),
            peers: Said::default(),
        }
    }
}

/// A disk that is full.
#[derive(Debug, Clone, Copy)]
pub struct FullDisk {
    since_nano: i64,
    retry: Instant,
}

/// A source that cannot wait, and a spool that takes no more.
#[derive(Debug, Clone, Copy)]
pub struct Full {
    since_nano: i64,
    events: u64,
}

impl Full {
    /// Whether it is lost; counted, if it is an event. Gaps are taken all the same: there are few, and nobody says them
    /// again. What the engine says of its state is compared the next time.
    fn drops(&mut self, given: &Given) -> bool {
        let Given::Event(sourced) = given else { return true };
        if sourced.event.observation == Observation::Gap {
            return false;
        }
        self.events += 1;
        // It may have waited since before the bound was reached.
        self.since_nano = self.since_nano.min(sourced.since_nano);
        true
    }
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
        for batch in self.spool.unfinal_batches(&*self.identity.get())? {
            self.hand_on(batch);
        }
        tokio::task::block_in_place(|| self.say_that_disk_was_full())?;
        let mut taken = Vec::with_capacity(ROUND);
        let mut open = true;
        loop {
            tokio::task::block_in_place(|| self.round(&mut taken))?;
            if !open && self.spool.unfinal() == 0 {
                // So that the next start knows it too.
                tokio::task::block_in_place(|| self.commit())?;
                return Ok(Drained::Done);
            }
            let waits = [self.linger_left(), self.sync_left(), self.heartbeat_left()];
            let waiting = match self.full_disk {
                Some(full) => Some(full.retry.saturating_duration_since(Instant::now())),
                None => waits.into_iter().flatten().min(),
            };
            // While the disk is full the source's events wait in its memory.
            let takes = open
                && self.full_disk.is_none()
                && !(self.options.waits && (self.backlog_is_full() || self.is_over_bound()));
            tokio::select! {
                count = self.events.recv_many(&mut taken, ROUND), if takes => open = count > 0,
                progress = self.progress.recv() => match progress {
                    Some(progress) => self.note(progress),
                    None => {
                        tokio::task::block_in_place(|| self.commit())?;
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
            Progress::Clock(ahead) => self.peers_ahead(ahead),
            Progress::GivenUp(head) => self.renewal = Some(Renewal::after(head)),
        }
    }

    fn peers_ahead(&mut self, ahead: Ahead) {
        let milliseconds = ahead.middle_nano() / 1_000_000;
        self.stats.change(|stats| stats.peers_ahead_ms = milliseconds);
        if self.can_say() && self.clocks.peers.is_news(ahead) {
            self.say_clock_differs("peers", ahead);
        }
    }

    fn say_clock_differs(&mut self, whose: &str, ahead: Ahead) {
        let (now, milliseconds) = (now_nano(), ahead.middle_nano() / 1_000_000);
        tracing::warn!(
            whose,
            ahead_ms = milliseconds,
            "a clock differs from this host's: it is recorded"
        );
        let event = clock::differs(&self.spool.sender().to_string(), whose, ahead, now);
        self.say(event);
    }

    /// Records a step of the host's clock. Nothing depends on it: order is that of sequence numbers.
    fn watch_clock(&mut self) {
        let now = now_nano();
        if !self.can_say() {
            return;
        }
        let Some(step) = self.clocks.own.step(now, std::time::Instant::now()) else {
            return;
        };
        tracing::warn!(
            by_ms = step.0 / 1_000_000,
            "this host's clock was set: it is recorded"
        );
        let event = clock::stepped(&self.spool.sender().to_string(), step, now);
        self.say(event);
    }

    fn heartbeat_left(&self) -> Option<Duration> {
        self.heartbeat.as_ref()?.left(std::time::Instant::now())
    }

    fn beat(&mut self) {
        if self.heartbeat_left().is_none_or(|left| !left.is_zero()) {
            return;
        }
        let now = (std::time::Instant::now(), now_nano());
        let (collector, stats) = (self.spool.sender().to_string(), self.stats.get());
        if let Some(event) = self
            .heartbeat
            .as_mut()
            .map(|due| due.beat(&collector, &stats, now))
        {
            self.say(event);
        }
    }

    fn can_say(&self) -> bool {
        self.full.is_none() && self.full_disk.is_none()
    }

    /// Takes what the collector has to say itself, unless the spool is full.
    fn say(&mut self, mut event: Event) {
        if !self.can_say() {
            return;
        }
        let now = event.received_nano;
        self.spool.take(&mut event, None, now);
        self.stats.change(|stats| stats.taken += 1);
    }

    /// Takes events, cuts batches, makes both durable, and only then hands the batches on.
    fn round(&mut self, taken: &mut Vec<Given>) -> Result<(), CollectorError> {
        if let Some(full) = self.full_disk {
            return if full.retry <= Instant::now() {
                self.retry_full_disk(full)
            } else {
                Ok(())
            };
        }
        self.take_new_code();
        self.renew()?;
        let gap = self.watch_bound();
        if !taken.is_empty() {
            self.watch_clock();
        }
        self.take_all(taken);
        self.beat();
        while self.is_time_to_cut() {
            let signer = self.identity.get();
            match self.spool.cut(&self.options.limits, &*signer, now_nano())? {
                Some(batch) => self.cut.push(batch),
                None => break,
            }
        }
        if self.spool.wants_commit() {
            self.unsynced.get_or_insert_with(Instant::now);
            if gap || !self.cut.is_empty() || self.sync_left().is_some_and(|left| left.is_zero()) {
                self.commit()?;
            }
        }
        let spooled = self.spool.unfinal();
        self.stats.change(|stats| stats.spooled = spooled);
        Ok(())
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
            }
        }
        if line > 0 {
            self.spool.set_position(Position {
                source: self.options.source.clone(),
                lines: line,
            });
        }
    }

    /// Takes what the engine's state says and its stream did not.
    fn reconcile(
        &mut self,
        Asked {
            inventory,
            ahead,
            again,
            ..
        }: Asked,
    ) {
        let milliseconds = ahead.middle_nano() / 1_000_000;
        self.stats.change(|stats| stats.engine_ahead_ms = milliseconds);
        if self.can_say() && self.clocks.engine.is_news(ahead) {
            self.say_clock_differs("engine", ahead);
        }
        let now_nano = now_nano();
        let context = Context {
            opened_nano: self.spool.opened_nano(),
            now_nano,
        };
        let plan = reconcile::plan(self.spool.recorded(), &inventory, &context);
        for event in plan.events {
            tracing::warn!(
                kind = %event.kind, action = %event.action, id = %event.actor_id, observed = %event.observation,
                "the engine's state differs from what its events said: what is missing is inferred"
            );
            let sourced = Sourced {
                event,
                print: None,
                number: 0,
                since_nano: now_nano,
                line: 0,
            };
            take(
                (&mut self.spool, &mut self.recorder),
                &self.options,
                &self.stats,
                sourced,
            );
        }
        self.unsettled += plan.again.len();
        if inventory.listed.is_some() {
            let unsettled = std::mem::take(&mut self.unsettled);
            if inventory.whole && !self.spool.recorded().is_far_beyond(inventory.asked_at) {
                self.take_inventory(unsettled);
            }
        }
        if !plan.again.is_empty() {
            // Nobody asks again when the collector stops.
            let _ = again.send(plan.again);
        }
    }

    /// A comparison has come to its end: says what runs, if that is due.
    fn take_inventory(&mut self, unsettled: usize) {
        let Some(inventories) = &mut self.inventories else {
            return;
        };
        if !inventories.is_due(std::time::Instant::now()) {
            return;
        }
        let collector = self.spool.sender().to_string();
        let parts = inventories.state(&collector, self.spool.recorded(), unsettled, now_nano());
        parts.into_iter().for_each(|part| self.say(part));
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

    /// What was taken stays in memory and is written when there is room. The reserve says so in case that it never is.
    fn disk_is_full(&mut self, error: &SpoolError) {
        let earlier_run = || self.spool.full_disk().map(|full| full.since_nano);
        let since_nano = self.full_disk.map(|full| full.since_nano).or_else(earlier_run);
        let since_nano = since_nano.unwrap_or_else(now_nano);
        if self.full_disk.is_none() {
            tracing::error!(
                alarm = true, %error,
                "the disk is full: events wait in memory, see `memory_max_bytes`; make room"
            );
        }
        self.stats.trouble(DISK_FULL, true);
        self.full_disk = Some(FullDisk {
            since_nano,
            retry: Instant::now() + FULL_DISK_RETRY,
        });
        if let Err(error) = self.spool.record_full_disk(since_nano) {
            tracing::error!(
                alarm = true, %error,
                "that the disk is full cannot be recorded: if the collector ends now, what waits in memory is lost silently"
            );
        }
    }

    fn retry_full_disk(&mut self, full: FullDisk) -> Result<(), CollectorError> {
        match self.spool.commit() {
            Ok(()) => {}
            Err(error @ SpoolError::Full { .. }) => {
                self.disk_is_full(&error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        tracing::warn!("the disk has room again: a gap is recorded");
        if self.say_of_full_disk(full.since_nano, false)? {
            self.full_disk = None;
            self.stats.trouble(DISK_FULL, false);
        }
        self.commit()
    }

    /// An earlier run had no room to say it.
    fn say_that_disk_was_full(&mut self) -> Result<(), CollectorError> {
        let Some(full) = self.spool.full_disk() else {
            return Ok(());
        };
        tracing::error!(
            alarm = true,
            since_nano = full.since_nano,
            "the disk was full when the collector ended: events may be missing, a gap is recorded"
        );
        self.say_of_full_disk(full.since_nano, true)?;
        Ok(())
    }

    /// Says whether that is durable.
    fn say_of_full_disk(&mut self, since_nano: i64, lost: bool) -> Result<bool, CollectorError> {
        let now = now_nano();
        let mut gap = gap::disk_was_full(self.spool.sender(), (since_nano, now), lost);
        self.spool.take(&mut gap, None, now);
        self.stats.change(|stats| stats.taken += 1);
        match self.spool.commit() {
            Ok(()) => {
                self.spool.forget_full_disk()?;
                Ok(true)
            }
            Err(error @ SpoolError::Full { .. }) => {
                self.disk_is_full(&error);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
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
        self.stats.trouble(SPOOL_FULL, full.is_some());
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

fn take(
    (spool, recorder): (&mut Spool, &mut Recorder),
    options: &PipelineOptions,
    stats: &SharedStats,
    sourced: Sourced,
) {
    let Sourced {
        mut event,
        print,
        number,
        since_nano,
        ..
    } = sourced;
    let repeats = options.repeats && event.observation == Observation::Observed;
    let print = repeats.then(|| print.unwrap_or_else(|| fingerprint(&event)));
    if print.is_some_and(|print| spool.knows(&print)) {
        stats.change(|stats| stats.repeats += 1);
        return;
    }
    if let Some(print) = print
        && spool.recorded().has_inferred(&event)
    {
        spool.leave_out(print);
        stats.change(|stats| stats.repeats += 1);
        return;
    }
    if !is_recorded(recorder, stats, &mut event) {
        spool.pass_over(&event, print);
        spool.touch(&event.actor_id, number);
        return;
    }
    let mut size = event.encode().len();
    if size > options.limits.event_bytes && event.observation == Observation::Inferred {
        event
            .attributes
            .retain(|name, _| name == "image" || name == "name");
        size = event.encode().len();
    }
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
    spool.touch(&event.actor_id, number);
    stats.change(|stats| {
        stats.taken += 1;
        stats.inferred += u64::from(event.observation == Observation::Inferred);
        stats.gaps += u64::from(event.observation == Observation::Gap);
    });
}

/// Makes an event what is recorded of it; of one that is not recorded leaves what the collector itself has to know.
fn is_recorded(recorder: &mut Recorder, stats: &SharedStats, event: &mut Event) -> bool {
    match recorder.record(event) {
        Recorded::Taken => true,
        Recorded::LeftOut => {
            recording::strip(event);
            stats.change(|stats| stats.left_out += 1);
            false
        }
        Recorded::Bare { why } => {
            tracing::error!(
                alarm = true, %why, id = %event.actor_id,
                "the component in force does not say how an event is recorded: it is recorded without its attributes"
            );
            stats.change(|stats| stats.component_failures += 1);
            true
        }
    }
}
