//! Kinds of edits.

use e2l_store::{Intruder, RawRecord};
use fastrand::Rng;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// What is done to a record or a file.
const KINDS: [&str; 5] = ["bit flip", "truncation", "deletion", "swap", "rollback"];

/// How many edits of each kind were made, by what they were made to.
#[derive(Default)]
pub struct Kinds(BTreeMap<String, BTreeMap<&'static str, u64>>);

impl Kinds {
    /// Counts one.
    pub fn count(&mut self, what: &str, kind: &'static str) {
        *self
            .0
            .entry(what.to_owned())
            .or_default()
            .entry(kind)
            .or_default() += 1;
    }

    /// Every column family and kind of file of both databases was edited, and each kind of edit was made.
    pub fn assert_all(&self) {
        let raft = ["raft entries", "raft meta"];
        let files = ["sst", "log", "MANIFEST", "CURRENT", "OPTIONS"];
        let files = ["ledger", "raft"]
            .iter()
            .flat_map(|database| files.map(|file| format!("{database} {file}")));
        for what in Intruder::COLUMNS
            .iter()
            .chain(&raft)
            .map(ToString::to_string)
            .chain(files)
        {
            assert!(self.0.contains_key(&what), "{what} was never edited");
        }
        for kind in KINDS {
            assert!(
                self.0.values().any(|made| made.contains_key(kind)),
                "no {kind} was made"
            );
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, kinds) in &self.0 {
            write!(f, "{what}: {}; ", kinds.values().sum::<u64>())?;
        }
        let total = |kind| self.0.values().filter_map(|made| made.get(kind)).sum::<u64>();
        let totals = KINDS.map(|kind| format!("{} {kind}s", total(kind)));
        f.write_str(&totals.join(", "))
    }
}

/// Older valid values, by key.
pub type Older = HashMap<Vec<u8>, Vec<u8>>;

/// What was edited.
pub struct Edited {
    /// Keys of the records that are now others.
    pub keys: Vec<Vec<u8>>,
    /// How.
    pub kind: &'static str,
}

/// Edits one record of a column. Bit flips and truncations come with and without a checksum made anew, `forge`
/// permitting; a rollback where there is an older value.
pub fn edit(
    intruder: &Intruder,
    records: &[RawRecord],
    older: &Older,
    random: &mut Rng,
    forge: bool,
) -> Edited {
    let record = &records[random.usize(..records.len())];
    let other = &records[random.usize(..records.len())];
    let forge = forge && random.bool();
    let (kind, changed) = match random.u8(..12) {
        0..5 => (KINDS[0], flipped(record, random, forge)),
        5..7 => (KINDS[1], truncated(record, random, forge)),
        7 => (KINDS[2], None),
        8..10 if record.value != other.value => {
            put(intruder, &put_in_place(other, &record.value), forge);
            put(intruder, &put_in_place(record, &other.value), forge);
            return Edited {
                keys: vec![record.key.clone(), other.key.clone()],
                kind: KINDS[3],
            };
        }
        _ => match older.get(&record.key).filter(|older| **older != record.value) {
            Some(older) => (KINDS[4], Some(put_in_place(record, older))),
            None => (KINDS[0], flipped(record, random, forge)),
        },
    };
    let kind = match changed.filter(|changed| changed.value != record.value) {
        Some(changed) => {
            put(intruder, &changed, forge && kind != KINDS[4]);
            kind
        }
        None => {
            intruder.delete(record).unwrap();
            KINDS[2]
        }
    };
    Edited {
        keys: vec![record.key.clone()],
        kind,
    }
}

fn put(intruder: &Intruder, record: &RawRecord, forge: bool) {
    if forge {
        intruder.put_with_checksum(record).unwrap();
    } else {
        intruder.put(record).unwrap();
    }
}

fn put_in_place(place: &RawRecord, value: &[u8]) -> RawRecord {
    RawRecord {
        value: value.to_vec(),
        ..place.clone()
    }
}

fn flipped(record: &RawRecord, random: &mut Rng, forge: bool) -> Option<RawRecord> {
    let mut changed = record.clone();
    // A flipped checksum is mended when it is made anew.
    let first = if forge { 8 } else { 0 };
    (changed.value.len() > first).then(|| {
        let at = random.usize(first..changed.value.len());
        changed.value[at] ^= 1 << random.u8(..8);
        changed
    })
}

fn truncated(record: &RawRecord, random: &mut Rng, forge: bool) -> Option<RawRecord> {
    let mut changed = record.clone();
    let first = if forge { 8 } else { 0 };
    (changed.value.len() > first).then(|| {
        changed.value.truncate(random.usize(first..changed.value.len()));
        changed
    })
}
