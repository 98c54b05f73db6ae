//! A SPIFFE agent: serves the Workload API on a Unix socket, and issues what the test tells it.

use anyhow::{Context, Result};
use futures::StreamExt;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tonic::{Request, Response, Status};

#[allow(missing_docs, clippy::all)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/_.rs"));
}

use wire::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use wire::{X509svid, X509svidRequest, X509svidResponse};

/// An authority that an agent issues from.
pub struct AgentAuthority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    pem: String,
}

impl AgentAuthority {
    /// One with a P-256 key, as SPIRE's has.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn p256(name: &str) -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// An actor's own one, as `e2l network init` has made it: ca.pem and ca.key in a directory.
    ///
    /// # Errors
    /// It is not there.
    pub fn of_actor(actor: &str, directory: &Path) -> Result<Self> {
        let key = KeyPair::from_pem(&std::fs::read_to_string(directory.join("ca.key"))?)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, actor);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{actor} authority"));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self {
            der: e2l_identity::read_certificate(&directory.join("ca.pem"))?,
            pem: std::fs::read_to_string(directory.join("ca.pem"))?,
            issuer: Issuer::new(params, key),
        })
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues an identity with a P-256 key that holds for an hour; its last name is the CommonName too.
    ///
    /// # Errors
    /// The id is none.
    pub fn issue(&self, spiffe_id: &str) -> Result<Svid> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        let name = spiffe_id.rsplit('/').next().context("a name")?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "SPIRE");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = OffsetDateTime::now_utc() - Duration::seconds(10);
        params.not_after = OffsetDateTime::now_utc() + Duration::hours(1);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyAgreement,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.subject_alt_names = vec![
            SanType::URI(spiffe_id.try_into()?),
            SanType::DnsName(name.try_into()?),
        ];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Svid {
            id: spiffe_id.to_owned(),
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
            bundle: self.der.clone(),
        })
    }
}

/// What an agent gives a process.
#[derive(Debug, Clone)]
pub struct Svid {
    id: String,
    certificate: Vec<u8>,
    key: Vec<u8>,
    bundle: Vec<u8>,
}

impl Svid {
    /// DER bytes of its certificate.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

/// The agent. Dropping it closes its socket.
pub struct WorkloadAgent {
    socket: PathBuf,
    svids: watch::Sender<Vec<Svid>>,
    serving: JoinHandle<()>,
}

struct Service(watch::Receiver<Vec<Svid>>);

#[tonic::async_trait]
impl SpiffeWorkloadApi for Service {
    type FetchX509SVIDStream = futures::stream::BoxStream<'static, Result<X509svidResponse, Status>>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        // The standard's guard against requests that others have been tricked into.
        if request.metadata().get("workload.spiffe.io").is_none() {
            return Err(Status::invalid_argument(
                "the header workload.spiffe.io is missing",
            ));
        }
        let answers = WatchStream::new(self.0.clone()).map(|svids| {
            if svids.is_empty() {
                return Err(Status::permission_denied("no identity issued"));
            }
            let svids = svids.into_iter().map(|svid| X509svid {
                spiffe_id: svid.id,
                x509_svid: svid.certificate,
                x509_svid_key: svid.key,
                bundle: svid.bundle,
                hint: String::new(),
            });
            Ok(X509svidResponse {
                svids: svids.collect(),
                ..X509svidResponse::default()
            })
        });
        Ok(Response::new(answers.boxed()))
    }
}

impl WorkloadAgent {
    /// Listens on a socket, and has nothing to give yet.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start(socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let (svids, given) = watch::channel(Vec::new());
        let serving = tokio::spawn(async move {
            let served = tonic::transport::Server::builder()
                .add_service(SpiffeWorkloadApiServer::new(Service(given)))
                .serve_with_incoming(UnixListenerStream::new(listener));
            served.await.expect("the agent serves");
        });
        Ok(Self {
            socket: socket.to_owned(),
            svids,
            serving,
        })
    }

    /// As a configuration names it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Gives these from now on, to those that are connected too.
    pub fn give(&self, svids: Vec<Svid>) {
        self.svids.send_replace(svids);
    }
}

impl Drop for WorkloadAgent {
    fn drop(&mut self) {
        self.serving.abort();
        // It is gone with its directory in any case.
        let _ = std::fs::remove_file(&self.socket);
    }
}
