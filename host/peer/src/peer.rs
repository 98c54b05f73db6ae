//! Puts a peer together and runs it.

use crate::announcer::announce;
use crate::api::{LedgerApi, PeeringApi};
use crate::application::LedgerApplication;
use crate::chain::Chain;
use crate::chain_query::QueryThreads;
use crate::chain_thread::ChainThread;
use crate::components::ComponentDirectory;
use crate::forwarder::forward;
use crate::links::Links;
use crate::node::Node;
use crate::options::PeerOptions;
use crate::pool::Pool;
use crate::proposer::propose;
use crate::repair::Repairer;
use crate::scrubber::scrub;
use anyhow::{Context, Result, bail};
use e2l_client::{IncomingLimits, TlsIncoming, ledger_server, peering_server, serve};
use e2l_consensus::{RaftNode, RaftOptions};
use e2l_execution::{Components, ExecutionError, Executor, QueryRunner};
use e2l_identity::{ExpectedPeer, FileIdentity, client_config, server_config};
use e2l_ledger::{EngineProfile, Genesis, GenesisFile, Role, Signer};
use e2l_runtime::{Runtime, engine_profile};
use e2l_store::{LedgerStore, StoreOptions};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::service::Routes;

/// How long calls under way may take when the peer stops.
const GRACE: Duration = Duration::from_secs(2);
/// How often a peer looks whether a silent one holds finality up.
const FINALITY_TICK: Duration = Duration::from_millis(100);

/// A peer that is ready to serve.
pub struct Peer {
    node: Arc<Node>,
    raft: Arc<RaftNode>,
    routes: Routes,
    incoming: TlsIncoming,
    address: String,
}

impl Peer {
    /// Opens the ledger, starts ordering and listens.
    ///
    /// # Errors
    /// Anything that would make serving wrong: a genesis that not every actor approved, a certificate that is
    /// not this network's, a corrupt store, a missing component, another engine profile, a port in use.
    pub async fn start(options: &PeerOptions) -> Result<Self> {
        let genesis = read_genesis(options)?;
        let identity = FileIdentity::load(&options.certificate, &options.key)
            .with_context(|| format!("this peer's identity {}", options.certificate.display()))?;
        let identity = Arc::new(identity);
        let my_raft_id = my_raft_id(&genesis, &identity)?;
        check_engine(&genesis)?;

        let store = LedgerStore::open(&options.data_dir.join("ledger"), &StoreOptions::default())?;
        store.initialize(&genesis)?;
        let pool = Pool::new(options.pool.clone());
        let node = Node::new(&genesis, identity.clone(), store, pool)?;

        let runtime = Arc::new(Runtime::new()?);
        let components: Arc<dyn Components> =
            Arc::new(ComponentDirectory::new(options.chaincode_dir.clone()));
        let mut executor = Executor::new(
            &node.store,
            runtime.clone(),
            components.clone(),
            node.signatures.clone(),
        )?;
        executor.prepare(&node.config)?;
        let chain = ChainThread::start(Chain::new(node.clone(), executor))?;
        let queries = QueryThreads::new(
            Arc::new(QueryRunner::new(runtime, components)),
            node.config.clone(),
        );

        let trust: Arc<dyn e2l_identity::Trust> = node.clone();
        let tls = client_config(&identity, trust.clone(), ExpectedPeer::Any)?;
        let links = Links::new(&node, my_raft_id, &tls)?;
        let application = LedgerApplication::new(node.clone(), chain.clone(), links.clone());
        let raft = RaftNode::start(
            RaftOptions {
                heartbeat_ms: options.raft.heartbeat_ms,
                election_timeout_min_ms: options.raft.election_min_ms,
                election_timeout_max_ms: options.raft.election_max_ms,
                purge_after: options.raft.purge_after,
                keep: options.raft.keep,
                ..RaftOptions::new(my_raft_id, options.data_dir.join("raft"))
            },
            Arc::new(application),
            links.clone(),
        )
        .await?;
        let raft = Arc::new(raft);

        let listener = TcpListener::bind(&options.listen).await.with_context(|| {
            format!(
                "cannot listen on {}: is another peer running, or the address not this machine's?",
                options.listen
            )
        })?;
        let address = listener.local_addr()?.to_string();
        let incoming = TlsIncoming::new(
            listener,
            server_config(&identity, trust)?,
            IncomingLimits::default(),
        )?;
        let routes = Routes::new(ledger_server(LedgerApi::new(
            node.clone(),
            raft.clone(),
            queries,
            chain,
        )))
        .add_service(peering_server(PeeringApi::new(
            node.clone(),
            raft.clone(),
            my_raft_id,
        )));
        spawn_work(&node, &raft, &links);
        if let Some(reports) = node.take_reports() {
            tokio::spawn(Repairer::new(node.clone(), links.clone()).run(reports));
        }
        tokio::spawn(scrub(node.clone(), options.scrub.clone()));
        Ok(Self {
            node,
            raft,
            routes,
            incoming,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves until `stop` resolves or ordering fails for good.
    ///
    /// # Errors
    /// The log or the ledger cannot be written or read: the peer must not go on.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<()> {
        let Self {
            node,
            raft,
            routes,
            incoming,
            ..
        } = self;
        // The others must hear this peer before its members can be told whom to follow.
        raft.initialize().await?;
        let mut fatal = raft.fatal();
        let failed = async {
            // The channel closes when Raft has stopped on its own.
            let _ = fatal.wait_for(|failure| failure.is_some()).await;
        };
        let served = serve(
            routes,
            incoming,
            async {
                tokio::select! {
                    () = stop => {}
                    () = failed => {}
                }
            },
            GRACE,
        );
        served.await?;
        let failure = raft.fatal().borrow().clone();
        raft.shutdown().await;
        drop(node);
        match failure {
            Some(why) => bail!("ordering has stopped: {why}"),
            None => Ok(()),
        }
    }
}

fn spawn_work(node: &Arc<Node>, raft: &Arc<RaftNode>, links: &Arc<Links>) {
    for link in links.iter() {
        tokio::spawn(announce(node.clone(), link.clone()));
    }
    tokio::spawn(propose(node.clone(), raft.clone(), raft.leadership()));
    tokio::spawn(forward(node.clone(), links.clone(), raft.leadership()));
    let node = node.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(FINALITY_TICK);
        loop {
            ticks.tick().await;
            node.advance();
        }
    });
}

