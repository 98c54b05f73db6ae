//! X.509 certificates of members: parsed once, checked against the authorities that the configuration of a
//! height names, at the time of that height's block.

use crate::config::NetworkConfig;
use crate::hash::{Digest, Domain};
use crate::member::{InvalidName, Member};
use crate::signature::Algorithm;
use p256::ecdsa::signature::Verifier;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Largest certificate accepted, in bytes.
const MAX_CERTIFICATE: usize = 8 * 1024;

/// Why a certificate is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate.
    #[error("not an X.509 certificate in DER: {0}")]
    Malformed(String),
    /// Not exactly one URI among its names.
    #[error("the certificate has {0} URI names; exactly one, a SPIFFE id, is required")]
    UriNames(usize),
    /// The URI is not a member's SPIFFE id.
    #[error("the certificate's URI name: {0}")]
    SpiffeId(#[from] InvalidName),
    /// CommonName and SPIFFE id disagree.
    #[error("the certificate's CommonName `{common_name}` is not the name in its SPIFFE id `{name}`")]
    CommonName {
        /// CommonName.
        common_name: String,
        /// Last part of the SPIFFE id.
        name: String,
    },
    /// Neither Ed25519 nor P-256.
    #[error("the certificate's key is neither Ed25519 nor ECDSA P-256")]
    KeyType,
    /// For another network.
    #[error("the certificate is for network `{found}`, this is `{expected}`")]
    OtherNetwork {
        /// Network in the certificate.
        found: String,
        /// This network.
        expected: String,
    },
    /// The actor is not part of the network.
    #[error("actor `{0}` is not a member of this network")]
    UnknownActor(String),
    /// No authority of the actor vouches for it at that time.
    #[error("no certificate authority of actor `{actor}` vouches for {member}: {why}")]
    NotTrusted {
        /// The actor.
        actor: String,
        /// Who it claims to be.
        member: String,
        /// What path validation says.
        why: String,
    },
    /// On the revocation list.
    #[error("the certificate of {member} is revoked: get a new one from actor `{actor}`")]
    Revoked {
        /// The actor.
        actor: String,
        /// Who it was.
        member: String,
    },
}

/// A member's certificate, parsed. Cheap to clone. Being one says nothing about trust: see
/// [`Certificate::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate(Arc<Parsed>);

#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    der: Vec<u8>,
    digest: Digest,
    network: String,
    member: Member,
    algorithm: Algorithm,
    key: Vec<u8>,
    not_before: i64,
    not_after: i64,
}

impl Certificate {
    /// Parses DER bytes.
    ///
    /// # Errors
    /// Malformed, more or fewer than one URI name, not a SPIFFE id of ours, an unknown kind of key.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertificateError::Malformed(format!(
                "{} bytes, at most {MAX_CERTIFICATE} are accepted",
                der.len()
            )));
        }
        let digest = Domain::Certificate.hash(der);
        if let Some(known) = PARSED.with_borrow(|parsed| parsed.get(&digest).cloned()) {
            return Ok(known);
        }
        Self::parse_anew(der, digest)
    }

    fn parse_anew(der: &[u8], digest: Digest) -> Result<Self, CertificateError> {
        let malformed = |error: &dyn std::fmt::Display| CertificateError::Malformed(error.to_string());
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| malformed(&error))?;
        if !rest.is_empty() {
            return Err(malformed(&"trailing bytes"));
        }
        let (network, member) = spiffe_id(&parsed)?;
        let common_name = common_name(&parsed);
        if common_name != member.name {
            return Err(CertificateError::CommonName {
                common_name,
                name: member.name,
            });
        }
        let (algorithm, key) = public_key(&parsed)?;
        Ok(Self(Arc::new(Parsed {
            der: der.to_vec(),
            digest,
            network,
            member,
            algorithm,
            key,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        })))
    }

    /// DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Digest that names it on the ledger.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Whose it is.
    pub fn member(&self) -> &Member {
        &self.0.member
    }

    /// Network (SPIFFE trust domain) it is for.
    pub fn network(&self) -> &str {
        &self.0.network
    }

    /// Algorithm of its key.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The public key: 32 bytes for Ed25519, a SEC1 point for P-256.
    pub fn key(&self) -> &[u8] {
        &self.0.key
    }

    /// First second of its validity, since the Unix epoch.
    pub fn not_before(&self) -> i64 {
        self.0.not_before
    }

    /// Last second of its validity, since the Unix epoch.
    pub fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// Checks that the configuration trusts it at `time_nano` (nanoseconds since the Unix epoch): right
    /// network, a known actor, issued by one of its authorities, within validity, not revoked.
    ///
    /// # Errors
    /// Says which of these does not hold.
    pub fn check(&self, config: &NetworkConfig, time_nano: i64) -> Result<(), CertificateError> {
        self.check_network(config)?;
        let member = self.member();
        if config.revoked.contains(&self.digest()) {
            return Err(CertificateError::Revoked {
                actor: member.actor.clone(),
                member: member.to_string(),
            });
        }
        self.check_path(config, time_nano)
    }

    fn check_network(&self, config: &NetworkConfig) -> Result<(), CertificateError> {
        if self.network() == config.network {
            return Ok(());
        }
        Err(CertificateError::OtherNetwork {
            found: self.network().to_owned(),
            expected: config.network.clone(),
        })
    }

    /// Checks that an authority of its actor issued it, whether or not it still holds: for what was signed
    /// with it once.
    ///
    /// # Errors
    /// As [`Certificate::check`], except revocation and expiry.
    pub fn check_issued(&self, config: &NetworkConfig) -> Result<(), CertificateError> {
        self.check_network(config)?;
        self.check_path(config, self.not_after().saturating_mul(1_000_000_000))
    }

    fn check_path(&self, config: &NetworkConfig, time_nano: i64) -> Result<(), CertificateError> {
        let member = self.member();
        let actor = config
            .actor(&member.actor)
            .ok_or_else(|| CertificateError::UnknownActor(member.actor.clone()))?;
        verify_path(self, &actor.authorities, time_nano).map_err(|why| CertificateError::NotTrusted {
            actor: member.actor.clone(),
            member: member.to_string(),
            why,
        })
    }
}

