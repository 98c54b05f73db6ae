//! How many databases the process has open. RocksDB's own threads use its static data, which the process
//! destroys when it exits: a database that is still open then aborts the process.

use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

static OPEN: Mutex<usize> = Mutex::new(0);
static CLOSED: Condvar = Condvar::new();

/// Counts one open database while it lives.
pub(crate) struct OpenDatabase(());

impl OpenDatabase {
    pub(crate) fn new() -> Self {
        *OPEN.lock() += 1;
        Self(())
    }
}

impl Drop for OpenDatabase {
    fn drop(&mut self) {
        *OPEN.lock() -= 1;
        CLOSED.notify_all();
    }
}

/// Waits until this process has closed all its databases, at most `patience`; says whether it has. To be called
/// after everything that holds a store was told to end, and before the process does.
pub fn wait_until_closed(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let mut open = OPEN.lock();
    while *open > 0 {
        if CLOSED.wait_until(&mut open, deadline).timed_out() {
            return false;
        }
    }
    true
}
