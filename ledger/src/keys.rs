//! Keys of the world state. The bytes of a key are what the state map hashes and what the store sorts by.

use crate::hash::{Digest, Domain};
use crate::member::Member;

/// Which part of the state a key belongs to: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyPrefix {
    /// The ledger's own records.
    System = 0,
    /// Key-value pairs of a chaincode.
    Value = 1,
    /// Log heads of a chaincode.
    Log = 2,
}

/// A key of the world state: prefix byte, length and bytes of the chaincode's name, then the rest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(Vec<u8>);

impl StateKey {
    /// Key `key` of a chaincode's key-value state.
    pub fn value(chaincode: &str, key: &[u8]) -> Self {
        Self::scoped(KeyPrefix::Value, chaincode, key)
    }

    /// The first key after all of a chaincode's key-value state.
    pub fn values_end(chaincode: &str) -> Self {
        let mut end = Self::value(chaincode, &[]);
        // A validated name ends in a letter, digit or hyphen, so its last byte can be counted up.
        if let Some(last) = end.0.last_mut() {
            *last += 1;
        }
        end
    }

    /// Head of log `log` of a chaincode.
    pub fn log(chaincode: &str, log: &[u8]) -> Self {
        Self::scoped(KeyPrefix::Log, chaincode, log)
    }

    /// The network's configuration.
    pub fn config() -> Self {
        Self::scoped(KeyPrefix::System, "config", &[])
    }

    /// The configuration that came into force at a height; the genesis's is not among them.
    pub fn config_from(height: u64) -> Self {
        Self::scoped(KeyPrefix::System, "configs", &height.to_be_bytes())
    }

    /// The first key after all of [`config_from`](Self::config_from).
    pub fn configs_end() -> Self {
        Self::scoped(KeyPrefix::System, "configt", &[])
    }

    /// A proposal to change the network, by its id.
    pub fn proposal(id: &Digest) -> Self {
        Self::scoped(KeyPrefix::System, "proposal", id.as_bytes())
    }

    /// Which proposals there are.
    pub fn proposals() -> Self {
        Self::scoped(KeyPrefix::System, "proposals", &[])
    }

    /// Approved proposals whose contracts are being prepared; there is no such value while there are none.
    pub fn preparations() -> Self {
        Self::scoped(KeyPrefix::System, "preparations", &[])
    }

    /// A chaincode component that the actors have been asked to deploy, by its digest.
    pub fn component(digest: &Digest) -> Self {
        Self::scoped(KeyPrefix::System, "component", digest.as_bytes())
    }

    /// Where a sender of batches stands.
    pub fn sender(sender: &Member) -> Self {
        Self::scoped(KeyPrefix::System, "sender", sender.to_string().as_bytes())
    }

    /// The first key of all [`sender`](Self::sender)s.
    pub fn senders() -> Self {
        Self::scoped(KeyPrefix::System, "sender", &[])
    }

    /// The first key after them.
    pub fn senders_end() -> Self {
        Self::scoped(KeyPrefix::System, "sendes", &[])
    }

    /// Head of the log of all headers below.
    pub fn headers() -> Self {
        Self::scoped(KeyPrefix::System, "headers", &[])
    }

    /// A certificate by its digest.
    pub fn certificate(digest: &Digest) -> Self {
        Self::scoped(KeyPrefix::System, "certificate", digest.as_bytes())
    }

    /// A request that is on the ledger, by its transaction id.
    pub fn request(id: &Digest) -> Self {
        Self::scoped(KeyPrefix::System, "request", id.as_bytes())
    }

    fn scoped(prefix: KeyPrefix, scope: &str, rest: &[u8]) -> Self {
        // Chaincode names are validated names: at most 63 bytes. Longer text is cut by no rule, so it is
        // encoded with a saturated length byte and can collide with nothing that exists.
        let length = u8::try_from(scope.len()).unwrap_or(u8::MAX);
        let mut bytes = Vec::with_capacity(2 + scope.len() + rest.len());
        bytes.push(prefix as u8);
        bytes.push(length);
        bytes.extend_from_slice(scope.as_bytes());
        bytes.extend_from_slice(rest);
        Self(bytes)
    }

    /// A key read back from a store.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key without prefix and chaincode name: what the contract called it.
    pub fn local(&self) -> &[u8] {
        let scope = self.0.get(1).copied().map_or(0, usize::from);
        self.0.get(2 + scope..).unwrap_or_default()
    }

    /// Its place in the state map.
    pub fn hash(&self) -> Digest {
        Domain::MapKey.hash(&self.0)
    }
}
