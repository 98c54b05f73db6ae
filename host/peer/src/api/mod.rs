//! The two gRPC services of a peer. Every call begins with who calls, and what that role may do.

mod access;
mod duplicate;
mod events;
mod ledger;
mod peering;
pub(crate) mod status;

pub use ledger::LedgerApi;
pub use peering::PeeringApi;
