//! Whether the stream was read late enough for the engine to have skipped events.

/// Events that the engine keeps for a subscriber: it skips none before it has so many.
const KEPT: u32 = 1024;
/// How long it waits for a subscriber that reads none, nanoseconds.
const WAITS: i64 = 100_000_000;

/// Counts the events of a subscription that were read late, one after the other.
#[derive(Debug)]
pub struct Behind {
    late: u32,
    on_time_nano: i64,
}

impl Behind {
    /// Up to this moment of the engine's clock everything was read, nanoseconds since the Unix epoch.
    pub fn since(read_nano: i64) -> Self {
        Self {
            late: 0,
            on_time_nano: read_nano,
        }
    }

    /// An event was read that has this time, at this moment of the same clock. `Some`: between these moments the engine
    /// may have skipped events.
    pub fn read(&mut self, time_nano: i64, at_nano: i64) -> Option<(i64, i64)> {
        if at_nano.saturating_sub(time_nano) < WAITS {
            self.late = 0;
            self.on_time_nano = time_nano;
            return None;
        }
        self.late += 1;
        // Each time that so many were waiting, so that the end of a long delay is covered as well.
        (self.late.is_multiple_of(KEPT)).then_some((self.on_time_nano, at_nano))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_as_many_late_ones_as_the_engine_keeps_are_a_reason_to_doubt() {
        let mut behind = Behind::since(500_000_000);
        let late = |behind: &mut Behind, count: u32| {
            let doubts = (0..count).filter_map(|_| behind.read(2_000_000_000, 3_000_000_000));
            doubts.collect::<Vec<_>>()
        };
        assert_eq!(late(&mut behind, 1024), [(500_000_000, 3_000_000_000)]);
        assert_eq!(behind.read(1_000_000_000, 1_000_500_000), None);
        assert_eq!(late(&mut behind, 1023), []);
        assert_eq!(behind.read(3_000_000_000, 3_000_000_001), None);
        assert_eq!(late(&mut behind, 1023), []);
        let doubt = (3_000_000_000, 3_000_000_000);
        assert_eq!(late(&mut behind, 1025), [doubt, doubt]);
    }
}
