//! The newest entries of the log, as they were appended: who replicates or applies them need not read them back.

use crate::types::TypeConfig;
use openraft::{Entry, EntryPayload};
use std::collections::VecDeque;
use std::ops::Range;

/// Most bytes of payloads kept: some blocks at full load.
const MAX_BYTES: usize = 8 << 20;
/// Bytes of the log beyond which its older part goes, where that is final.
const LOG_BYTES: usize = 64 << 20;

/// A run of entries without gaps, up to the last of the log. The oldest go when there are too many bytes.
#[derive(Default)]
pub struct RecentEntries {
    entries: VecDeque<Entry<TypeConfig>>,
    bytes: usize,
    /// Bytes of older entries of the log; what was there at the start is not counted.
    older: usize,
}

impl RecentEntries {
    /// Adds the entry that was appended to the log.
    pub fn push(&mut self, entry: Entry<TypeConfig>) {
        let follows = self
            .entries
            .back()
            .is_none_or(|last| last.log_id.index + 1 == entry.log_id.index);
        if !follows {
            self.clear();
        }
        self.bytes += size(&entry);
        self.entries.push_back(entry);
        while self.bytes > MAX_BYTES && self.entries.len() > 1 {
            let before = self.bytes;
            self.pop_front();
            self.older += before - self.bytes;
        }
    }

    /// The entries of a range; `None` unless all of them are here.
    pub fn get(&self, range: Range<u64>) -> Option<Vec<Entry<TypeConfig>>> {
        let first = self.entries.front()?.log_id.index;
        let last = self.entries.back()?.log_id.index;
        if range.is_empty() || range.start < first || range.end - 1 > last {
            return None;
        }
        let (from, to) = ((range.start - first) as usize, (range.end - first) as usize);
        Some(self.entries.range(from..to).cloned().collect())
    }

    /// Forgets entry `index` and all after it.
    pub fn truncate_from(&mut self, index: u64) {
        while self
            .entries
            .pop_back_if(|last| last.log_id.index >= index)
            .is_some()
        {}
        self.bytes = self.entries.iter().map(size).sum();
    }

    /// Last entry of the part of the log that need not be kept for its size: what is here is.
    pub fn excess(&self) -> Option<u64> {
        let first = self.entries.front()?.log_id.index;
        (self.older + self.bytes > LOG_BYTES).then(|| first.saturating_sub(1))
    }

    /// Forgets entries up to and including `index`.
    pub fn purge_to(&mut self, index: u64) {
        self.older = 0;
        while self
            .entries
            .front()
            .is_some_and(|first| first.log_id.index <= index)
        {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= size(&entry);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// What an entry keeps in memory, about.
fn size(entry: &Entry<TypeConfig>) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Normal(payload) => payload.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    };
    payload + 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Payload;
    use openraft::{CommittedLeaderId, LogId};

    fn entry(index: u64, bytes: usize) -> Entry<TypeConfig> {
        Entry {
            log_id: LogId::new(CommittedLeaderId::new(1, 1), index),
            payload: EntryPayload::Normal(Payload(vec![0; bytes].into())),
        }
    }

    fn indexes(found: Option<Vec<Entry<TypeConfig>>>) -> Option<Vec<u64>> {
        found.map(|entries| entries.iter().map(|entry| entry.log_id.index).collect())
    }

    #[test]
    fn a_range_is_whole_or_is_not_given() {
        let mut recent = RecentEntries::default();
        (5..10).for_each(|index| recent.push(entry(index, 10)));
        assert_eq!(indexes(recent.get(5..10)), Some((5..10).collect()));
        assert_eq!(indexes(recent.get(6..8)), Some(vec![6, 7]));
        for missing in [4..6, 9..11, 7..7, 10..12] {
            assert_eq!(indexes(recent.get(missing)), None);
        }
        recent.truncate_from(8);
        assert_eq!(indexes(recent.get(7..8)), Some(vec![7]));
        assert_eq!(indexes(recent.get(8..9)), None);
        recent.push(entry(8, 10));
        recent.purge_to(6);
        assert_eq!(indexes(recent.get(6..8)), None);
        assert_eq!(indexes(recent.get(7..9)), Some(vec![7, 8]));
        recent.push(entry(20, 10));
        assert_eq!(indexes(recent.get(8..9)), None, "a gap begins anew");
        assert_eq!(indexes(recent.get(20..21)), Some(vec![20]));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stays() {
        let mut recent = RecentEntries::default();
        (0..100).for_each(|index| recent.push(entry(index, 1 << 20)));
        assert!(recent.bytes <= MAX_BYTES);
        assert!(recent.get(95..100).is_some());
        let kept = recent.entries[0].log_id.index;
        assert_eq!(recent.excess(), Some(kept - 1));
        recent.purge_to(kept - 1);
        assert_eq!(recent.excess(), None);
        assert!(recent.get(kept..100).is_some());
        recent.push(entry(100, 2 * MAX_BYTES));
        assert_eq!(indexes(recent.get(100..101)), Some(vec![100]));
        assert!(recent.get(99..101).is_none());
        recent.purge_to(100);
        assert_eq!(recent.bytes, 0);
    }
}
