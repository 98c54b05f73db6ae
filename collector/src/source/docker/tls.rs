//! An engine behind TLS: the authority in `ca.pem`, and no other, says which it is; the collector shows `cert.pem`. The names
//! are those of Docker's own client.

use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Reads the three files of a directory.
///
/// # Errors
/// Which one cannot be used, and why.
pub fn load(directory: &Path) -> Result<Arc<ClientConfig>, String> {
    let path = |name: &str| directory.join(name);
    let fail = |name: &str, why: &dyn std::fmt::Display| format!("{}: {why}", path(name).display());
    let certificates = |name: &str| -> Result<Vec<CertificateDer<'static>>, String> {
        let read = CertificateDer::pem_file_iter(path(name)).map_err(|error| fail(name, &error))?;
        let read: Result<Vec<_>, _> = read.collect();
        let read = read.map_err(|error| fail(name, &error))?;
        match read.is_empty() {
            true => Err(fail(name, &"it holds no certificate")),
            false => Ok(read),
        }
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates("ca.pem")? {
        roots.add(authority).map_err(|error| fail("ca.pem", &error))?;
    }
    let key = PrivateKeyDer::from_pem_file(path("key.pem")).map_err(|error| fail("key.pem", &error))?;
    let own = certificates("cert.pem")?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(own, key)
        .map_err(|error| fail("cert.pem", &error))?;
    Ok(Arc::new(config))
}

/// A connection.
///
/// # Errors
/// The engine is not there, or is another.
pub async fn connect(config: Arc<ClientConfig>, authority: &str) -> io::Result<TlsStream<TcpStream>> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
    let stream = TcpStream::connect(authority).await?;
    TlsConnector::from(config).connect(name, stream).await
}

/// One request on a connection of its own.
///
/// # Errors
/// The engine is not there, is another, or does not answer.
pub async fn request(
    config: Arc<ClientConfig>,
    authority: Arc<str>,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let stream = connect(config, &authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, which says itself if it is cut short.
    tokio::spawn(connection);
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    let host = HeaderValue::from_str(&authority).map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, host);
    Ok(sender.send_request(request).await?)
}
