//! A container engine behind TLS, which asks for the caller's certificate.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Passes on what comes over TLS to an engine's socket, as long as it lives.
pub struct TlsEngine {
    address: String,
    certificates: tempfile::TempDir,
    _runtime: Runtime,
}

/// An authority and the two whom it certifies.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn certify(&self) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer);
        (certificate.expect("a certificate"), key)
    }
}

impl TlsEngine {
    /// In front of the engine at a socket.
    pub fn before(socket: &Path) -> Self {
        let authority = Authority::new();
        let certificates = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(certificates.path().join(name), text).expect("it can be written");
        };
        write("ca.pem", &authority.certificate);
        let (own, key) = authority.certify();
        write("cert.pem", &own.pem());
        write("key.pem", &key.serialize_pem());

        let acceptor = TlsAcceptor::from(Arc::new(server(&authority)));
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let socket = socket.to_owned();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), stream, socket.clone()));
            }
        });
        Self {
            address,
            certificates,
            _runtime: runtime,
        }
    }

    /// For a process that is to use it, as for Docker's own client.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment_with(self.certificates.path())
    }

    /// For one that trusts another's authority.
    pub fn environment_of_a_stranger(&self, other: &Self) -> Vec<(&'static str, String)> {
        self.environment_with(other.certificates.path())
    }

    fn environment_with(&self, certificates: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("DOCKER_HOST", format!("tcp://{}", self.address)),
            ("DOCKER_TLS_VERIFY", "1".to_owned()),
            ("DOCKER_CERT_PATH", certificates.display().to_string()),
        ]
    }
}

fn server(authority: &Authority) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    let pem = authority.certificate.as_bytes();
    roots
        .add(CertificateDer::from_pem_slice(pem).expect("a certificate"))
        .expect("an authority");
    let provider = Arc::new(default_provider());
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let (certificate, key) = authority.certify();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(callers.build().expect("a verifier"))
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration")
}

/// A caller without a certificate, and an engine that is away, end the connection.
async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, socket: PathBuf) {
    let (Ok(mut caller), Ok(mut engine)) = (acceptor.accept(stream).await, UnixStream::connect(socket).await)
    else {
        return;
    };
    let _ = copy_bidirectional(&mut caller, &mut engine).await;
}
