//! One of many collectors that are kept in one process: a certificate and a connection of its own, batches that are
//! chained and signed as a collector's are. It has no spool: what it measures is many connections, not durability.

use crate::bench::stage::{actor_of, collector_dir};
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::unix_now_nano;
use e2l_client::{ClientOptions, LedgerClient, Outcome, PeerAddress, SubmitStream};
use e2l_identity::{ExpectedPeer, Identity, StaticTrust, client_config};
use e2l_ledger::event::{Event, EventKind, Observation};
use e2l_ledger::{BatchHeader, Call, Canonical, Digest, Envelope, SignedBatch, Signer};
use rand::RngCore;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Longest time to bring one batch to the ledger.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before a batch that was refused or not answered is sent again.
const AGAIN: Duration = Duration::from_millis(200);
/// A stream that does not answer for so long is opened again.
const SILENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct SwarmMember {
    identity: Identity,
    client: LedgerClient,
    network: Digest,
    stream: Option<SubmitStream>,
    sequence: u64,
    previous: Digest,
    container: String,
}

impl SwarmMember {
    /// Collector `index` of the network.
    ///
    /// # Errors
    /// It has no identity there.
    pub fn open(network: &NetworkDir, index: u32) -> CliResult<Self> {
        let home = collector_dir(network, index);
        let unusable = |error: &dyn std::fmt::Display| {
            CliError::usage(
                format!("collector {} cannot be used: {error}", index + 1),
                "run it again",
            )
        };
        let identity = Identity::load(&home.join("collector.pem"), &home.join("collector.key"))
            .map_err(|error| unusable(&error))?;
        let config = &network.genesis().genesis.config;
        let trust = Arc::new(StaticTrust(Arc::new(config.clone())));
        let tls = client_config(&identity, trust, ExpectedPeer::Any).map_err(|error| unusable(&error))?;
        let peers = PeerAddress::voters(config, Some(actor_of(index)));
        Ok(Self {
            client: LedgerClient::new(peers, &tls, ClientOptions::default())?,
            identity,
            network: network.genesis().genesis.digest(),
            stream: None,
            sequence: 0,
            previous: Digest::ZERO,
            container: hex_id(),
        })
    }

    /// Opens its stream.
    ///
    /// # Errors
    /// No peer takes one.
    pub async fn connect(&mut self) -> CliResult<()> {
        self.stream = Some(self.client.submit_stream(2).await?);
        Ok(())
    }

    /// Brings one event to the ledger; returns when it is final.
    ///
    /// # Errors
    /// It is refused for good, or not final after a minute.
    pub async fn submit(&mut self, time_nano: i64) -> CliResult<()> {
        let (envelope, digest) = self.batch(time_nano);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let failed = match self.try_submit(&envelope).await {
                Ok(()) => {
                    self.previous = digest;
                    return Ok(());
                }
                Err(error) => error,
            };
            self.stream = None;
            if Instant::now() > deadline {
                return Err(failed);
            }
            // The same bytes again: the ledger takes them once.
            sleep(AGAIN).await;
        }
    }

    async fn try_submit(&mut self, envelope: &[u8]) -> CliResult<()> {
        if self.stream.is_none() {
            self.connect().await?;
        }
        let silent = || CliError::refused("no answer", "see the peers' logs");
        let stream = self.stream.as_mut().ok_or_else(silent)?;
        stream.send(self.sequence, envelope.to_vec().into()).await?;
        let answer = timeout(SILENCE, stream.recv()).await.map_err(|_| silent())??;
        match answer.ok_or_else(silent)?.1 {
            Outcome::Final(_) => Ok(()),
            Outcome::Refusal(refusal) => Err(e2l_client::ClientError::refused(&refusal).into()),
        }
    }

    fn batch(&mut self, time_nano: i64) -> (Vec<u8>, Digest) {
        self.sequence += 1;
        let now = unix_now_nano();
        let calls = vec![Call {
            chaincode: "eventdb".to_owned(),
            function: "createEvent".to_owned(),
            argument: self.event(time_nano, now).encode(),
        }];
        let header = BatchHeader {
            network: self.network,
            sender: self.identity.certificate().member().clone(),
            incarnation: 1,
            sequence: self.sequence,
            previous: self.previous,
            created_nano: now,
            count: 1,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        };
        let digest = header.digest();
        let batch = SignedBatch::sign(header, calls, &self.identity);
        (Envelope::Batch(batch).encode(), digest)
    }

    /// About 600 bytes.
    fn event(&self, time_nano: i64, received_nano: i64) -> Event {
        let name = format!("shop_api.1.{}", &self.container[..25]);
        let attributes = [
            ("com.docker.swarm.node.id", self.container[8..33].to_owned()),
            ("com.docker.swarm.service.id", self.container[16..41].to_owned()),
            ("com.docker.swarm.service.name", "shop_api".to_owned()),
            ("com.docker.swarm.task.id", self.container[..25].to_owned()),
            ("com.docker.swarm.task.name", name.clone()),
            ("image", format!("nginx:1.27@sha256:{}", self.container)),
            ("name", name),
            ("synthetic", "true".to_owned()),
        ];
        let attributes: BTreeMap<String, String> = attributes
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        Event {
            kind: EventKind::Container,
            action: if self.sequence % 2 == 1 { "start" } else { "die" }.to_owned(),
            actor_id: self.container.clone(),
            attributes,
            scope: "local".to_owned(),
            time: time_nano / 1_000_000_000,
            time_nano,
            received_nano,
            sequence: self.sequence,
            observation: Observation::Observed,
            facts: None,
        }
    }
}

fn hex_id() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}
