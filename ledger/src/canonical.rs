//! The one encoding of everything that is hashed or signed: a version byte, then Borsh.

use crate::hash::{Digest, Domain};
use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes are not the canonical encoding of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing.
    #[error("{what}: no bytes")]
    Empty {
        /// Kind of object.
        what: &'static str,
    },
    /// Another version of the format.
    #[error("{what}: encoding version {found} is unknown, this release reads version {known}: upgrade it")]
    Version {
        /// Kind of object.
        what: &'static str,
        /// Version byte found.
        found: u8,
        /// Version this code reads.
        known: u8,
    },
    /// Truncated, with trailing bytes, or with a value out of range.
    #[error("{what}: not the canonical encoding: {why}")]
    Malformed {
        /// Kind of object.
        what: &'static str,
        /// What Borsh says.
        why: String,
    },
}

/// An object with one canonical, versioned encoding.
pub trait Canonical: BorshSerialize + BorshDeserialize + Sized {
    /// Name for error messages.
    const WHAT: &'static str;
    /// Version byte that starts the encoding.
    const VERSION: u8 = 1;

    /// Bytes that the encoding takes, about: a buffer that grows is copied again and again.
    fn size_hint(&self) -> usize {
        256
    }

    /// The canonical encoding.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size_hint());
        bytes.push(Self::VERSION);
        write_infallible(self, &mut bytes);
        bytes
    }

    /// Reads the canonical encoding; every byte must belong to it.
    ///
    /// # Errors
    /// Another version, truncation, trailing bytes, values out of range.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            None => Err(DecodeError::Empty { what: Self::WHAT }),
            Some((&version, rest)) if version == Self::VERSION => {
                borsh::from_slice(rest).map_err(|error| DecodeError::Malformed {
                    what: Self::WHAT,
                    why: error.to_string(),
                })
            }
            Some((&found, _)) => Err(DecodeError::Version {
                what: Self::WHAT,
                found,
                known: Self::VERSION,
            }),
        }
    }

    /// Hash of the canonical encoding as an object of kind `domain`.
    fn digest_as(&self, domain: Domain) -> Digest {
        let mut hasher = domain.hasher().bytes(&[Self::VERSION]);
        write_infallible(self, &mut hasher);
        hasher.finish()
    }
}

/// Encodes into a sink that cannot fail (memory, a hasher). Borsh itself fails only on a length over
/// `u32::MAX`, which the limits on every list and string exclude long before.
fn write_infallible<T: BorshSerialize>(object: &T, mut sink: impl borsh::io::Write) {
    let written = object.serialize(&mut sink);
    debug_assert!(written.is_ok(), "memory and hashers accept every byte");
}
