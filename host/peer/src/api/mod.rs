//! The two gRPC services of a peer. Every call begins with who calls, and what that role may do.

mod access;
mod announcements;
mod collectors;
mod duplicate;
mod events;
pub(crate) mod kept;
mod ledger;
mod peering;
mod query;
pub(crate) mod status;
mod submit;

pub(crate) use events::stream as events_stream;
pub use ledger::LedgerApi;
pub(crate) use ledger::{block_reply, unsound};
pub use peering::PeeringApi;
pub(crate) use query::checked_query;
