//! One envelope that waits.

use e2l_ledger::{Certificate, Digest, Envelope, Inspection, PackedEnvelope};
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;

/// An envelope whose sender, form and signature were checked.
#[derive(Clone)]
pub struct Pooled {
    /// The envelope.
    pub envelope: Arc<Envelope>,
    /// What hashing its calls found.
    pub inspection: Arc<Inspection>,
    /// The certificate that signed it.
    pub certificate: Certificate,
}

impl Pooled {
    /// As it travels.
    pub fn packed(&self) -> PackedEnvelope {
        PackedEnvelope::with_groups(&self.envelope, self.inspection.groups.clone())
    }
}

/// What counts against the bounds of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Transactions.
    pub transactions: u64,
    /// Bytes, as [`Envelope::size`] counts them.
    pub bytes: u64,
}

impl AddAssign for Load {
    fn add_assign(&mut self, more: Self) {
        self.transactions += more.transactions;
        self.bytes += more.bytes;
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, less: Self) {
        self.transactions -= less.transactions;
        self.bytes -= less.bytes;
    }
}

/// An envelope in the pool, with what is asked of it again and again.
pub struct Entry {
    pub pooled: Pooled,
    pub digest: Digest,
    pub load: Load,
}

impl Entry {
    pub fn new(pooled: Pooled) -> Self {
        let load = Load {
            transactions: pooled.envelope.transactions() as u64,
            bytes: pooled.envelope.size() as u64,
        };
        Self {
            digest: pooled.envelope.signed_digest(),
            load,
            pooled,
        }
    }

    /// Bytes that it holds of the pool.
    pub fn held(&self) -> usize {
        self.pooled.envelope.size()
    }
}

/// What still fits into a block or a message.
pub struct Room {
    left: Load,
    empty: bool,
}

impl Room {
    pub fn new(left: Load) -> Self {
        Self { left, empty: true }
    }

    /// Takes the room that `load` needs, if it is there; the first one always fits.
    pub fn take(&mut self, load: Load) -> bool {
        let fits = load.transactions <= self.left.transactions && load.bytes <= self.left.bytes;
        if !fits && !self.empty {
            return false;
        }
        self.empty = false;
        self.left = Load {
            transactions: self.left.transactions.saturating_sub(load.transactions),
            bytes: self.left.bytes.saturating_sub(load.bytes),
        };
        true
    }
}
