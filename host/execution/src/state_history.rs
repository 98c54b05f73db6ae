//! The state map as of the newest height, and of those shortly before: reads are made at final heights, which lie a
//! little below the newest.

use e2l_ledger::proof::MapProof;
use e2l_ledger::{Digest, StateMap};
use std::collections::VecDeque;

/// Heights below the newest that are remembered, at most.
const HEIGHTS: usize = 256;
/// Changes that are remembered, at most, 72 bytes each; of these last heights all are, however many they have.
const CHANGES: usize = 1 << 18;
const AT_LEAST: usize = 80;

/// What a block changed: applied to the map of its height it gives that of the height below.
struct Undo {
    /// Keys of the map below.
    keys: usize,
    /// What the changed keys held below, in ascending order of key.
    held: Vec<(Digest, Option<Digest>)>,
}

/// The map with its past.
pub(crate) struct StateHistory {
    map: StateMap,
    height: u64,
    /// What the last heights changed, the newest last.
    past: VecDeque<Undo>,
    changes: usize,
}

impl StateHistory {
    /// The map of a height, whose past is not known.
    pub(crate) fn new(map: StateMap, height: u64) -> Self {
        Self {
            map,
            height,
            past: VecDeque::new(),
            changes: 0,
        }
    }

    /// Applies what the block of a height changes; returns the new root.
    pub(crate) fn update(&mut self, height: u64, changes: Vec<(Digest, Option<Digest>)>) -> Digest {
        let keys = self.map.len();
        let held = self.map.replace(changes);
        if height != self.height + 1 {
            self.past.clear();
            self.changes = 0;
        }
        self.height = height;
        self.changes += held.len();
        self.past.push_back(Undo { keys, held });
        while self.past.len() > HEIGHTS || (self.changes > CHANGES && self.past.len() > AT_LEAST) {
            let forgotten = self.past.pop_front();
            self.changes -= forgotten.map_or(0, |undo| undo.held.len());
        }
        self.map.root()
    }

    /// Proof of what is held under a hashed key at the newest height.
    pub(crate) fn prove(&self, key: &Digest) -> MapProof {
        self.map.prove(key)
    }

    /// What was held under a hashed key at a height; `None` for a height that is not remembered.
    pub(crate) fn get(&self, height: u64, key: &Digest) -> Option<Option<Digest>> {
        let mut above = self.above(height)?;
        let changed = above.find_map(|undo| {
            let at = undo.held.binary_search_by_key(key, |(key, _)| *key).ok()?;
            undo.held.get(at).map(|(_, held)| *held)
        });
        Some(changed.unwrap_or_else(|| self.map.get(key)))
    }

    /// Number of keys at a height; `None` for one that is not remembered.
    pub(crate) fn keys(&self, height: u64) -> Option<usize> {
        let first = self.above(height)?.next();
        Some(first.map_or_else(|| self.map.len(), |undo| undo.keys))
    }

    /// What was changed above a height, the lowest first.
    fn above(&self, height: u64) -> Option<impl Iterator<Item = &Undo>> {
        let blocks = usize::try_from(self.height.checked_sub(height)?).ok()?;
        let first = self.past.len().checked_sub(blocks)?;
        Some(self.past.iter().skip(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest([byte; 32])
    }

    #[test]
    fn each_height_that_is_remembered_has_its_values() {
        let mut history = StateHistory::new(StateMap::default(), 10);
        history.update(
            11,
            vec![(digest(1), Some(digest(1))), (digest(2), Some(digest(2)))],
        );
        history.update(12, vec![(digest(1), Some(digest(9)))]);
        history.update(13, vec![(digest(2), None), (digest(3), Some(digest(3)))]);
        let at = |height, key| history.get(height, &digest(key));
        for key in 1..=3 {
            assert_eq!(at(10, key), Some(None), "nothing was there at the start");
        }
        assert_eq!(at(11, 1), Some(Some(digest(1))));
        assert_eq!(at(12, 1), Some(Some(digest(9))));
        assert_eq!(at(12, 2), Some(Some(digest(2))));
        assert_eq!((at(13, 2), at(13, 3)), (Some(None), Some(Some(digest(3)))));
        assert_eq!((at(9, 1), at(14, 1)), (None, None), "these heights are not known");
        let keys: Vec<_> = (9..=14).map(|height| history.keys(height)).collect();
        assert_eq!(keys, [None, Some(0), Some(2), Some(2), Some(2), None]);
    }

    #[test]
    fn the_past_is_bounded() {
        let mut history = StateHistory::new(StateMap::default(), 0);
        for height in 1..=1000 {
            history.update(height, vec![(digest(1), Some(digest(height as u8)))]);
        }
        assert_eq!(history.get(1000 - HEIGHTS as u64 - 1, &digest(1)), None);
        let oldest = 1000 - HEIGHTS as u64;
        assert_eq!(history.get(oldest, &digest(1)), Some(Some(digest(oldest as u8))));
    }
}
