//! Writes beyond what a call may.

use crate::event2ledger::ledger::{logs, state};
use crate::number;

/// Writes `count` small values under one key, besides the three writes that every function makes.
pub fn many(count: u64) -> Vec<u8> {
    for turn in 0..count {
        match turn % 3 {
            0 => state::put(b"one", b"1"),
            1 => state::delete(b"one"),
            _ => drop(logs::append(b"many", b"1")),
        }
    }
    Vec::new()
}

/// Writes one value of `count` bytes.
pub fn bytes(count: u64) -> Vec<u8> {
    state::put(b"large", &vec![1; count as usize]);
    Vec::new()
}

/// Writes under a key of `length` bytes.
pub fn long_key(length: u64) -> Vec<u8> {
    state::put(&vec![b'k'; length as usize], b"1");
    Vec::new()
}

/// Appends one byte more than the argument has.
pub fn beyond_argument(argument: &[u8]) -> Vec<u8> {
    logs::append_argument(b"calls", 0, argument.len() as u32 + 1);
    Vec::new()
}

/// `from to`: puts the numbered keys from..to, or deletes those that are there.
pub fn fill(argument: &[u8]) -> Vec<u8> {
    let mut words = argument.split(|byte| *byte == b' ').map(number);
    let (from, to) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    for key in from..to {
        let key = format!("fill/{key:08}").into_bytes();
        match state::get(&key) {
            Some(_) => state::delete(&key),
            None => state::put(&key, b"full"),
        }
    }
    Vec::new()
}

/// The first `limit` keys that [`fill`] left, one a line.
pub fn scan(limit: u64) -> Vec<u8> {
    let pairs = state::scan(b"fill/", b"fill0", limit as u32);
    let lines: Vec<Vec<u8>> = pairs.into_iter().map(|pair| pair.key).collect();
    lines.join(&b'\n')
}

/// `from limit`: appends the argument to a log, then reads of it; position and value of each entry, one a line.
pub fn note_and_read(argument: &[u8]) -> Vec<u8> {
    logs::append(b"notes", argument);
    let mut words = argument.split(|byte| *byte == b' ').map(number);
    let (from, limit) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    let entries = logs::read(b"notes", from, limit as u32);
    let lines = entries.iter().map(|entry| {
        let value = String::from_utf8_lossy(&entry.value);
        format!("{} {}.{} {value}\n", entry.position, entry.height, entry.index)
    });
    lines.collect::<String>().into_bytes()
}
