//! Why the other side's certificate is refused.

use e2l_ledger::{Certificate, CertificateError};
use rustls::{CertificateError as TlsCertificateError, OtherError};
use std::fmt;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest text taken over from a certificate, characters.
const MAX_QUOTED: usize = 300;

/// What is wrong, as far as it decides on the alert and on what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Malformed,
    Expired,
    NotYetValid,
    Revoked,
    Foreign,
    Unexpected,
}

/// A refused certificate: whose, why, and what to do about it.
#[derive(Debug, Clone)]
pub struct CertificateRefused {
    kind: Kind,
    who: String,
    why: String,
}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.who, self.why, self.remedy())
    }
}

impl std::error::Error for CertificateRefused {}

impl CertificateRefused {
    /// Bytes that are not a member's certificate. Anyone can make them up, so the text is cut and stays on one
    /// line.
    pub(crate) fn malformed(error: &CertificateError) -> Self {
        let why = error.to_string();
        let why = why.chars().take(MAX_QUOTED);
        Self {
            kind: Kind::Malformed,
            who: "a certificate that is no member's".to_owned(),
            why: why
                .map(|char| if char.is_control() { '?' } else { char })
                .collect(),
        }
    }

    /// A certificate that the configuration does not trust at `now` (seconds since the Unix epoch).
    pub(crate) fn untrusted(certificate: &Certificate, error: &CertificateError, now: i64) -> Self {
        let (kind, why) = match error {
            CertificateError::Revoked { .. } => (Kind::Revoked, "its certificate is revoked".to_owned()),
            CertificateError::NotTrusted { .. } if certificate.not_after() < now => {
                let why = format!("its certificate expired at {}", moment(certificate.not_after()));
                (Kind::Expired, why)
            }
            CertificateError::NotTrusted { .. } if certificate.not_before() > now => {
                let since = moment(certificate.not_before());
                (
                    Kind::NotYetValid,
                    format!("its certificate is not valid before {since}"),
                )
            }
            other => (Kind::Foreign, other.to_string()),
        };
        Self {
            kind,
            who: certificate.member().to_string(),
            why,
        }
    }

    /// A good certificate of somebody else than was expected.
    pub(crate) fn unexpected(certificate: &Certificate, expected: &str) -> Self {
        Self {
            kind: Kind::Unexpected,
            who: certificate.member().to_string(),
            why: format!("it answers where {expected} was expected"),
        }
    }

    /// One word for the reason, out of a fixed set.
    pub(crate) fn reason(&self) -> &'static str {
        match self.kind {
            Kind::Malformed => "malformed",
            Kind::Expired => "expired",
            Kind::NotYetValid => "not-yet-valid",
            Kind::Revoked => "revoked",
            Kind::Foreign => "foreign",
            Kind::Unexpected => "unexpected",
        }
    }

    fn remedy(&self) -> &'static str {
        match self.kind {
            Kind::Malformed => "use one that the actor's authority issued, as `e2l cert issue` does",
            Kind::Expired => "it needs a new one; if it has one, compare the clocks of both machines",
            Kind::NotYetValid => "compare the clocks of both machines",
            Kind::Revoked => "it needs a new one from its actor's authority",
            Kind::Foreign => "check that both sides are of the same network, with the same genesis",
            Kind::Unexpected => "correct the address, or find out who took it",
        }
    }

    /// The alert that tells the other side what to do about it.
    pub(crate) fn alert(&self) -> TlsCertificateError {
        match self.kind {
            Kind::Malformed => TlsCertificateError::BadEncoding,
            Kind::Expired => TlsCertificateError::Expired,
            Kind::NotYetValid => TlsCertificateError::NotValidYet,
            Kind::Revoked => TlsCertificateError::Revoked,
            Kind::Foreign => TlsCertificateError::UnknownIssuer,
            Kind::Unexpected => TlsCertificateError::NotValidForName,
        }
    }

    /// The whole text, for the caller on this side; the other side learns only that it is refused.
    pub(crate) fn in_full(self) -> TlsCertificateError {
        TlsCertificateError::Other(OtherError(Arc::new(self)))
    }
}

fn moment(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}
