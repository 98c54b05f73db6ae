//! When a batch is cut, and when what was taken is made durable.

use super::Pipeline;
use crate::clock::now_nano;
use std::time::Duration;

/// Longest wait of an event until it is durable, however long a batch may take to fill.
const SYNC_WITHIN: Duration = Duration::from_millis(100);

impl Pipeline {
    /// Batches that no peer has called final.
    pub(super) fn in_flight(&self) -> u64 {
        self.spool
            .in_flight()
            .min(self.spool.last_batch().saturating_sub(self.settled))
    }

    /// With nothing under way at once, else when a batch is full or has waited long enough.
    pub(super) fn is_time_to_cut(&self) -> bool {
        let in_flight = self.in_flight();
        if self.spool.unbatched() == 0 || in_flight >= self.options.window {
            return false;
        }
        in_flight == 0
            || self.spool.fills(&self.options.limits)
            || self.linger_left().is_some_and(|left| left.is_zero())
    }

    /// How long the oldest unbatched event may still wait; `None` if nothing is to be waited for.
    pub(super) fn linger_left(&self) -> Option<Duration> {
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
    pub(super) fn sync_left(&self) -> Option<Duration> {
        let since = self.unsynced?;
        Some(
            self.options
                .linger
                .min(SYNC_WITHIN)
                .saturating_sub(since.elapsed()),
        )
    }

    pub(super) fn backlog_is_full(&self) -> bool {
        self.spool.unbatched() >= 2 * self.options.limits.events as u64
    }
}
