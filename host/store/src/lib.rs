//! Durable storage of a peer, in two RocksDB databases: [`RaftLog`] holds what Raft needs before a block is
//! applied, [`LedgerStore`] holds blocks, state and indexes.
//!
//! Rules of the house: a record carries a checksum over its own place and content; corruption is an error
//! that names the record and the remedy, never "nothing there"; the first write or sync that fails stops all
//! writing for good, because nobody knows any more what is on the disk.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod carry_over;
mod check;
mod columns;
mod condemned;
mod database;
mod disputes;
mod error;
mod intruder;
mod kept;
mod ledger_store;
mod log_node;
mod log_read;
mod log_run;
mod memory;
mod offline;
mod open_databases;
mod options;
mod raft_log;
mod records;
mod repair;
mod seal;
mod set_aside;
mod sign_once;
mod snapshot;
mod syncs;
mod transactions;
mod view;
mod votes;
mod write;

pub use condemned::condemned;
pub use error::StoreError;
#[doc(hidden)]
pub use intruder::{Intruder, RawRecord};
pub use kept::Kept;
pub use ledger_store::{LedgerStore, Tip};
pub use log_node::LogNode;
pub use log_run::{LogItem, LogRun, LogValue};
pub use memory::StoreMemory;
pub use offline::copy_for_reading;
pub use open_databases::wait_until_closed;
pub use options::StoreOptions;
pub use raft_log::RaftLog;
pub use set_aside::set_aside;
pub use sign_once::{SignOnceError, SignRecord, Signed, Statement};
pub use syncs::syncs;
pub use view::{BatchPlace, View};
pub use votes::ActorVote;
pub use write::BlockWrite;
