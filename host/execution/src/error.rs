//! What stops a peer from executing. None of these is a transaction's outcome: the block is not executed.

use e2l_ledger::{DecodeError, Digest};
use e2l_runtime::{AdmissionError, RuntimeError};
use e2l_store::StoreError;

/// Why a block could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine itself failed.
    #[error("the WebAssembly engine failed: {0}")]
    Runtime(#[from] RuntimeError),
    /// A record of the ledger's own state cannot be read.
    #[error("a system record of the state is corrupt: {0}; restore this peer from the others' blocks")]
    SystemRecord(#[from] DecodeError),
    /// The bytes of an active chaincode are not here.
    #[error(
        "chaincode `{name}` with digest {digest} is active, and its component is not in the chaincode \
         directory: put the file {digest}.wasm there"
    )]
    MissingComponent {
        /// Chaincode.
        name: String,
        /// Digest of the component.
        digest: Digest,
    },
    /// The file's bytes are not what the actors signed.
    #[error(
        "the component file of chaincode `{name}` has digest {found}, the actors signed {digest}: replace the file"
    )]
    WrongComponent {
        /// Chaincode.
        name: String,
        /// Digest that is active.
        digest: Digest,
        /// Digest of the file.
        found: Digest,
    },
    /// An active chaincode does not pass admission on this peer.
    #[error("chaincode `{name}` is active and is refused by this peer's engine: {source}")]
    Admission {
        /// Chaincode.
        name: String,
        /// Why.
        source: AdmissionError,
    },
    /// This peer's engine is not the one the actors agreed on.
    #[error(
        "the network executes with {expected}, this peer has {found}: install the release that has that \
         engine profile"
    )]
    EngineProfile {
        /// Agreed profile.
        expected: String,
        /// This peer's.
        found: String,
    },
    /// A value on disk is not the one that was executed.
    #[error(
        "the value of state key `{key}` on disk is not the one that was executed: the database was altered or \
         damaged; restart this peer, and it restores its ledger from the others"
    )]
    StateValue {
        /// The key.
        key: String,
    },
    /// A height's state is neither the newest nor one shortly before.
    #[error("the state as of height {height} is not remembered any more: ask as of a newer height")]
    StateForgotten {
        /// The height.
        height: u64,
    },
    /// Keys that were executed are not on the disk, or others are.
    #[error(
        "the state on disk has {found} keys as of height {height}, {expected} were executed: the database was altered \
         or damaged; restart this peer, and it restores its ledger from the others"
    )]
    StateKeys {
        /// The height.
        height: u64,
        /// How many were executed.
        expected: usize,
        /// How many are there.
        found: usize,
    },
    /// The state on disk does not hash to the endorsed root.
    #[error(
        "the state on disk hashes to {found}, the header of height {height} says {expected}: the database \
         was altered or damaged; restart this peer, and it restores its ledger from the others"
    )]
    StateRoot {
        /// Height of the tip.
        height: u64,
        /// Root in the header.
        expected: Digest,
        /// Root found.
        found: Digest,
    },
}

impl ExecutionError {
    /// Whether the ledger on disk is not what was written.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) => error.is_damage(),
            Self::StateRoot { .. }
            | Self::StateValue { .. }
            | Self::StateKeys { .. }
            | Self::SystemRecord(_) => true,
            _ => false,
        }
    }
}
