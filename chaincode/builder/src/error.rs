//! What can go wrong with a build.

use std::io;
use std::path::PathBuf;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The directory holds no crate.
    #[error("{0} holds no Cargo.toml: give the directory of a contract's crate")]
    NoCrate(PathBuf),
    /// A file or directory is not accessible.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Cargo cannot be started.
    #[error("cannot run cargo: {0}; install Rust with rustup")]
    NoCargo(io::Error),
    /// The standard library for WebAssembly is not installed.
    #[error(
        "the target wasm32-unknown-unknown is not installed for the toolchain that builds contracts: run `rustup toolchain install` \
         in this release's repository, or `rustup target add wasm32-unknown-unknown --toolchain VERSION`"
    )]
    NoTarget,
    /// The source does not compile.
    #[error("{path} does not compile:\n{output}")]
    Compile {
        /// Its directory.
        path: PathBuf,
        /// End of the compiler's output.
        output: String,
    },
    /// The build gave no module.
    #[error("{0} gave no WebAssembly module: its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`")]
    NoModule(PathBuf),
    /// The module is not a contract.
    #[error("the module is not a contract of the package event2ledger:ledger: {0}")]
    NotAContract(String),
}
