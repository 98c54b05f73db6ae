//! The members of a network, over the wire.

use crate::collector::TestCollector;
use crate::ledger_copy::LedgerCopy;
use crate::network::Network;
use anyhow::{Context, Result, bail, ensure};
use e2l_client::{ClientOptions, LedgerClient, PeerAddress, learn_changes, wire};
use e2l_identity::{ExpectedPeer, Identity, client_config};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Digest, GenesisFile, NetworkConfig, Role};
use futures::TryStreamExt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::ClientConfig;

/// How long a busy machine with two cores may take for what takes a healthy network a second.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value, and returns it.
///
/// # Errors
/// It gave none within `patience`: says what was waited for and what the last look found instead.
pub async fn eventually<T, F>(what: &str, patience: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let began = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(why) if began.elapsed() > patience => {
                bail!("waited {} s for {what}: {why:#}", patience.as_secs())
            }
            Err(_) => tokio::time::sleep(TICK).await,
        }
    }
}

/// Everyone's keys, and clients in their names. Of no use once the network's directory is gone.
#[derive(Clone)]
pub struct Members {
    root: PathBuf,
    genesis: Arc<GenesisFile>,
    config: Arc<NetworkConfig>,
    /// What clients trust.
    trusted: Arc<Anchor>,
}

impl Members {
    /// The members of a network.
    ///
    /// # Errors
    /// Its genesis cannot be read.
    pub fn of(network: &Network) -> Result<Self> {
        Self::in_directory(network.root())
    }

    /// The members of the network in a directory.
    ///
    /// # Errors
    /// Its genesis cannot be read.
    pub fn in_directory(root: PathBuf) -> Result<Self> {
        let genesis: GenesisFile = serde_json::from_slice(&std::fs::read(root.join("genesis.json"))?)?;
        Ok(Self {
            root,
            config: Arc::new(genesis.genesis.config.clone()),
            trusted: Arc::new(Anchor::checked(&genesis.genesis)),
            genesis: Arc::new(genesis),
        })
    }

    /// The configuration of the genesis.
    pub fn config(&self) -> &Arc<NetworkConfig> {
        &self.config
    }

    /// What proofs are verified against.
    ///
    /// # Panics
    /// Not every actor has approved the genesis.
    pub fn anchor(&self) -> Anchor {
        Anchor::new(&self.genesis).expect("a genesis that holds")
    }

    /// Hash of the genesis: what signatures name.
    pub fn digest(&self) -> Digest {
        self.genesis.genesis.digest()
    }

    /// Directory of a member.
    pub fn home(&self, actor: &str, member: &str) -> PathBuf {
        self.root.join("actors").join(actor).join(member)
    }

    /// Where an actor's peer listens.
    ///
    /// # Errors
    /// There is none.
    pub fn address(&self, actor: &str) -> Result<String> {
        let known = self.config.actor(actor).and_then(|actor| actor.peer.as_ref());
        let peer = known.with_context(|| format!("actor {actor} has no peer"))?;
        Ok(peer.address.clone())
    }

    /// A member's identity.
    ///
    /// # Errors
    /// There is none.
    pub fn identity(&self, actor: &str, role: Role, name: &str) -> Result<Arc<Identity>> {
        let home = self.home(actor, name);
        let file = |end: &str| home.join(format!("{role}.{end}"));
        Ok(Arc::new(Identity::load(&file("pem"), &file("key"))?))
    }

    /// TLS in the name of an identity, of whatever network, towards the peers of this one.
    ///
    /// # Errors
    /// TLS cannot use the identity.
    pub fn tls(&self, identity: &Identity) -> Result<Arc<ClientConfig>> {
        Ok(client_config(identity, self.trusted.clone(), ExpectedPeer::Any)?)
    }

    /// Learns from an actor's peer how the configuration has changed: clients trust what it names from then on.
    ///
    /// # Errors
    /// It does not say, or does not prove it.
    pub async fn learn(&self, actor: &str) -> Result<()> {
        self.learn_through(&self.reader(actor)?).await
    }

    /// The same, through a client that is trusted already.
    ///
    /// # Errors
    /// As [`Members::learn`].
    pub async fn learn_through(&self, client: &LedgerClient) -> Result<()> {
        learn_changes(client, &self.trusted).await?;
        Ok(())
    }

    /// A client in the name of an identity; asks the peer of `preferred` first and, while it is down, the
    /// others.
    ///
    /// # Errors
    /// TLS cannot use the identity.
    pub fn client(&self, identity: &Identity, preferred: &str) -> Result<LedgerClient> {
        let options = ClientOptions {
            submit_timeout: PATIENCE,
            patience: PATIENCE,
            ..ClientOptions::default()
        };
        let peers = PeerAddress::voters(&self.config, Some(preferred));
        Ok(LedgerClient::new(peers, &self.tls(identity)?, options)?)
    }

