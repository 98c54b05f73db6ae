//! What can be wrong with identities.

use e2l_ledger::{CertificateError, ConfigError, InvalidName};
use std::io;
use std::path::PathBuf;

/// Why an identity cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key that others can read.
    #[error("the key {path} can be read by others (mode {mode:o}): run `chmod 600 {path}`")]
    KeyIsPublic {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what its name says.
    #[error("{path} is not {what} in PEM")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// Key and certificate do not belong together.
    #[error(
        "the key {key} does not belong to the certificate {certificate}: use the pair that was issued together, \
         or renew it with `e2l cert renew` if a renewal was interrupted"
    )]
    KeyMismatch {
        /// Key file.
        key: PathBuf,
        /// Certificate file.
        certificate: PathBuf,
    },
    /// A key that is not of the kind that its certificate names.
    #[error(
        "the key beside the certificate of {member} is not a PKCS #8 key of the kind that the certificate names"
    )]
    KeyKind {
        /// Whose certificate.
        member: String,
    },
    /// A key that is another certificate's.
    #[error("the key beside the certificate of {member} does not belong to it")]
    OtherKey {
        /// Whose certificate.
        member: String,
    },
    /// A certificate is not acceptable.
    #[error("certificate {path}: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CertificateError,
    },
    /// A certificate or key cannot be made.
    #[error("cannot make a certificate for {subject}: {why}")]
    Issue {
        /// Whom for.
        subject: String,
        /// Why.
        why: String,
    },
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A planned network makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory for a new network is taken.
    #[error("{0} is not empty: give a new directory, or remove it first")]
    NotEmpty(PathBuf),
    /// An agent gives no identity.
    #[error("the SPIFFE Workload API gives no identity: {why}")]
    Workload {
        /// What it says, or what is wrong with what it gives.
        why: String,
    },
    /// A signal cannot be waited for.
    #[error("SIGHUP cannot be caught: {0}")]
    Signal(io::Error),
    /// rustls refuses the identity.
    #[error("TLS cannot use this identity: {0}")]
    Tls(#[from] rustls::Error),
}
