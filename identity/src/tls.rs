//! TLS 1.3 with both sides verified against the configuration in force. No session is ever resumed: a revoked
//! certificate could resume one.

use crate::error::IdentityError;
use crate::log_limit::LogLimit;
use crate::presented::Presented;
use crate::refusal::CertificateRefused;
use crate::trust::{ExpectedPeer, Trust};
use e2l_ledger::{Certificate, Role};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, ServerConfig,
    SignatureScheme,
};
use std::fmt;
use std::sync::Arc;

/// HTTP/2, the only protocol spoken.
const ALPN: &[u8] = b"h2";

/// The accepting side: demands a certificate of a member of the configuration in force. Shows the identity in use at each
/// handshake.
///
/// # Errors
/// rustls refuses the identity.
pub fn server_config(
    identity: impl Into<Presented>,
    trust: Arc<dyn Trust>,
) -> Result<Arc<ServerConfig>, IdentityError> {
    let identity: Presented = identity.into();
    let provider = provider();
    let verifier = Arc::new(MemberVerifier::new(&provider, Some(trust), Accepts::AnyMember));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(identity));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The connecting side: demands a peer of the configuration in force, or one certain peer. Shows the identity in use at
/// each handshake.
///
/// # Errors
/// rustls refuses the identity.
pub fn client_config(
    identity: impl Into<Presented>,
    trust: Arc<dyn Trust>,
    expected: ExpectedPeer,
) -> Result<Arc<ClientConfig>, IdentityError> {
    client_config_with(identity.into(), |provider| {
        MemberVerifier::new(provider, Some(trust), Accepts::Peer(expected))
    })
}

fn client_config_with(
    identity: Presented,
    verifier: impl FnOnce(&CryptoProvider) -> MemberVerifier,
) -> Result<Arc<ClientConfig>, IdentityError> {
    let provider = provider();
    let verifier = Arc::new(verifier(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        // Members are known by their SPIFFE ids, not by host names, so the usual verifier does not fit.
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(identity));
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The connecting side towards a peer of `network` that need not be trusted: whoever has missed changes of the
/// configuration asks for them here, and they prove themselves. Good for nothing else.
///
/// # Errors
/// rustls refuses the identity.
pub fn introduction_config(
    identity: impl Into<Presented>,
    network: &str,
) -> Result<Arc<ClientConfig>, IdentityError> {
    let accepts = Accepts::PeerToAsk {
        network: network.to_owned(),
    };
    client_config_with(identity.into(), |provider| {
        MemberVerifier::new(provider, None, accepts)
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[derive(Debug, Clone)]
enum Accepts {
    AnyMember,
    Peer(ExpectedPeer),
    PeerToAsk { network: String },
}

/// Verifies the other side's certificate as the ledger does, and its handshake as TLS demands.
struct MemberVerifier {
    /// `None` where nobody need be trusted.
    trust: Option<Arc<dyn Trust>>,
    accepts: Accepts,
    algorithms: WebPkiSupportedAlgorithms,
    log: LogLimit,
}

impl fmt::Debug for MemberVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberVerifier")
            .field("accepts", &self.accepts)
            .finish_non_exhaustive()
    }
}

impl MemberVerifier {
    fn new(provider: &CryptoProvider, trust: Option<Arc<dyn Trust>>, accepts: Accepts) -> Self {
        Self {
            trust,
            accepts,
            algorithms: provider.signature_verification_algorithms,
            log: LogLimit::default(),
        }
    }

    fn verify(&self, der: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        self.judge(der, now).map_err(|refused| {
            if let Some(suppressed) = self.log.admit(refused.reason()) {
                tracing::warn!(reason = refused.reason(), %refused, suppressed, "a certificate was refused");
            }
            Error::InvalidCertificate(match self.accepts {
                Accepts::AnyMember => refused.alert(),
                Accepts::Peer(_) | Accepts::PeerToAsk { .. } => refused.in_full(),
            })
        })
    }

    fn judge(&self, der: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateRefused> {
        let certificate = Certificate::parse(der).map_err(|error| CertificateRefused::malformed(&error))?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if let Some(trust) = &self.trust {
            certificate
                .check(&trust.config(), seconds.saturating_mul(1_000_000_000))
                .map_err(|error| CertificateRefused::untrusted(&certificate, &error, seconds))?;
        }
        let member = certificate.member();
        match &self.accepts {
            Accepts::Peer(ExpectedPeer::Any) if member.role != Role::Peer => {
                Err(CertificateRefused::unexpected(&certificate, "a peer"))
            }
            Accepts::Peer(ExpectedPeer::Member(expected)) if member != expected => Err(
                CertificateRefused::unexpected(&certificate, &expected.to_string()),
            ),
            Accepts::PeerToAsk { network }
                if member.role != Role::Peer || certificate.network() != network =>
            {
                let expected = format!("a peer of network `{network}`");
                Err(CertificateRefused::unexpected(&certificate, &expected))
            }
            _ => Ok(()),
        }
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

impl ServerCertVerifier for MemberVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for MemberVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
