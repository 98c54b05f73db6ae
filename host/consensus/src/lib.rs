//! Ordering. The only crate that names openraft.
//!
//! Raft is crash-fault tolerant and trusts its leader; [`RaftNode::handle`] therefore judges every message
//! before Raft sees it. The ledger behind it is an [`Application`], the network a [`Transport`]. A Raft snapshot
//! is only a pointer to a final height (DESIGN section 3).

// openraft's errors are large, and its traits fix them.
#![allow(clippy::result_large_err)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod application;
mod electorates;
mod flusher;
#[doc(hidden)]
pub mod forge;
mod guard;
mod log_standing;
mod log_store;
mod network;
mod node;
mod options;
mod participation;
mod recent_entries;
mod seen_terms;
mod state_machine;
mod transport;
mod types;

pub use application::{
    Application, ApplicationError, Committed, Electorate, Incoming, NodeInfo, Refusal, SnapshotPoint,
};
pub use guard::HandleError;
pub use log_standing::{BadMarker, LogStanding, begin_rejoining, marker_index};
pub use node::{ConsensusError, Leadership, ProposeError, RaftNode, RaftRole, Reach};
pub use options::RaftOptions;
pub use participation::Participation;
pub use transport::{MessageKind, Transport, TransportError, UnknownMessage};

#[doc(hidden)]
pub mod conformance {
    //! The adapters and the messages, for openraft's own test suite and for tests that forge messages.
    pub use crate::log_store::LogStore;
    pub use crate::network::SnapshotMessage;
    pub use crate::state_machine::StateMachine;
    pub use crate::types::{Marker, Payload, Pointer, TypeConfig, decode, encode};
}
