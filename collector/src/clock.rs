//! The collector's clock, and how others differ from it.

use crate::statement::statement;
use e2l_ledger::event::Event;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Differences up to this much are not put on the ledger, nanoseconds.
const TOLERANCE: i64 = 500_000_000;
/// Action of what is said of clocks.
const ACTION: &str = "clock";

/// Nanoseconds since the Unix epoch; 1 for a clock that stands before it.
pub fn now_nano() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX).max(1)
}

/// How far another clock is ahead of the collector's: between these, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// At least.
    pub least_nano: i64,
    /// At most.
    pub most_nano: i64,
}

impl Ahead {
    /// Of a clock that showed `shown_nano` at a moment between two of the collector's.
    pub fn shown_between(shown_nano: i64, before_nano: i64, after_nano: i64) -> Self {
        Self {
            least_nano: shown_nano.saturating_sub(after_nano),
            most_nano: shown_nano.saturating_sub(before_nano.min(after_nano)),
        }
    }

    /// How far it is ahead at least, where it surely is not the same clock; else 0.
    pub fn surely_nano(self) -> i64 {
        let same = self.least_nano <= TOLERANCE && self.most_nano >= -TOLERANCE;
        if same { 0 } else { self.least_nano }
    }

    /// The middle.
    pub fn middle_nano(self) -> i64 {
        self.least_nano + (self.most_nano - self.least_nano) / 2
    }
}

/// What was said of another clock.
#[derive(Debug, Clone, Default)]
pub struct Said {
    ahead_nano: i64,
}

impl Said {
    /// Whether a measurement surely differs by half a second from what was said last, which is none at first: then it is
    /// what was said.
    pub fn is_news(&mut self, ahead: Ahead) -> bool {
        let news = ahead.least_nano > self.ahead_nano.saturating_add(TOLERANCE)
            || ahead.most_nano < self.ahead_nano.saturating_sub(TOLERANCE);
        if news {
            self.ahead_nano = ahead.middle_nano();
        }
        news
    }
}

/// Watches the collector's own clock for steps.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    wall_nano: i64,
    steady: Instant,
}

impl Watch {
    /// From now on.
    pub fn new(wall_nano: i64, steady: Instant) -> Self {
        Self { wall_nano, steady }
    }

    /// How far the clock was set since it was looked at last, nanoseconds, and what it showed then; `None` for less than
    /// half a second.
    pub fn step(&mut self, wall_nano: i64, steady: Instant) -> Option<(i64, i64)> {
        let passed = steady.saturating_duration_since(self.steady).as_nanos();
        let expected = self
            .wall_nano
            .saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        let before = self.wall_nano;
        *self = Self { wall_nano, steady };
        let by = wall_nano.saturating_sub(expected);
        (by.abs() > TOLERANCE).then_some((by, before))
    }
}

/// What a collector records of another's clock.
pub fn differs(collector: &str, whose: &str, ahead: Ahead, now_nano: i64) -> Event {
    let uncertain = ahead.most_nano.saturating_sub(ahead.least_nano) / 2;
    let attributes = [
        ("whose", whose.to_owned()),
        ("ahead_nano", ahead.middle_nano().to_string()),
        ("uncertain_nano", uncertain.to_string()),
    ];
    statement(collector, ACTION, attributes, now_nano)
}

/// What a collector records of a step of its own clock, which showed `from_nano` when it was looked at before.
pub fn stepped(collector: &str, (by_nano, from_nano): (i64, i64), now_nano: i64) -> Event {
    let attributes = [
        ("whose", "host".to_owned()),
        ("stepped_nano", by_nano.to_string()),
        ("from", from_nano.to_string()),
    ];
    statement(collector, ACTION, attributes, now_nano)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: i64 = 3_600_000_000_000;
    const MILLI: i64 = 1_000_000;

    #[test]
    fn a_difference_is_said_once_and_again_when_it_has_changed() {
        let mut said = Said::default();
        let shown = |ahead: i64| Ahead::shown_between(10 * HOUR + ahead, 10 * HOUR, 10 * HOUR + 40 * MILLI);
        assert_eq!(shown(HOUR).middle_nano(), HOUR - 20 * MILLI);
        assert!(!said.is_news(shown(0)));
        assert!(!said.is_news(shown(500 * MILLI)), "that is not certain");
        assert!(said.is_news(shown(HOUR)));
        assert!(!said.is_news(shown(HOUR + 300 * MILLI)));
        assert!(said.is_news(shown(-HOUR)));
        assert!(said.is_news(shown(0)), "it is right again");
        let vague = Ahead::shown_between(10 * HOUR, 9 * HOUR, 10 * HOUR);
        assert!(
            !said.is_news(vague),
            "a batch that waited for an hour says nothing"
        );
    }

    #[test]
    fn clocks_that_may_be_the_same_count_as_the_same() {
        let shown = |ahead: i64| Ahead::shown_between(10 * HOUR + ahead, 10 * HOUR, 10 * HOUR + 40 * MILLI);
        assert_eq!(shown(0).surely_nano(), 0);
        assert_eq!(shown(-400 * MILLI).surely_nano(), 0);
        assert_eq!(shown(HOUR).surely_nano(), HOUR - 40 * MILLI);
        assert_eq!(shown(-HOUR).surely_nano(), -HOUR - 40 * MILLI);
    }

    #[test]
    fn a_step_is_told_from_the_passing_of_time_and_from_slewing() {
        let start = Instant::now();
        let mut watch = Watch::new(10 * HOUR, start);
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(watch.step(11 * HOUR, after(3600)), None);
        assert_eq!(watch.step(11 * HOUR + 10_100 * MILLI, after(3610)), None);
        let back = 10 * HOUR + 11_100 * MILLI;
        assert_eq!(
            watch.step(back, after(3611)),
            Some((-HOUR, 11 * HOUR + 10_100 * MILLI))
        );
        assert_eq!(watch.step(back + 1000 * MILLI, after(3612)), None, "said once");
        assert_eq!(
            watch.step(back + HOUR + 2000 * MILLI, after(3613)),
            Some((HOUR, back + 1000 * MILLI))
        );
    }
}
