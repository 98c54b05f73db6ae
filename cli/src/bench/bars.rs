//! What was to be reached.

/// A bar, and what lies beyond it.
#[derive(Debug, Clone, Copy)]
pub struct Bar {
    /// With its unit.
    pub bar: f64,
    /// The same.
    pub beyond: f64,
    /// Whether more is better.
    pub more: bool,
}

/// What a measured value says about its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As good as what lies beyond.
    Beyond,
    /// As good as the bar.
    Reached,
    /// Not as good.
    Missed,
}

impl Bar {
    /// At least `bar`.
    pub const fn at_least(bar: f64, beyond: f64) -> Self {
        Self {
            bar,
            beyond,
            more: true,
        }
    }

    /// At most `bar`.
    pub const fn at_most(bar: f64, beyond: f64) -> Self {
        Self {
            bar,
            beyond,
            more: false,
        }
    }

    /// What a value says.
    pub fn judge(&self, value: f64) -> Verdict {
        let as_good_as = |bar: f64| if self.more { value >= bar } else { value <= bar };
        match (as_good_as(self.beyond), as_good_as(self.bar)) {
            (true, _) => Verdict::Beyond,
            (_, true) => Verdict::Reached,
            _ => Verdict::Missed,
        }
    }
}

/// Final on all three, events a second.
pub const THROUGHPUT: Bar = Bar::at_least(30_000.0, 50_000.0);
/// Whole network, microseconds per event.
pub const CPU: Bar = Bar::at_most(50.0, 30.0);
/// At 200 events a second, milliseconds.
pub const AVERAGE_200: Bar = Bar::at_most(5.0, 2.5);
/// At 200 events a second, milliseconds.
pub const P99_200: Bar = Bar::at_most(15.0, 5.0);
/// At 5,000 events a second, milliseconds.
pub const P99_5000: Bar = Bar::at_most(50.0, 25.0);
/// Per event and peer, bytes.
pub const DISK: Bar = Bar::at_most(600.0, 300.0);
/// All processes at saturation, MB.
pub const MEMORY: Bar = Bar::at_most(600.0, 300.0);
/// Median gap when the leader is killed, milliseconds.
pub const FAILOVER: Bar = Bar::at_most(1500.0, 700.0);
/// One collector, events a second.
pub const SINGLE: Bar = Bar::at_least(10_000.0, 25_000.0);
/// One collector beside an idle engine, percent of a core.
pub const COLLECTOR_IDLE_CPU: Bar = Bar::at_most(0.1, 0.02);
/// The same, MiB.
pub const COLLECTOR_IDLE_RSS: Bar = Bar::at_most(24.0, 16.0);
/// One collector at 100 events a second of an engine, percent of a core.
pub const COLLECTOR_CPU: Bar = Bar::at_most(2.0, 1.0);
/// The same, MiB.
pub const COLLECTOR_RSS: Bar = Bar::at_most(32.0, 24.0);
/// Milliseconds.
pub const HISTORY_P99: Bar = Bar::at_most(10.0, 3.0);
/// Start to serving, seconds.
pub const RESTART: Bar = Bar::at_most(5.0, 1.0);
/// Last tenth against first tenth, percent.
pub const SUSTAINED: Bar = Bar::at_least(90.0, 98.0);
/// Throughput under overload, percent of the peak.
pub const PLATEAU: Bar = Bar::at_least(90.0, 100.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_or_less_is_better() {
        assert_eq!(THROUGHPUT.judge(60_000.0), Verdict::Beyond);
        assert_eq!(THROUGHPUT.judge(30_000.0), Verdict::Reached);
        assert_eq!(THROUGHPUT.judge(29_999.0), Verdict::Missed);
        assert_eq!(CPU.judge(30.0), Verdict::Beyond);
        assert_eq!(CPU.judge(31.0), Verdict::Reached);
        assert_eq!(CPU.judge(51.0), Verdict::Missed);
    }
}
