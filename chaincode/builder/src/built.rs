//! What comes of a build.

use crate::toolchain::Toolchain;
use e2l_ledger::Digest;

/// A component.
#[derive(Debug, Clone)]
pub struct Built {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Digest that names it on the ledger.
    pub digest: Digest,
    /// What built it.
    pub toolchain: Toolchain,
}
