//! What is in the spool and not final yet, as memory knows it.

use bytes::Bytes;
use e2l_ledger::{BatchHeader, Canonical, DecodeError, Digest, PackedEnvelope, Signature, Signer};

/// An event: where it lies, and its bytes while there is room for them.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// First group of its segment.
    pub segment: u64,
    /// Where its encoding starts in the file.
    pub offset: u64,
    /// Bytes of its encoding.
    pub length: u32,
    /// Its encoding.
    pub bytes: Option<Bytes>,
    /// When its latency began, nanoseconds since the Unix epoch.
    pub since_nano: i64,
}

/// A batch that was signed.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// As signed.
    pub header: BatchHeader,
    /// By the collector.
    pub signature: Signature,
    /// Sequence number of its first event.
    pub first_event: u64,
}

/// A batch ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its incarnation.
    pub incarnation: u64,
    /// Its number.
    pub sequence: u64,
    /// Digest of its header.
    pub digest: Digest,
    /// Digest of the batch before it.
    pub previous: Digest,
    /// When it was signed, nanoseconds since the Unix epoch.
    pub created_nano: i64,
    /// The component that its events were recorded by.
    pub component: Option<Digest>,
    /// BLAKE3 of the executable that made it.
    pub executable: Digest,
    /// Certificate of the key that signed it.
    pub certificate: Digest,
    /// Canonical bytes of the packed envelope.
    pub packed: Bytes,
    /// When each event's latency began, nanoseconds since the Unix epoch.
    pub since_nano: Vec<i64>,
}

impl Prepared {
    /// Signs it with this key, unless it is: a peer takes what is signed with the key that the connection shows. It stays the
    /// same batch, for its digest leaves the signature out.
    ///
    /// # Errors
    /// Its bytes are no packed envelope.
    pub fn sign_with(&mut self, signer: &dyn Signer) -> Result<(), DecodeError> {
        let certificate = signer.certificate().digest();
        if self.certificate == certificate {
            return Ok(());
        }
        let mut envelope = PackedEnvelope::decode(&self.packed)?;
        envelope.signature = signer.sign(&self.digest);
        self.packed = envelope.encode().into();
        self.certificate = certificate;
        Ok(())
    }
}
