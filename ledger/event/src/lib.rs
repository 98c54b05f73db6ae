//! The canonical event record (docs/format/event.md).
//!
//! It is a crate of its own so that a contract can read events without depending on the rest of the ledger:
//! a contract's digest must not change because a proof format did.

mod event;
mod glance;

pub use event::{Event, EventError, EventKind, Facts, Observation};
pub use glance::Glance;
