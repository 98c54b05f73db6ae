//! What can keep a call from being executed at all.

use e2l_execution::{ExecutionError, VoidProposal};
use e2l_identity::IdentityError;
use e2l_ledger::{ConfigError, InvalidName};
use e2l_runtime::RuntimeError;
use e2l_store::StoreError;
use std::io;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// No place for the ledger.
    #[error("cannot make a directory for the ledger under test: {0}; free space where TMPDIR points")]
    Directory(io::Error),
    /// No thread.
    #[error("cannot start a thread for the contract: {0}; check `ulimit -u` and `ulimit -v`")]
    Thread(io::Error),
    /// The thread is gone.
    #[error("executing the contract crashed: report this as a defect of event2ledger")]
    Crashed,
    /// A caller's name cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A caller's actor is not one of the ledger's.
    #[error("`{0}` is no actor of this ledger: name it when the ledger is made")]
    Actor(String),
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No network can have this contract.
    #[error("no network can have this contract: {0}")]
    Config(#[from] ConfigError),
    /// The calls do not fit into a block.
    #[error("the calls of one block do not fit into it: {0}; put fewer or smaller ones together")]
    Void(#[from] VoidProposal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The block cannot be executed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}
