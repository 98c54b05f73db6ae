//! A member's certificate with its key.

use crate::error::IdentityError;
use e2l_ledger::{Algorithm, Certificate, Digest, Signature, Signer};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use p256::ecdsa::signature::Signer as _;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// DER bytes of a certificate file (PEM).
///
/// # Errors
/// It cannot be read, or is not PEM.
pub fn read_certificate(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let pem = std::fs::read(path).map_err(|source| IdentityError::Read {
        path: path.to_owned(),
        source,
    })?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| IdentityError::NotPem {
        path: path.to_owned(),
        what: "a certificate",
    })?;
    Ok(der.to_vec())
}

/// A certificate with its key. Signs, and shows itself to others over TLS; its key is wiped from memory when it goes.
pub struct Identity {
    certificate: Certificate,
    key: Key,
    tls: Arc<CertifiedKey>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate.digest())
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads a certificate and its key, both PEM.
    ///
    /// # Errors
    /// A file cannot be read, is not PEM, the key is readable by others, or does not belong to the
    /// certificate.
    pub fn load(certificate_path: &Path, key_path: &Path) -> Result<Self, IdentityError> {
        let der = read_certificate(certificate_path)?;
        let certificate = Certificate::parse(&der).map_err(|source| IdentityError::Certificate {
            path: certificate_path.to_owned(),
            source,
        })?;
        let key_pem = read_key(key_path)?;
        let not_pem = || IdentityError::NotPem {
            path: key_path.to_owned(),
            what: "a PKCS #8 key",
        };
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| not_pem())?;
        let pkcs8 = Zeroizing::new(pkcs8.secret_pkcs8_der().to_vec());
        match Self::new(certificate, &pkcs8) {
            Err(IdentityError::KeyKind { .. }) => Err(not_pem()),
            Err(IdentityError::OtherKey { .. }) => Err(IdentityError::KeyMismatch {
                key: key_path.to_owned(),
                certificate: certificate_path.to_owned(),
            }),
            made => made,
        }
    }

    /// A certificate with its key, PKCS #8 DER.
    ///
    /// # Errors
    /// The key is of another kind than the certificate's, or another key.
    pub fn new(certificate: Certificate, pkcs8: &[u8]) -> Result<Self, IdentityError> {
        let member = || certificate.member().to_string();
        let (key, public) = parse_key(certificate.algorithm(), pkcs8)
            .ok_or_else(|| IdentityError::KeyKind { member: member() })?;
        if public != certificate.key() {
            return Err(IdentityError::OtherKey { member: member() });
        }
        let signing = any_supported_type(&PrivateKeyDer::Pkcs8(pkcs8.into()))?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        Ok(Self {
            tls: Arc::new(CertifiedKey::new(chain, signing)),
            certificate,
            key,
        })
    }

    /// The certificate and key as rustls takes them.
    pub(crate) fn tls(&self) -> Arc<CertifiedKey> {
        self.tls.clone()
    }
}

/// The key, and its public key as the certificate has it.
fn parse_key(algorithm: Algorithm, pkcs8: &[u8]) -> Option<(Key, Vec<u8>)> {
    match algorithm {
        Algorithm::Ed25519 => {
            let key = ed25519_dalek::SigningKey::from_pkcs8_der(pkcs8).ok()?;
            let public = key.verifying_key().to_bytes().to_vec();
            Some((Key::Ed25519(key), public))
        }
        Algorithm::EcdsaP256 => {
            let key = p256::ecdsa::SigningKey::from_pkcs8_der(pkcs8).ok()?;
            let public = key.verifying_key().to_encoded_point(false).as_bytes().to_vec();
            Some((Key::P256(key), public))
        }
    }
}

/// Reads a key file that nobody else may read.
pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let fail = |source| IdentityError::Read {
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path).map_err(fail)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::KeyIsPublic {
            path: path.to_owned(),
            mode,
        });
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(fail)
}

impl Signer for Identity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, digest: &Digest) -> Signature {
        let bytes = match &self.key {
            Key::Ed25519(key) => ed25519_dalek::Signer::sign(key, digest.as_bytes()).to_bytes(),
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(digest.as_bytes());
                // Only the low form of a signature is accepted.
                signature.normalize_s().unwrap_or(signature).to_bytes().into()
            }
        };
        Signature {
            certificate: self.certificate.digest(),
            algorithm: self.certificate.algorithm(),
            bytes,
        }
    }
}
