//! How far back an engine is asked.

use super::super::intake::{Intake, PUBLISHED_WITHIN};
use super::engine::Engine;
use super::memory::Reach;
use crate::clock::now_nano;

/// A log is read from so long before the event that was read last: it has its order, and clocks are set back, nanoseconds.
const BEFORE_ABSENCE: i64 = 25 * 3_600_000_000_000;
/// The same while it is read.
const BEFORE_MOMENT: i64 = 60_000_000_000;

/// What was read before.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Events before this moment are not this spool's, by the collector's clock, nanoseconds since the Unix epoch.
    pub floor_nano: i64,
    /// The highest engine's time of the last events, in earlier runs, of what is still there, nanoseconds since the Unix epoch; 0
    /// for none.
    pub newest_nano: i64,
}

impl History {
    /// What was before the spool, by the engine's clock.
    pub fn floor_nano(&self, engine: &Engine) -> i64 {
        self.floor_nano.saturating_add(engine.ahead.surely_nano())
    }

    /// Up to when the engine was read: what it has published since may be missing. By its clock, nanoseconds since the Unix
    /// epoch.
    pub fn read_nano(&self, intake: &Intake, engine: &Engine) -> i64 {
        // One that is still to come says nothing: the clock was set back since.
        let past = intake.read_nano().filter(|read| *read <= engine.nano(now_nano()));
        past.map_or_else(
            || self.floor_nano(engine),
            |read| read.saturating_sub(PUBLISHED_WITHIN),
        )
    }

    /// When a subscription begins.
    pub fn reach_of_absence(&self, intake: &Intake, engine: &Engine) -> Reach {
        self.reach(intake, engine, BEFORE_ABSENCE)
    }

    /// While one lasts.
    pub fn reach_of_moment(&self, intake: &Intake, engine: &Engine) -> Reach {
        self.reach(intake, engine, BEFORE_MOMENT)
    }

    fn reach(&self, intake: &Intake, engine: &Engine, margin_nano: i64) -> Reach {
        let now = engine.nano(now_nano());
        let since_nano = match intake.newest() {
            Some(_) => intake.read_nano().unwrap_or(self.newest_nano).min(now) - margin_nano,
            None => self.floor_nano(engine),
        };
        Reach {
            // Of an earlier run too: its clock may have been set back since.
            highest_nano: intake.highest_nano().max(self.newest_nano),
            since_nano: since_nano.max(1),
        }
    }
}