fn read_genesis(options: &PeerOptions) -> Result<Genesis> {
    let path = &options.genesis;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: GenesisFile =
        serde_json::from_str(&text).with_context(|| format!("{} is not a genesis file", path.display()))?;
    file.check()
        .with_context(|| format!("{} cannot be trusted", path.display()))?;
    Ok(file.genesis)
}

/// This peer must be the one that the genesis names for its actor.
fn my_raft_id(genesis: &Genesis, identity: &FileIdentity) -> Result<u64> {
    let member = identity.certificate().member();
    identity
        .certificate()
        .check(&genesis.config, crate::votes_in::now_nano())?;
    let configured = genesis
        .config
        .actor(&member.actor)
        .and_then(|actor| actor.peer.as_ref());
    match configured.filter(|peer| peer.name == member.name && member.role == Role::Peer) {
        Some(peer) => Ok(peer.raft_id),
        None => bail!(
            "{member} is not a peer of network `{}`: use the peer certificate",
            genesis.config.network
        ),
    }
}

fn check_engine(genesis: &Genesis) -> Result<(), ExecutionError> {
    let mine = my_engine_profile();
    if genesis.config.engine == mine {
        return Ok(());
    }
    let show = |profile: &EngineProfile| {
        format!(
            "{} on {} ({})",
            profile.engine,
            profile.architecture,
            profile.configuration.short()
        )
    };
    Err(ExecutionError::EngineProfile {
        expected: show(&genesis.config.engine),
        found: show(&mine),
    })
}

/// The engine profile of this binary.
pub fn my_engine_profile() -> EngineProfile {
    let mine = engine_profile();
    EngineProfile {
        engine: mine.engine,
        architecture: mine.architecture,
        configuration: e2l_ledger::Digest(mine.configuration_digest),
    }
}
