//! A ledger and a network in memory, for Raft nodes with real logs on disk.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod group;
mod memory_ledger;
mod wires;

pub use group::Group;
pub use memory_ledger::MemoryLedger;
pub use wires::Wires;

use std::future::Future;
use std::time::{Duration, Instant};

/// Waits until a condition holds.
///
/// # Panics
/// It does not for 30 s.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "waited 30 s in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
