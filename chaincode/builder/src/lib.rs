//! Builds a contract's source into a WebAssembly component. The same source gives the same bytes in any
//! directory, so that an actor can rebuild what it is asked to approve and compare digests.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod build;
mod cached;
mod error;
mod stage;

pub use build::{Built, build};
pub use cached::build_once;
pub use error::BuildError;
