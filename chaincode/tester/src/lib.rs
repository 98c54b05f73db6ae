//! Executes a contract's calls as a peer does: signed envelopes in signed proposals, judged, run and stored by the code
//! that peers run, under the limits that a new network has. Only who orders and who endorses is left out. For tests of
//! contracts.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod call;
mod deep;
mod error;
mod ledger;
mod members;
mod orderer;

pub use call::{TestCall, TestOutcome};
pub use deep::on_deep_stack;
pub use error::TestError;
pub use ledger::{Contract, TestLedger};
