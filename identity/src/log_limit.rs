//! A bound on what strangers can write into a log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines for one reason.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Slot {
    written: Instant,
    suppressed: u64,
}

/// Lets one log line pass per second and reason, and counts the others: whoever can connect could fill the disk
/// with refusals otherwise. Reasons are a fixed set, so that the bound cannot be escaped by inventing new ones.
#[derive(Debug, Default)]
pub struct LogLimit {
    slots: Mutex<BTreeMap<&'static str, Slot>>,
}

impl LogLimit {
    /// Whether a line for this reason may be written now; if so, how many were not since the last one.
    pub fn admit(&self, reason: &'static str) -> Option<u64> {
        self.admit_at(reason, Instant::now())
    }

    fn admit_at(&self, reason: &'static str, now: Instant) -> Option<u64> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.get_mut(reason) else {
            let slot = Slot {
                written: now,
                suppressed: 0,
            };
            slots.insert(reason, slot);
            return Some(0);
        };
        if now.saturating_duration_since(slot.written) < PAUSE {
            slot.suppressed += 1;
            return None;
        }
        slot.written = now;
        Some(std::mem::take(&mut slot.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_costs_one_line_per_second_and_reason_and_is_counted() {
        let limit = LogLimit::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        // A line every millisecond for ten seconds.
        let passed: Vec<u64> = (0..10_000)
            .filter_map(|millis| limit.admit_at("expired", at(millis)))
            .collect();
        assert_eq!(passed, [0, 999, 999, 999, 999, 999, 999, 999, 999, 999]);
        // Another reason is not held back by the first, nor does it take its count.
        assert_eq!(limit.admit_at("revoked", at(9_999)), Some(0));
        assert_eq!(limit.admit_at("revoked", at(9_999)), None);
        // What was counted last is told with the next line, whenever that is.
        assert_eq!(limit.admit_at("expired", at(60_000)), Some(999));
        assert_eq!(limit.admit_at("revoked", at(60_000)), Some(1));
        assert_eq!(limit.admit_at("expired", at(61_000)), Some(0));
    }
}
