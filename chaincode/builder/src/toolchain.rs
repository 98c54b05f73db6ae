//! What builds a contract, by name and version.

use serde::{Deserialize, Serialize};

/// A compiler, and what makes components of its modules: both are part of what decides on a contract's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toolchain {
    /// Its version and commit, as `rustc --version` prints them.
    pub rustc: String,
    /// The machine it runs on, such as `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// The release of event2ledger that encoded the component.
    pub release: String,
}

impl Toolchain {
    /// Reads the output of `rustc -vV`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rustc = text.lines().next().filter(|line| line.starts_with("rustc "))?;
        let host = text.lines().find_map(|line| line.strip_prefix("host: "))?;
        Some(Self {
            rustc: rustc.to_owned(),
            host: host.to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}
