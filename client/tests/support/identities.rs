//! A network's authorities and certificates, made with rcgen.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519, SanType};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, version::TLS13};

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub struct Network {
    issuers: BTreeMap<&'static str, Issuer<'static, KeyPair>>,
    roots: Arc<RootCertStore>,
}

impl Network {
    /// One authority per actor.
    pub fn new(actors: &[&'static str]) -> Self {
        let mut roots = RootCertStore::empty();
        let mut issuers = BTreeMap::new();
        for actor in actors {
            let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, *actor);
            roots
                .add(params.self_signed(&key).unwrap().der().clone())
                .unwrap();
            issuers.insert(*actor, Issuer::new(params, key));
        }
        Self {
            issuers,
            roots: Arc::new(roots),
        }
    }

    fn issue(&self, actor: &str, role: &str, name: &str) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let uri = format!("spiffe://demo/{actor}/{role}/{name}");
        params.subject_alt_names = vec![
            SanType::URI(uri.as_str().try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        let certificate = params.signed_by(&key, &self.issuers[actor]).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        (vec![certificate.der().clone()], key)
    }

    /// A caller of this network.
    pub fn client(&self, actor: &str, role: &str, name: &str) -> Arc<ClientConfig> {
        self.client_showing(self.issue(actor, role, name))
    }

    /// A caller that trusts this network and is of another.
    pub fn foreign_client(&self, other: &Self) -> Arc<ClientConfig> {
        self.client_showing(other.issue("provider", "collector", "host1"))
    }

    fn client_showing(&self, (chain, key): Identity) -> Arc<ClientConfig> {
        let config = self.client_builder().with_client_auth_cert(chain, key).unwrap();
        Arc::new(config)
    }

    /// A caller without a certificate.
    pub fn anonymous(&self) -> Arc<ClientConfig> {
        Arc::new(self.client_builder().with_no_client_auth())
    }

    fn client_builder(
        &self,
    ) -> tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::client::WantsClientCert>
    {
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
    }

    /// The configuration of `actor`'s peer.
    pub fn server(&self, actor: &str) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let (chain, key) = self.issue(actor, "peer", "peer");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}
