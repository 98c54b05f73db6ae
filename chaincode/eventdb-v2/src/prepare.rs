//! The preparation: version 1 has no index, so that of its events is built while it goes on.

use crate::event2ledger::ledger::{logs, state};
use crate::transition::{OWN, Transition};
use crate::{ALL, Rejection, reject};

/// Most entries that one step reads: 4 to 7 ms at each peer, reckoned from one migration of 35,000 (0.5 to 0.9 s).
const ENTRIES: u64 = 256;
/// A step ends when it has read this many bytes: events are far from equal in size.
const BYTES: usize = 1 << 20;
/// Entries read at once. The largest of them together leave most of the memory and of the fuel.
const PAGE: u32 = 16;

/// Indexes the next entries of the log of all events; true when there are none left. Entries that version 1 appends meanwhile
/// are at the end of the log, and the host makes this version active before another follows.
pub fn prepare(from: &str) -> Result<bool, Rejection> {
    // An index of a later version may have other keys.
    if !matches!(from, "" | "1.0.0") {
        return Err(reject(format!(
            "version {} follows version 1.0.0, not `{from}`",
            env!("CARGO_PKG_VERSION")
        )));
    }
    let begin = position();
    let (mut next, mut bytes) = (begin, 0);
    while next < begin + ENTRIES && bytes < BYTES {
        let wanted = u64::from(PAGE).min(begin + ENTRIES - next) as u32;
        let page = logs::read(ALL, next, wanted);
        let complete = (page.len() as u32) < wanted;
        for entry in page {
            if let Some(transition) = Transition::of(&entry.value)? {
                transition.keep(entry.position);
            }
            bytes += entry.value.len();
            next += 1;
        }
        if complete {
            state::delete(&progress());
            return Ok(true);
        }
    }
    state::put(&progress(), &next.to_be_bytes());
    Ok(false)
}

/// Key of the position of the next entry to be read.
fn progress() -> Vec<u8> {
    [OWN.as_bytes(), b"progress"].concat()
}

fn position() -> u64 {
    let kept = state::get(&progress()).and_then(|bytes| bytes.try_into().ok());
    kept.map_or(0, u64::from_be_bytes)
}
