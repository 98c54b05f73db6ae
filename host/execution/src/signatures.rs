//! Signatures that were found good are not checked twice: once at the door or on the wire, once at execution.

use e2l_ledger::{Certificate, Digest, Domain, Signature, SignatureError};
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;

/// How many verified signatures are remembered: some minutes of batches at full load, 1 MB.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// Remembers which (statement, signature, certificate) were verified. Only successes are remembered, so a
/// lost entry costs a verification and nothing else.
pub struct SignatureCache {
    verified: Mutex<LruCache<Digest, ()>>,
}

impl Default for SignatureCache {
    fn default() -> Self {
        Self {
            verified: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }
}

impl SignatureCache {
    /// Verifies a signature over `digest`, or remembers that it was.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify(
        &self,
        digest: &Digest,
        signature: &Signature,
        certificate: &Certificate,
    ) -> Result<(), SignatureError> {
        let key = Domain::Envelope
            .hasher()
            .bytes(digest.as_bytes())
            .bytes(&signature.bytes)
            .bytes(&[signature.algorithm as u8])
            .bytes(signature.certificate.as_bytes())
            .bytes(certificate.digest().as_bytes())
            .finish();
        if self.verified.lock().get(&key).is_some() {
            return Ok(());
        }
        signature.verify(digest, certificate)?;
        self.verified.lock().put(key, ());
        Ok(())
    }
}
