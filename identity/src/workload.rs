//! The SPIFFE Workload API: a local agent gives a process its certificate and key, and new ones before they expire.

use crate::error::IdentityError;
use crate::identity::Identity;
use e2l_ledger::{Certificate, Member, Role};
use serde::{Deserialize, Serialize};
use spiffe::x509_source::SvidPicker;
use spiffe::{X509Source, X509SourceBuilder, X509SourceError, X509SourceUpdates, X509Svid};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// After so long without an identity it is said that one is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to reach an agent.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// The section `[identity]` of a daemon's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadOptions {
    /// Endpoint of the Workload API: `unix:///run/spire/agent.sock`.
    pub spiffe: String,
    /// The identity to take, where the agent gives this process several of its role.
    #[serde(default)]
    pub spiffe_id: Option<String>,
}

/// Which of the agent's identities is this process's.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name of the network: the trust domain.
    pub network: String,
    /// What the process is.
    pub role: Role,
}

struct Picker {
    wanted: Wanted,
    /// Once one was taken, only that one.
    id: Arc<OnceLock<String>>,
}

impl Picker {
    fn fits(&self, id: &str) -> bool {
        if let Some(known) = self.id.get() {
            return known == id;
        }
        Member::from_spiffe_id(id)
            .is_ok_and(|(network, member)| network == self.wanted.network && member.role == self.wanted.role)
    }
}

impl SvidPicker for Picker {
    fn pick_svid(&self, svids: &[Arc<X509Svid>]) -> Option<usize> {
        svids
            .iter()
            .position(|svid| self.fits(&svid.spiffe_id().to_string()))
    }
}

/// A stream of identities from an agent.
#[derive(Debug)]
pub struct WorkloadApi {
    source: X509Source,
    updates: X509SourceUpdates,
    settled: Option<u64>,
    seen: u64,
}

impl WorkloadApi {
    /// Waits until the agent gives an identity that is wanted.
    ///
    /// # Errors
    /// The endpoint is none, or what answers there is no Workload API.
    pub async fn open(options: &WorkloadOptions, wanted: Wanted) -> Result<(Identity, Self), IdentityError> {
        let id = Arc::new(OnceLock::new());
        if let Some(configured) = &options.spiffe_id {
            id.get_or_init(|| configured.clone());
        }
        let source = connect(&options.spiffe, &wanted, &id).await?;
        let mut api = Self {
            updates: source.updated(),
            source,
            settled: None,
            seen: 0,
        };
        let identity = api.read().map_err(|why| failed(&options.spiffe, &why))?;
        id.get_or_init(|| {
            let certificate = e2l_ledger::Signer::certificate(&identity);
            certificate.member().spiffe_id(certificate.network())
        });
        api.settle();
        Ok((identity, api))
    }

    /// The agent's newest identity, unless it is settled.
    pub fn candidate(&mut self) -> Option<Result<Identity, IdentityError>> {
        self.seen = self.updates.last();
        if self.settled == Some(self.seen) {
            return None;
        }
        Some(self.read())
    }

    fn read(&mut self) -> Result<Identity, IdentityError> {
        self.seen = self.updates.last();
        let svid = self.source.svid().map_err(|error| IdentityError::Workload {
            why: error.to_string(),
        })?;
        let certificate =
            Certificate::parse(svid.leaf().as_bytes()).map_err(|source| IdentityError::Workload {
                why: format!("{}: {source}", svid.spiffe_id()),
            })?;
        Identity::new(certificate, svid.private_key().as_bytes())
    }

    /// What was given last is in use.
    pub fn settle(&mut self) {
        self.settled = Some(self.seen);
    }

    /// Waits for the agent to give something new.
    pub async fn changed(&mut self) {
        // It ends only with the process.
        if self.updates.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn failed(endpoint: &str, why: &dyn std::fmt::Display) -> IdentityError {
    IdentityError::Workload {
        why: format!("{endpoint}: {why}"),
    }
}

async fn connect(
    endpoint: &str,
    wanted: &Wanted,
    id: &Arc<OnceLock<String>>,
) -> Result<X509Source, IdentityError> {
    loop {
        let picker = Picker {
            wanted: wanted.clone(),
            id: id.clone(),
        };
        let built = X509SourceBuilder::new()
            .endpoint(endpoint)
            .picker(picker)
            .reconnect_backoff(RECONNECT.0, RECONNECT.1)
            .initial_sync_timeout(PATIENCE)
            .build()
            .await;
        match built {
            Ok(source) => return Ok(source),
            Err(X509SourceError::InitialSyncTimeout) => {
                let wanted = match id.get() {
                    Some(id) => id.clone(),
                    None => format!("spiffe://{}/ACTOR/{}/NAME", wanted.network, wanted.role),
                };
                tracing::warn!(
                    endpoint,
                    wanted,
                    "the Workload API has given no such identity yet: see whether the agent runs, and has an entry for \
                     this process"
                );
            }
            Err(error) => return Err(failed(endpoint, &error)),
        }
    }
}
