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
    /// A file's name cannot be written down.
    #[error("{0} is not named in UTF-8: rename it, or move it out of the crate")]
    Name(PathBuf),
    /// There is far more than a contract's source.
    #[error(
        "with {0} the source has more than 64 MiB: move what is no source out of the crate, or into its `target`"
    )]
    TooLarge(PathBuf),
    /// Cargo cannot be started.
    #[error("cannot run cargo: {0}; install Rust with rustup")]
    NoCargo(io::Error),
    /// The compiler does not say what it is.
    #[error("rustc does not say its version: {0}; run `rustup show` in the contract's directory")]
    NoCompiler(String),
    /// The standard library for WebAssembly is not installed.
    #[error(
        "the target wasm32-unknown-unknown is not installed for the toolchain that builds contracts: run `rustup toolchain install` \
         in this release's repository, or `rustup target add wasm32-unknown-unknown --toolchain VERSION`"
    )]
    NoTarget,
    /// The source does not compile; all that cargo said.
    #[error("the contract does not compile:\n{}", tail(.0))]
    Compile(String),
    /// Whoever looks on had it stopped.
    #[error("the build was stopped")]
    Stopped,
    /// The build gave no module.
    #[error("the build gave no WebAssembly module: Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`")]
    NoModule,
    /// The module is not a contract.
    #[error("the module is not a contract of the package event2ledger:ledger: {0}")]
    NotAContract(String),
}

/// Lines of compiler output that a message shows.
const SHOWN_LINES: usize = 60;

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
