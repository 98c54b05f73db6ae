//! Puts a peer together and runs it.

use crate::api::{LedgerApi, PeeringApi};
use crate::application::LedgerApplication;
use crate::chain::Chain;
use crate::chain_query::QueryThreads;
use crate::chain_thread::ChainThread;
use crate::components::ComponentDirectory;
use crate::divergence::report_divergence;
use crate::engine::check_engine;
use crate::forwarder::forward;
use crate::join::join;
use crate::links::Links;
use crate::membership::{bring_in_voters, keep_company, keep_up, leave_when_removed, serve_in_role};
use crate::metrics::Watched;
use crate::missed_proofs::prove_missed;
use crate::node::Node;
use crate::open_ledger::{OpenLedger, Opening};
use crate::options::PeerOptions;
use crate::proposer::propose;
use crate::repair::Repairer;
use crate::restore::restore;
use crate::rotation::{get_introduced, rotate};
use crate::scrubber::scrub;
use crate::silence::watch_silence;
use crate::votes_in::now_nano;
use anyhow::{Context, Result, bail};
use e2l_client::{TlsIncoming, ledger_server, peering_server, serve, serve_metrics};
use e2l_consensus::{Participation, RaftNode, RaftOptions};
use e2l_execution::{Components, QueryRunner};
use e2l_identity::{
    CurrentIdentity, ExpectedPeer, Wanted, client_config, introduction_config, server_config,
};
use e2l_ledger::{Genesis, GenesisFile, Role, Signer};
use e2l_runtime::Runtime;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Routes;

/// How long calls under way may take when the peer stops.
const GRACE: Duration = Duration::from_secs(2);
/// How often a peer looks whether a silent one holds finality up.
const FINALITY_TICK: Duration = Duration::from_millis(100);

/// What an operator has decided, and no peer decides by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Give up the Raft log, and vote when this peer has caught up with the others.
    pub rejoin: bool,
    /// Go on on this peer's own chain, whatever the others said about this height.
    pub accept_dispute: Option<u64>,
}

/// A peer that is ready to serve.
pub struct Peer {
    node: Arc<Node>,
    raft: Arc<RaftNode>,
    in_role: JoinHandle<Result<()>>,
    routes: Routes,
    incoming: TlsIncoming,
    address: String,
}

