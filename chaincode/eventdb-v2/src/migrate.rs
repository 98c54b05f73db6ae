//! The migration from version 1, which has no index.

use crate::event2ledger::ledger::logs;
use crate::transition::Transition;
use crate::{ALL, Rejection, reject};
use serde::Serialize;

/// Entries read at once: what the host reads in one stride.
const PAGE: u32 = 64;

/// What was done.
#[derive(Serialize)]
struct Migrated {
    /// Events that were read.
    events: u64,
    /// Of these, starts and ends of services' containers: keys of the index.
    indexed: u64,
}

/// Indexes every event of the ledger, in one pass over the log of all. After a way back to version 1, which indexes
/// nothing, it does so again.
pub fn migrate(from: &str) -> Result<Vec<u8>, Rejection> {
    // An index of a later version may have other keys.
    if !matches!(from, "" | "1.0.0" | "2.0.0") {
        return Err(reject(format!(
            "version {} follows versions 1.0.0 and 2.0.0, not `{from}`",
            env!("CARGO_PKG_VERSION")
        )));
    }
    let mut done = Migrated {
        events: 0,
        indexed: 0,
    };
    loop {
        let page = logs::read(ALL, done.events, PAGE);
        if page.is_empty() {
            break;
        }
        for entry in page {
            if let Some(transition) = Transition::of(&entry.value)? {
                transition.keep(entry.position);
                done.indexed += 1;
            }
            done.events += 1;
        }
    }
    serde_json::to_vec(&done).map_err(|error| reject(error.to_string()))
}
