//! Where there is no room: a spool at its bound, a disk that is full. Both are said before anything can be lost silently.

use super::Pipeline;
use crate::clock::now_nano;
use crate::error::CollectorError;
use crate::gap;
use crate::source::{Given, LeftOut};
use crate::spool::SpoolError;
use e2l_ledger::event::Observation;
use std::time::Duration;
use tokio::time::Instant;

/// Said while it is so.
const SPOOL_FULL: &str = "the spool is full: events are lost; see spool_max_bytes";
/// The same.
const DISK_FULL: &str = "the spool's disk is full: events wait in memory";
/// Between two attempts to write to a disk that is full.
const FULL_DISK_RETRY: Duration = Duration::from_millis(500);

/// A disk that is full.
#[derive(Debug, Clone, Copy)]
pub struct FullDisk {
    since_nano: i64,
    pub(super) retry: Instant,
}

/// A source that cannot wait, and a spool that takes no more.
#[derive(Debug, Clone, Default)]
pub struct Full {
    since_nano: i64,
    events: u64,
    /// The last of them.
    last: LeftOut,
}

impl Full {
    /// Whether it is lost; counted, if it is an event. Gaps are taken all the same: there are few, and nobody says them
    /// again. What the engine says of its state is compared the next time.
    pub(super) fn drops(&mut self, given: &Given) -> bool {
        let sourced = match given {
            Given::Event(sourced) => sourced,
            Given::Inventory(_) => return true,
            Given::LeftOut(_) => return false,
        };
        if sourced.event.observation == Observation::Gap {
            return false;
        }
        self.events += 1;
        if let Some(print) = sourced.print {
            self.last.add(print);
        }
        // It may have waited since before the bound was reached, here or at the engine.
        let happened_nano = sourced.since_nano.min(sourced.event.time_nano);
        self.since_nano = self.since_nano.min(happened_nano);
        true
    }
}

impl Pipeline {
    /// What was taken stays in memory and is written when there is room. The reserve says so in case that it never is.
    pub(super) fn disk_is_full(&mut self, error: &SpoolError) {
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

    pub(super) fn retry_full_disk(&mut self, full: FullDisk) -> Result<(), CollectorError> {
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
    pub(super) fn say_that_disk_was_full(&mut self) -> Result<(), CollectorError> {
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
    pub(super) fn say_of_full_disk(&mut self, since_nano: i64, lost: bool) -> Result<bool, CollectorError> {
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

    pub(super) fn is_over_bound(&self) -> bool {
        self.spool.bytes() >= self.options.max_bytes
    }

    /// Records a gap when the bound is reached, so that a crash does not hide it, and one when there is room again; says
    /// whether it did.
    pub(super) fn watch_bound(&mut self) -> bool {
        if self.options.waits || self.is_over_bound() == self.full.is_some() {
            return false;
        }
        let now = now_nano();
        let (mut gap, full, lost) = match self.full.take() {
            None => {
                let full = Full {
                    since_nano: now,
                    ..Full::default()
                };
                (
                    gap::spool_full(self.spool.sender(), now),
                    Some(full),
                    LeftOut::default(),
                )
            }
            Some(Full {
                since_nano,
                events,
                last,
            }) => (
                gap::spool_was_full(self.spool.sender(), since_nano, now, events),
                None,
                last,
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
        lost.into_iter().for_each(|print| self.spool.leave_out(print));
        self.stats.change(|stats| stats.taken += 1);
        self.stats.trouble(SPOOL_FULL, full.is_some());
        self.full = full;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sourced;
    use crate::statement::statement;

    #[test]
    fn what_finds_no_room_is_counted_and_known_and_a_gap_is_never_dropped() {
        let mut full = Full {
            since_nano: 10,
            ..Full::default()
        };
        let given = |print: u8, observation: Observation| {
            let mut event = statement("c1", "die", [], 7);
            event.observation = observation;
            Given::Event(Sourced {
                event,
                print: Some([print; 16]),
                number: 1,
                since_nano: 7,
                line: 0,
            })
        };
        assert!(full.drops(&given(1, Observation::Observed)));
        assert!(full.drops(&given(2, Observation::Observed)));
        assert!(!full.drops(&given(3, Observation::Gap)));
        assert!(
            !full.drops(&Given::LeftOut(LeftOut::default())),
            "what another gap speaks of is noted all the same"
        );
        assert_eq!((full.events, full.since_nano), (2, 7));
        assert_eq!(full.last.into_iter().collect::<Vec<_>>(), [[1; 16], [2; 16]]);
    }
}
