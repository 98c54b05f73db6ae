//! When a batch is cut, and when what was taken is made durable. By the steady clock: the host's may be set.

use super::Pipeline;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait of an event until it is durable, however long a batch may take to fill.
const SYNC_WITHIN: Duration = Duration::from_millis(150);

/// What decides when a batch is cut.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest wait for a batch to fill while another is under way, and of an event for its sync.
    pub linger: Duration,
    /// Least time between two batches that are not full. Each costs a sync, a signature, a round trip and a part of a block,
    /// whatever is in it; a first event after a while has none before it and waits for nothing.
    pub gather: Duration,
    /// When a batch was cut last.
    pub cut: Option<Instant>,
    /// Since when events wait for a batch.
    pub waiting: Option<Instant>,
}

impl Pace {
    /// Nothing was cut and nothing waits.
    pub fn new(linger: Duration, gather: Duration) -> Self {
        Self {
            linger,
            gather,
            cut: None,
            waiting: None,
        }
    }

    /// How long what waits since `waiting` may still wait, if no batch is full; `idle`: none is under way.
    fn left(&self, waiting: Instant, idle: bool, now: Instant) -> Duration {
        let lingers = if idle { waiting } else { waiting + self.linger };
        let gathers = self.cut.map_or(waiting, |cut| cut + self.gather);
        lingers.max(gathers).saturating_duration_since(now)
    }

    /// How long what is not durable since `unsynced` may still wait.
    fn sync_left(&self, unsynced: Instant, now: Instant) -> Duration {
        let within = self.linger.max(self.gather).min(SYNC_WITHIN);
        (unsynced + within).saturating_duration_since(now)
    }
}

impl Pipeline {
    /// Batches that no peer has called final.
    pub(super) fn in_flight(&self) -> u64 {
        self.spool
            .in_flight()
            .min(self.spool.last_batch().saturating_sub(self.settled))
    }

    /// When a batch is full, or what waits has waited long enough.
    pub(super) fn is_time_to_cut(&self) -> bool {
        if self.spool.unbatched() == 0 || self.in_flight() >= self.options.window {
            return false;
        }
        self.batch_left().is_none_or(|left| left.is_zero()) || self.spool.fills(&self.options.limits)
    }

    /// How long what is in no batch may still wait; `None` if nothing is to be waited for.
    pub(super) fn batch_left(&self) -> Option<Duration> {
        let in_flight = self.in_flight();
        if in_flight >= self.options.window {
            return None;
        }
        let waiting = self.pace.waiting?;
        Some(self.pace.left(waiting, in_flight == 0, Instant::now()))
    }

    /// Whether events may wait outside until the next batch is cut, or the next sync is due: they belong to both.
    pub(super) fn gathers(&self) -> bool {
        let left = |of: Option<Duration>| of.is_some_and(|left| !left.is_zero());
        !self.pace.gather.is_zero() && left(self.batch_left()) && left(self.sync_left())
    }

    /// Notes since when events wait for a batch.
    pub(super) fn note_waiting(&mut self) {
        if self.spool.unbatched() == 0 {
            self.pace.waiting = None;
        } else {
            self.pace.waiting.get_or_insert_with(Instant::now);
        }
    }

    /// How long what is not durable may still wait for a batch to be cut.
    pub(super) fn sync_left(&self) -> Option<Duration> {
        Some(self.pace.sync_left(self.unsynced?, Instant::now()))
    }

    pub(super) fn backlog_is_full(&self) -> bool {
        self.spool.unbatched() >= 2 * self.options.limits.events as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_first_event_waits_for_nothing_and_those_after_it_for_each_other() {
        let start = Instant::now();
        let mut pace = Pace::new(MS(10), MS(50));
        assert_eq!(pace.left(start, true, start), MS(0));
        pace.cut = Some(start);
        assert_eq!(pace.left(start + MS(10), true, start + MS(10)), MS(40));
        assert_eq!(
            pace.left(start + MS(45), false, start + MS(45)),
            MS(10),
            "one is under way"
        );
        assert_eq!(pace.left(start + MS(70), true, start + MS(70)), MS(0));
    }

    #[test]
    fn without_gathering_only_what_is_under_way_is_waited_for() {
        let start = Instant::now();
        let mut pace = Pace::new(MS(10), MS(0));
        pace.cut = Some(start);
        assert_eq!(pace.left(start + MS(1), true, start + MS(1)), MS(0));
        assert_eq!(pace.left(start + MS(1), false, start + MS(3)), MS(8));
        assert_eq!(pace.sync_left(start, start + MS(4)), MS(6));
    }

    #[test]
    fn what_waits_for_a_batch_is_synced_with_it_and_soon_enough() {
        let start = Instant::now();
        assert_eq!(Pace::new(MS(10), MS(50)).sync_left(start, start), MS(50));
        assert_eq!(Pace::new(MS(10), MS(5000)).sync_left(start, start), SYNC_WITHIN);
    }
}
