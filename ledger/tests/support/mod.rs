//! A network without processes: members with certificates, and a small ledger that they endorse.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod ledger;
mod members;

pub use ledger::{Ledger, event_log};
pub use members::{Certificates, Identity, Members, NETWORK};
