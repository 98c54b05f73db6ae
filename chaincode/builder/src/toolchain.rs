//! The compiler, as it names itself.

use serde::{Deserialize, Serialize};

/// A compiler: it is part of what decides on a contract's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toolchain {
    /// Its version and commit, as `rustc --version` prints them.
    pub rustc: String,
    /// The machine it runs on, such as `x86_64-unknown-linux-gnu`.
    pub host: String,
}

impl Toolchain {
    /// Reads the output of `rustc -vV`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rustc = text.lines().next().filter(|line| line.starts_with("rustc "))?;
        let host = text.lines().find_map(|line| line.strip_prefix("host: "))?;
        Some(Self {
            rustc: rustc.to_owned(),
            host: host.to_owned(),
        })
    }
}
