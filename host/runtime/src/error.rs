//! What stops a peer, as opposed to what a contract may do to itself.

use crate::host_state::HostError;

/// The engine or the host failed: there is no outcome, and the block must not be executed further.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The state below cannot be read or written.
    #[error("a contract's state cannot be accessed: {0}")]
    Host(#[from] HostError),
    /// A component that was admitted cannot be instantiated.
    #[error("an admitted component cannot be instantiated: {0}")]
    Instantiate(String),
    /// A component cannot say what it is.
    #[error("the component's `describe` failed: {0}")]
    Describe(String),
    /// A component that has no migration was asked to migrate.
    #[error("the contract exports no `migrate`: only one whose `Admitted::migrates` says so may be asked")]
    NoMigration,
    /// A component that prepares nothing was asked to.
    #[error("the contract exports no `prepare`: only one whose `Admitted::prepares` says so may be asked")]
    NoPreparation,
}
