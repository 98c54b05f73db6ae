//! One TLS connection over loopback.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error, HandshakeKind, ServerConfig};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What both sides say about a connection.
#[derive(Debug)]
pub struct Shaken {
    /// The accepting side: its kind of handshake, or its error.
    pub server: Result<HandshakeKind, String>,
    /// The connecting side. With TLS 1.3 it learns of a refusal when it reads.
    pub client: Result<HandshakeKind, String>,
}

impl Shaken {
    /// What the accepting side holds against the connection.
    pub fn server_says(&self) -> &str {
        self.server.as_ref().expect_err("the server refuses")
    }

    /// What the connecting side holds against the connection.
    pub fn client_says(&self) -> &str {
        self.client.as_ref().expect_err("the client learns of it")
    }
}

/// Connects, and sends a byte each way.
pub async fn shake(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Shaken {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move { accept(&listener, server).await });
    let client = connect(address, client).await;
    Shaken {
        server: accepting.await.unwrap().map_err(|error| in_words(&error)),
        client: client.map_err(|error| in_words(&error)),
    }
}

/// As e2l-client shows it: rustls itself shows the structure of what the verifier says.
fn in_words(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::Other(refused))) => refused.to_string(),
        _ => error.to_string(),
    }
}

async fn accept(listener: &TcpListener, config: Arc<ServerConfig>) -> io::Result<HandshakeKind> {
    let (tcp, _) = listener.accept().await?;
    let mut tls = TlsAcceptor::from(config).accept(tcp).await?;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let kind = tls.get_ref().1.handshake_kind().expect("the handshake is done");
    tls.write_all(b"!").await?;
    tls.read_u8().await?;
    tls.shutdown().await?;
    Ok(kind)
}

async fn connect(address: std::net::SocketAddr, config: Arc<ClientConfig>) -> io::Result<HandshakeKind> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut tls = TlsConnector::from(config).connect(name, tcp).await?;
    tls.read_u8().await?;
    let kind = tls.get_ref().1.handshake_kind().expect("the handshake is done");
    tls.write_all(b"!").await?;
    // Until the server hangs up, so that what it sends after the handshake has been seen.
    let mut rest = Vec::new();
    let _ = tls.read_to_end(&mut rest).await;
    Ok(kind)
}

/// A client that checks nothing, and shows this certificate, or none.
pub fn careless(shown: Option<(Vec<u8>, Vec<u8>)>) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Careless));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
            let chain = vec![CertificateDer::from(certificate)];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A server that checks nobody, and shows this certificate.
pub fn careless_server((certificate, key): (Vec<u8>, Vec<u8>)) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate)], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Believes everyone.
#[derive(Debug)]
struct Careless;

mod believe {
    use super::Careless;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    impl ServerCertVerifier for Careless {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }
}
