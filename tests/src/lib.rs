//! Starts networks of real processes for the suites in `tests/`: the binaries a user runs, driven through the
//! command line a user types. A failed step ends the test with what the program said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binaries;
mod docker;
mod network;

pub use binaries::{binary, component};
pub use docker::{Docker, skip};
pub use network::{Network, PeerView, wait_until};
