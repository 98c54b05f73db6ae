//! Signatures. The algorithm is that of the certificate's key: Ed25519 by default, ECDSA P-256 where a
//! SPIFFE server issues it.

use crate::certificate::Certificate;
use crate::hash::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use p256::ecdsa::signature::Verifier;

/// A signature algorithm.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// RFC 8032, checked strictly.
    Ed25519,
    /// FIPS 186-5 with SHA-256, `r || s`, low `s` only.
    EcdsaP256,
}

/// A signature over a digest, with the certificate whose key made it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signature {
    /// Digest of the signer's certificate.
    pub certificate: Digest,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// 64 bytes for both algorithms.
    pub bytes: [u8; 64],
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It names another certificate.
    #[error("the signature names certificate {named}, not {given}")]
    OtherCertificate {
        /// Certificate in the signature.
        named: Digest,
        /// Certificate it was checked against.
        given: Digest,
    },
    /// It names another algorithm than the certificate's key has.
    #[error("the signature's algorithm is not that of the certificate's key")]
    OtherAlgorithm,
    /// The bytes do not verify.
    #[error("the signature does not match the content: it was altered, or signed with another key")]
    Mismatch,
}

impl Signature {
    /// Checks the signature over `digest` with the key of `certificate`. Says nothing of the certificate.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify(&self, digest: &Digest, certificate: &Certificate) -> Result<(), SignatureError> {
        if self.certificate != certificate.digest() {
            return Err(SignatureError::OtherCertificate {
                named: self.certificate,
                given: certificate.digest(),
            });
        }
        if self.algorithm != certificate.algorithm() {
            return Err(SignatureError::OtherAlgorithm);
        }
        let holds = match self.algorithm {
            Algorithm::Ed25519 => verify_ed25519(certificate.key(), digest, &self.bytes),
            Algorithm::EcdsaP256 => verify_p256(certificate.key(), digest, &self.bytes),
        };
        if holds {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }
}

fn verify_ed25519(key: &[u8], digest: &Digest, bytes: &[u8; 64]) -> bool {
    let Ok(key) = <[u8; 32]>::try_from(key) else {
        return false;
    };
    ed25519_dalek::VerifyingKey::from_bytes(&key).is_ok_and(|key| {
        key.verify_strict(digest.as_bytes(), &ed25519_dalek::Signature::from_bytes(bytes))
            .is_ok()
    })
}

fn verify_p256(key: &[u8], digest: &Digest, bytes: &[u8; 64]) -> bool {
    let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(key) else {
        return false;
    };
    // A second valid form of the same signature would make one statement look like two.
    p256::ecdsa::Signature::from_slice(bytes)
        .is_ok_and(|s| s.normalize_s().is_none() && key.verify(digest.as_bytes(), &s).is_ok())
}

/// Signs digests in the name of one certificate. Keys live with the implementation, outside this crate.
pub trait Signer: Send + Sync {
    /// The certificate whose key signs.
    fn certificate(&self) -> &Certificate;

    /// Signs a digest.
    fn sign(&self, digest: &Digest) -> Signature;
}
