//! BLAKE3 with one `derive_key` context per kind of object, so that no object can pass for another.

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A 32-byte BLAKE3 hash, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest that stands for "nothing before this" and for an empty map.
    pub const ZERO: Self = Self([0; 32]);

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: 64 hexadecimal digits are expected")]
pub struct ParseDigestError(String);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseDigestError(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident => $context:literal,)*) => {
        /// The kinds of object that are hashed. The context strings are part of the format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Domain { $($(#[$doc])* $name,)* }

        impl Domain {
            /// Every kind, with its `derive_key` context, for the format document and its tests.
            pub const ALL: &'static [(Domain, &'static str)] = &[$((Domain::$name, concat!("event2ledger v1 ", $context)),)*];

            /// The `derive_key` context.
            pub fn context(self) -> &'static str {
                Self::ALL[self as usize].1
            }
        }
    };
}

domains! {
    /// DER bytes of an X.509 certificate.
    Certificate => "certificate",
    /// Argument bytes of a call, and any value appended to a log.
    Value => "value",
    /// A call: chaincode, function, digest of its argument.
    Call => "call",
    /// Header of a collector's batch.
    Batch => "batch",
    /// Header of a client's or admin's request.
    Request => "request",
    /// A signed batch or request as it stands in a proposal.
    Envelope => "envelope",
    /// Id of a transaction.
    TransactionId => "transaction id",
    /// Header of a proposal.
    Proposal => "proposal",
    /// Result of a transaction.
    Result => "result",
    /// Header of a block.
    Header => "header",
    /// A peer's acknowledgement of a proposal.
    Acknowledgement => "acknowledgement",
    /// A peer's endorsement of a header.
    Endorsement => "endorsement",
    /// Configuration of the network.
    Config => "config",
    /// A part of the configuration, as a change names what it replaces.
    ConfigPart => "config part",
    /// A proposal to change the network.
    GovernanceProposal => "governance proposal",
    /// The genesis.
    Genesis => "genesis",
    /// An actor's approval of a genesis.
    GenesisApproval => "genesis approval",
    /// An inner node of a Merkle tree over a list.
    MerkleNode => "merkle node",
    /// A Merkle tree over an empty list.
    MerkleEmpty => "merkle empty",
    /// A key of the state map.
    MapKey => "map key",
    /// A leaf of the state map.
    MapLeaf => "map leaf",
    /// An inner node of the state map.
    MapNode => "map node",
    /// An entry of an append-only log.
    LogEntry => "log entry",
    /// A chaincode component's bytes.
    Chaincode => "chaincode component",
}

/// Hashing the context itself gives the key; a hasher made from it is cheaper than a copied one, which is 2 KB.
static KEYS: LazyLock<Vec<ContextKey>> = LazyLock::new(|| {
    Domain::ALL
        .iter()
        .map(|(_, context)| hash_derive_key_context(context))
        .collect()
});

impl Domain {
    /// A hasher for this kind of object. The context key is derived once per process.
    pub fn hasher(self) -> Hasher {
        Hasher(blake3::Hasher::new_from_context_key(&KEYS[self as usize]))
    }

    /// Hashes `bytes` as an object of this kind.
    pub fn hash(self, bytes: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_from_context_key(&KEYS[self as usize]);
        hasher.update(bytes);
        Digest(*hasher.finalize().as_bytes())
    }

    /// Hashes two digests as an object of this kind.
    pub fn hash_pair(self, left: &Digest, right: &Digest) -> Digest {
        let mut joined = [0; 64];
        joined[..32].copy_from_slice(&left.0);
        joined[32..].copy_from_slice(&right.0);
        self.hash(&joined)
    }
}

/// Hashes an object piece by piece. Also a writer, so that an object can be encoded straight into it.
#[derive(Clone)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Adds bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// The hash of all bytes added.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl borsh::io::Write for Hasher {
    fn write(&mut self, buffer: &[u8]) -> borsh::io::Result<usize> {
        self.0.update(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> borsh::io::Result<()> {
        Ok(())
    }
}