    /// A client of one peer alone, in the name of an identity.
    ///
    /// # Errors
    /// TLS cannot use the identity.
    pub fn only(&self, identity: &Identity, actor: &str) -> Result<LedgerClient> {
        let client = self.client(identity, actor)?;
        client
            .only(actor)
            .with_context(|| format!("actor {actor} has no peer"))
    }

    /// The actor's client, which reads from that actor's peer alone.
    ///
    /// # Errors
    /// Its identity cannot be read.
    pub fn reader(&self, actor: &str) -> Result<LedgerClient> {
        self.only(&*self.identity(actor, Role::Client, "client")?, actor)
    }

    /// The provider's collector of this number, which submits to `preferred`'s peer and, while that is down, to
    /// the others. It must not have submitted before.
    ///
    /// # Errors
    /// Its identity cannot be read.
    pub fn collector(&self, number: usize, preferred: &str) -> Result<TestCollector> {
        let identity = self.identity("provider", Role::Collector, &format!("collector-{number}"))?;
        let client = self.client(&identity, preferred)?;
        Ok(TestCollector::new(identity, client, self.digest()))
    }

    /// Waits until the peers of `actors` stand at the same height, at least `height`, executed, final, and with
    /// nothing waiting; returns it. Nothing may be submitted meanwhile.
    ///
    /// # Errors
    /// They do not in time.
    pub async fn settled(&self, actors: &[&str], height: u64) -> Result<u64> {
        let readers: Vec<_> = actors
            .iter()
            .map(|actor| self.reader(actor))
            .collect::<Result<_>>()?;
        eventually("all peers at one height", PATIENCE, || async {
            let mut found = Vec::new();
            for reader in &readers {
                let status = reader.status().await?;
                found.push((status.applied_height, status.final_height, status.pool_envelopes));
            }
            let newest = found
                .iter()
                .map(|(applied, ..)| *applied)
                .max()
                .unwrap_or_default();
            ensure!(
                newest >= height && found.iter().all(|found| *found == (newest, newest, 0)),
                "at least {height} is expected, and (executed, final, waiting) are {found:?}"
            );
            Ok(newest)
        })
        .await
    }

    /// Settles, and checks that the peers of `actors` have the same ledger: the same bytes in every block, the
    /// same state roots, no alarm. Returns it.
    ///
    /// # Errors
    /// They differ; says where.
    pub async fn same_ledgers(&self, actors: &[&str], height: u64) -> Result<LedgerCopy> {
        let height = self.settled(actors, height).await?;
        let genesis = self.genesis.genesis.header().digest();
        let mut first: Option<LedgerCopy> = None;
        for actor in actors {
            let reader = self.reader(actor)?;
            let copy = LedgerCopy::read(&reader, genesis, height).await?;
            let status = reader.status().await?;
            // That a liar was found is no alarm about the ledger.
            let alarms: Vec<_> = status
                .alarms
                .iter()
                .filter(|alarm| !alarm.contains("e2l evidence"))
                .collect();
            ensure!(alarms.is_empty(), "{actor} alarms: {alarms:?}");
            let root = copy.state_root().map(|root| root.0.to_vec());
            ensure!(
                root.is_none_or(|root| status.state_root == root),
                "{actor}'s status shows another state root than its last block"
            );
            let expected = first.get_or_insert_with(|| copy.clone());
            for (height, (a, b)) in (1..).zip(expected.encoded.iter().zip(&copy.encoded)) {
                ensure!(a == b, "block {height} of {actor} is not that of {}", actors[0]);
            }
        }
        first.context("no actor was named")
    }

    /// All events that an actor's peer shows.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn events(&self, actor: &str) -> Result<Vec<wire::LedgerEvent>> {
        let replies = self.reader(actor)?.events(wire::EventsRequest::default()).await?;
        let replies: Vec<wire::EventsReply> = replies.try_collect().await?;
        Ok(replies.into_iter().flat_map(|reply| reply.events).collect())
    }

    /// What `getHistory` says about an id at an actor's peer.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn history(&self, actor: &str, id: &str) -> Result<serde_json::Value> {
        let argument = serde_json::to_vec(&serde_json::json!({ "id": id, "limit": 1000 }))?;
        let reader = self.reader(actor)?;
        let reply = reader.query("eventdb", "getHistory", argument.into()).await?;
        Ok(serde_json::from_slice(&reply.output)?)
    }
}