impl Peer {
    /// Opens the ledger, starts ordering and listens. A damaged ledger is restored from the other peers first.
    ///
    /// # Errors
    /// Anything that would make serving wrong: a genesis that not every actor approved, a certificate that is
    /// not this network's, a damaged Raft log, a missing component, another engine profile, a port in use.
    pub async fn start(options: &PeerOptions, decisions: Decisions) -> Result<Self> {
        let genesis = read_genesis(options)?;
        let origin = options.identity_origin().map_err(anyhow::Error::msg)?;
        let wanted = Wanted {
            network: genesis.config.network.clone(),
            role: Role::Peer,
        };
        let opened = origin.open(wanted).await;
        let (identity, source) = opened.with_context(|| format!("this peer's identity {origin}"))?;
        let identity = CurrentIdentity::new(identity);

        let runtime = Arc::new(Runtime::new()?);
        let components: Arc<dyn Components> =
            Arc::new(ComponentDirectory::new(options.chaincode_dir.clone()));
        let opening = Opening {
            options,
            genesis: &genesis,
            identity: identity.clone(),
            runtime: runtime.clone(),
            components: components.clone(),
        };
        let mut ledger = opening.open()?;
        let log = ledger.compare_log(options, decisions.rejoin)?;
        if let Some(height) = decisions.accept_dispute {
            ledger.node.accept_dispute(height)?;
            tracing::warn!(
                height,
                "the operator has decided that this peer goes on on its own chain"
            );
        }
        let OpenLedger {
            node,
            executor,
            restoring,
        } = ledger;
        check_engine(&node.config())?;
        warn_if_not_trusted(&node);
        let chain = ChainThread::start(Chain::new(node.clone(), executor))?;
        let queries = QueryThreads::new(Arc::new(QueryRunner::new(runtime, components)), node.clone());

        let trust: Arc<dyn e2l_identity::Trust> = node.clone();
        let tls = client_config(&identity, trust.clone(), ExpectedPeer::Any)?;
        let links = Links::new(&node, &tls)?;
        let introduction = introduction_config(&identity, identity.network())?;
        tokio::spawn(get_introduced(node.clone(), links.clone(), introduction));
        // What is restored is endorsed again.
        if let Some(raft_id) = node.me.raft_id_in(&node.config()) {
            node.me.take_part_as(raft_id);
        }
        if let Some(why) = restoring {
            restore(&node, &links, &chain, &log, why).await?;
        }
        let my_raft_id = join(&node, &links, &chain).await?;
        node.me.take_part_as(my_raft_id);
        let application = LedgerApplication::new(node.clone(), chain.clone(), links.clone());
        let raft = RaftNode::start(
            RaftOptions {
                heartbeat_ms: options.raft.heartbeat_ms,
                election_timeout_min_ms: options.raft.election_min_ms,
                election_timeout_max_ms: options.raft.election_max_ms,
                purge_after: options.raft.purge_after,
                keep: options.raft.keep,
                height: node.newest().header.height,
                participation: Participation::Waiting,
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
        let incoming = TlsIncoming::following(
            listener,
            server_config(&identity, trust)?,
            options.connections.limits(),
            node.configs.watch_trusted(),
        )?;
        let routes = Routes::new(ledger_server(LedgerApi::new(
            node.clone(),
            raft.clone(),
            queries,
            chain.clone(),
        )))
        .add_service(peering_server(PeeringApi::new(node.clone(), raft.clone())));
        let watched = Watched {
            node: node.clone(),
            raft: raft.clone(),
            connections: incoming.connections(),
            limits: (options.connections.clone(), options.pool.clone()),
        };
        serve_metrics(&options.metrics, Arc::new(watched)).await?;
        spawn_work(&node, &raft, &links);
        if let Some(reports) = node.damage.take() {
            tokio::spawn(Repairer::new(node.clone(), links.clone()).run(reports));
        }
        tokio::spawn(scrub(node.clone(), chain.clone(), options.scrub.clone()));
        tokio::spawn(keep_up(node.clone(), raft.clone(), links.clone(), chain.clone()));
        tokio::spawn(rotate(node.clone(), links.clone(), source));
        let role = serve_in_role(node.clone(), raft.clone(), links, chain, log.rejoining);
        Ok(Self {
            in_role: tokio::spawn(role),
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
            in_role,
            routes,
            incoming,
            ..
        } = self;
        let (mut ordering, mut ledger) = (raft.fatal(), node.stopping.reason());
        let failed = async {
            let out_of_role = async {
                match in_role.await {
                    Ok(Ok(())) => std::future::pending().await,
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                }
            };
            // A channel closes when what it watches has stopped on its own.
            tokio::select! {
                _ = ordering.wait_for(|failure| failure.is_some()) => None,
                _ = ledger.wait_for(|failure| failure.is_some()) => None,
                failure = out_of_role => Some(failure),
            }
        };
        let mut out_of_role = None;
        let served = serve(
            routes,
            incoming,
            async {
                tokio::select! {
                    () = stop => {}
                    failure = failed => out_of_role = failure,
                }
                node.stopping.begin();
            },
            GRACE,
        );
        served.await?;
        let failure = raft.fatal().borrow().clone();
        let damage = node.stopping.reason().borrow().clone();
        raft.shutdown().await;
        drop(node);
        match (failure.or(out_of_role), damage) {
            (_, Some(why)) => bail!(why),
            (Some(why), None) => bail!("ordering has stopped: {why}"),
            (None, None) => Ok(()),
        }
    }
}

/// Opens a peer's ledger as its start does, and goes no further.
///
/// # Errors
/// As [`Peer::start`].
pub fn open_ledger(options: &PeerOptions) -> Result<OpenLedger> {
    let opening = Opening {
        options,
        genesis: &read_genesis(options)?,
        identity: CurrentIdentity::new(options.identity_in_files()?),
        runtime: Arc::new(Runtime::new()?),
        components: Arc::new(ComponentDirectory::new(options.chaincode_dir.clone())),
    };
    opening.open()
}

fn spawn_work(node: &Arc<Node>, raft: &Arc<RaftNode>, links: &Arc<Links>) {
    tokio::spawn(keep_company(node.clone(), links.clone()));
    tokio::spawn(bring_in_voters(node.clone(), raft.clone()));
    tokio::spawn(leave_when_removed(node.clone()));
    tokio::spawn(report_divergence(node.clone(), links.clone()));
    tokio::spawn(watch_silence(node.clone()));
    tokio::spawn(prove_missed(node.clone(), links.clone()));
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

pub(crate) fn read_genesis(options: &PeerOptions) -> Result<Genesis> {
    let path = &options.genesis;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: GenesisFile =
        serde_json::from_str(&text).with_context(|| format!("{} is not a genesis file", path.display()))?;
    file.check()
        .with_context(|| format!("{} cannot be trusted", path.display()))?;
    Ok(file.genesis)
}

/// The others decide whether they trust this peer: it may not know yet of the configuration that does.
fn warn_if_not_trusted(node: &Node) {
    let signer = node.me.signer();
    if let Err(error) = signer.certificate().check(&node.configs.trusted(), now_nano()) {
        tracing::error!(
            alarm = true, %error,
            "this peer's certificate is not trusted as far as it knows: if the others say the same, renew it"
        );
    }
}
