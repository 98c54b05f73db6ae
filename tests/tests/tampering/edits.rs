//! Kinds of edits.

use e2l_store::{Intruder, RawRecord};
use fastrand::Rng;

/// Edits one record of a column; returns the keys of the records that are now others. Bit flips and truncations come
/// with and without a checksum made anew, `forge` permitting.
pub fn edit(intruder: &Intruder, records: &[RawRecord], random: &mut Rng, forge: bool) -> Vec<Vec<u8>> {
    let record = &records[random.usize(..records.len())];
    let other = &records[random.usize(..records.len())];
    let forge = forge && random.bool();
    let changed = match random.u8(..10) {
        0..5 => flipped(record, random, forge),
        5..7 => truncated(record, random, forge),
        7 => None,
        // An older valid record in the place of another, or two that change places.
        _ if record.value == other.value => None,
        8 => Some(put_in_place(record, other)),
        _ => {
            put(intruder, &put_in_place(other, record), forge);
            put(intruder, &put_in_place(record, other), forge);
            return vec![record.key.clone(), other.key.clone()];
        }
    };
    match changed.filter(|changed| changed.value != record.value) {
        Some(changed) => put(intruder, &changed, forge),
        None => intruder.delete(record).unwrap(),
    }
    vec![record.key.clone()]
}

fn put(intruder: &Intruder, record: &RawRecord, forge: bool) {
    if forge {
        intruder.put_with_checksum(record).unwrap();
    } else {
        intruder.put(record).unwrap();
    }
}

fn put_in_place(place: &RawRecord, content: &RawRecord) -> RawRecord {
    RawRecord {
        value: content.value.clone(),
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
