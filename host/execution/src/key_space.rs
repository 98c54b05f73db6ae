//! A chaincode's own part of the state.

use e2l_ledger::StateKey;
use std::sync::Arc;

/// The state keys of what one chaincode calls its keys and logs.
pub(crate) struct KeySpace {
    chaincode: Arc<str>,
}

impl KeySpace {
    pub(crate) fn new(chaincode: Arc<str>) -> Self {
        Self { chaincode }
    }

    /// A key of the key-value state.
    pub(crate) fn key(&self, key: &[u8]) -> StateKey {
        StateKey::value(&self.chaincode, key)
    }

    /// The head of a log.
    pub(crate) fn log(&self, log: &[u8]) -> StateKey {
        StateKey::log(&self.chaincode, log)
    }

    /// The first of the keys that begin with a prefix that ends in a slash, and the first after them.
    pub(crate) fn below(&self, prefix: &str) -> (StateKey, StateKey) {
        let name = prefix.strip_suffix('/').unwrap_or(prefix);
        // The next character after the slash.
        let end = format!("{name}0");
        (self.key(prefix.as_bytes()), self.key(end.as_bytes()))
    }

    /// The first key of a scan and the first after it; an empty `end` means all from `start` on. They may be in
    /// the wrong order, as a contract may ask for that.
    pub(crate) fn range(&self, start: &[u8], end: &[u8]) -> (StateKey, StateKey) {
        let end = if end.is_empty() {
            StateKey::values_end(&self.chaincode)
        } else {
            self.key(end)
        };
        (self.key(start), end)
    }
}
