//! Starts networks of real processes for the suites in `tests/`: the binaries a user runs, driven through the
//! command line a user types ([`Network`]) or spoken to over the wire in their members' names ([`Members`]). A
//! failed step ends the test with what the program said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binaries;
mod collector;
mod docker;
mod events;
mod ledger_copy;
mod load;
mod lying_peer;
mod members;
mod network;

pub use binaries::{binary, component};
pub use collector::TestCollector;
pub use docker::{Docker, skip};
pub use events::event;
pub use ledger_copy::LedgerCopy;
pub use load::{Load, Receipt};
pub use lying_peer::{Lie, LyingPeer};
pub use members::{Members, PATIENCE, eventually};
pub use network::{Network, PeerView, wait_until};