fn spiffe_id(parsed: &X509Certificate<'_>) -> Result<(String, Member), CertificateError> {
    let names = parsed
        .subject_alternative_name()
        .map_err(|error| CertificateError::Malformed(error.to_string()))?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    let [uri] = uris.as_slice() else {
        return Err(CertificateError::UriNames(uris.len()));
    };
    Ok(Member::from_spiffe_id(uri)?)
}

fn common_name(parsed: &X509Certificate<'_>) -> String {
    let mut names = parsed.subject().iter_common_name();
    names
        .next()
        .and_then(|name| name.as_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn public_key(parsed: &X509Certificate<'_>) -> Result<(Algorithm, Vec<u8>), CertificateError> {
    let info = parsed.public_key();
    let key = info.subject_public_key.data.to_vec();
    match info.algorithm.algorithm.to_id_string().as_str() {
        "1.3.101.112" if key.len() == 32 => Ok((Algorithm::Ed25519, key)),
        "1.2.840.10045.2.1" if key.len() == 65 && p256::PublicKey::from_sec1_bytes(&key).is_ok() => {
            Ok((Algorithm::EcdsaP256, key))
        }
        _ => Err(CertificateError::KeyType),
    }
}

fn validate_path(der: &[u8], authorities: &[Vec<u8>], seconds: i64) -> Result<(), String> {
    let der = CertificateDer::from(der);
    let leaf = webpki::EndEntityCert::try_from(&der).map_err(|error| error.to_string())?;
    let authorities: Vec<CertificateDer<'_>> = authorities
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let anchors = authorities
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the actor's authority is not usable: {error}"))?;
    let seconds = u64::try_from(seconds).unwrap_or(0);
    leaf.verify_for_usage(
        &[&Ed25519Path, &P256Path],
        &anchors,
        &[],
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        webpki::KeyUsage::client_auth(),
        None,
        None,
    )
    .map(|_| ())
    .map_err(|error| error.to_string())
}

/// Certificates that are remembered, per thread.
const REMEMBERED: usize = 256;

thread_local! {
    /// Certificates by digest, of those that an authority issued: the same few come again and again, and strangers fill
    /// no memory. Forgetting costs time only.
    static PARSED: RefCell<HashMap<Digest, Certificate>> = RefCell::default();
    /// Which certificates were found to be issued by which authorities: a few certificates sign everything.
    static ISSUED: RefCell<HashSet<Digest>> = RefCell::default();
}

/// Verifies that one of the authorities issued a certificate, unless that was found before: of what path validation
/// looks at, only the certificate's own validity depends on the time. Forgetting costs time only.
fn verify_path(certificate: &Certificate, authorities: &[Vec<u8>], time_nano: i64) -> Result<(), String> {
    let seconds = time_nano / 1_000_000_000;
    let holds = (certificate.not_before()..=certificate.not_after()).contains(&seconds);
    let mut name = Domain::Certificate
        .hasher()
        .bytes(certificate.digest().as_bytes());
    for authority in authorities {
        name = name.bytes(Domain::Certificate.hash(authority).as_bytes());
    }
    let name = name.finish();
    if holds && ISSUED.with_borrow(|issued| issued.contains(&name)) {
        return Ok(());
    }
    validate_path(certificate.der(), authorities, seconds)?;
    ISSUED.with_borrow_mut(|issued| {
        if issued.len() >= REMEMBERED {
            issued.clear();
        }
        issued.insert(name);
    });
    PARSED.with_borrow_mut(|parsed| {
        if parsed.len() >= REMEMBERED {
            parsed.clear();
        }
        parsed.insert(certificate.digest(), certificate.clone());
    });
    Ok(())
}

/// The algorithms for path validation, from the same libraries that check all other signatures, so that the
/// pure core needs no C or assembler and builds for the browser.
#[derive(Debug)]
struct Ed25519Path;
#[derive(Debug)]
struct P256Path;

impl SignatureVerificationAlgorithm for Ed25519Path {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = <&[u8; 32]>::try_from(key).map_err(|_| InvalidSignature)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| InvalidSignature)?;
        key.verify_strict(message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

impl SignatureVerificationAlgorithm for P256Path {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = p256::ecdsa::DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}
