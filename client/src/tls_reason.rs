//! TLS failures in words, with the next step.

use std::io;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// The kind of a TLS failure, one word out of a fixed set.
pub(crate) fn tls_kind(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(_)) => "alert",
        Some(Error::InvalidCertificate(_)) => "certificate",
        Some(Error::NoCertificatesPresented) => "no-certificate",
        Some(Error::InvalidMessage(_)) => "no-tls",
        Some(Error::PeerIncompatible(_)) => "tls-version",
        Some(_) => "tls",
        None => "connection",
    }
}

/// Why a TLS connection failed, on either side of it.
pub(crate) fn tls_reason(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(alert)) => alert_reason(*alert),
        Some(Error::InvalidCertificate(why)) => certificate_reason(why),
        Some(Error::NoCertificatesPresented) => {
            "the other side shows no certificate: every caller needs one, \
             issued by its actor's authority"
                .to_owned()
        }
        Some(Error::InvalidMessage(_)) => {
            format!("the other side does not speak TLS ({error}): check that the port is a peer's")
        }
        Some(Error::PeerIncompatible(_)) => {
            format!("the other side cannot agree on TLS 1.3 ({error}): use a client that can")
        }
        Some(other) => format!("TLS failed: {other}: see the log of the other side"),
        None => io_reason(error),
    }
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the other side closed the connection during TLS: see its log for why".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            format!("the connection was cut ({error}): the peer stopped or the network failed; try again")
        }
        _ => format!("{error}: check the network between, try again"),
    }
}

/// What the other side says about us.
fn alert_reason(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::CertificateRequired => {
            "it demands a certificate: use an identity that the actor's authority issued"
        }
        AlertDescription::CertificateExpired => {
            "it says that our certificate is expired or not valid yet: get a new one from the actor's authority; \
             if it is new, compare the clocks of both machines"
        }
        AlertDescription::CertificateRevoked => {
            "it says that our certificate is revoked: get a new one from the actor's authority"
        }
        AlertDescription::UnknownCA => {
            "it does not know the authority that issued our certificate: use an identity of this network"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => {
            "it refuses our certificate: use an identity of this network; its log says what is wrong"
        }
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3: check that the port is a peer's",
        _ => "it ended TLS: its log says why",
    };
    format!("{why} (alert {alert:?})")
}

/// What we say about the other side.
fn certificate_reason(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate is expired: it needs a new one; if not, this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: compare the clocks of both machines".to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked: it needs a new one".to_owned(),
        // A bad signature: an authority of that name exists, with another key, as after a network was made anew.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no authority of this network issued its certificate: check that both sides are of the same network"
                .to_owned()
        }
        CertificateError::Other(inner) => format!("its certificate is refused: {inner}"),
        other => format!("its certificate is refused ({other}): it needs one for its place in this network"),
    }
}
