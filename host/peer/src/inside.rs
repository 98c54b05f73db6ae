//! Parts that tests attack one by one.

pub use crate::node::Node;
pub use crate::open_ledger::OpenLedger;
pub use crate::peer::open_ledger;
pub use crate::soundness::{Unsound, sound_block};

use crate::announcer::announce;
use crate::api::kept::readable_incidents;
use crate::api::{block_reply, checked_query, events_stream, unsound};
use crate::chain::Chain;
use crate::chain_query::QueryThreads;
use crate::chain_thread::ChainThread;
use crate::components::ComponentDirectory;
use crate::incident::Incident;
use crate::links::Links;
use crate::node::Finalized;
use crate::options::PeerOptions;
use crate::proofs;
use crate::repair::Repairer;
use crate::scrubber::{ScrubOptions, Scrubber};
use crate::standing::ask_all;
use anyhow::{Context, Result};
use e2l_client::wire::{EventsReply, EventsRequest, GetBlockReply};
use e2l_execution::{QueryCall, QueryRunner};
use e2l_identity::{ExpectedPeer, Trust, client_config};
use e2l_ledger::proof::{AncestryProof, LogPageProof, Receipt, SenderHeadProof};
use e2l_ledger::{Digest, Member, Vote};
use e2l_runtime::Runtime;
use futures::TryStreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Status;

/// What is checked a second.
const SCRUB: ScrubOptions = ScrubOptions {
    blocks_per_second: 1000,
    records_per_second: 1_000_000,
};
/// How long what runs may take to end.
const STOPPING: Duration = Duration::from_secs(10);

/// A peer's ledger with the parts that read, check and repair it in a running peer, and without ordering.
pub struct Mender {
    node: Arc<Node>,
    chain: ChainThread,
    queries: QueryThreads,
    links: Arc<Links>,
    runtime: tokio::runtime::Runtime,
}

impl Mender {
    /// Starts them on an open ledger; damage is repaired from the other peers of the genesis.
    ///
    /// # Errors
    /// As when a peer is started.
    pub fn start(options: &PeerOptions, open: OpenLedger) -> Result<Self> {
        let OpenLedger { node, executor, .. } = open;
        let identity = node.me.identity.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let trust: Arc<dyn Trust> = node.clone();
        let tls = client_config(&identity, trust, ExpectedPeer::Any)?;
        let links = Links::new(&node, &tls)?;
        let components = Arc::new(ComponentDirectory::new(options.chaincode_dir.clone()));
        let runner = QueryRunner::new(Arc::new(Runtime::new()?), components);
        let reports = node.damage.take().context("the ledger has a repairer")?;
        tokio::spawn(Repairer::new(node.clone(), links.clone()).run(reports));
        // Their votes say what is final.
        for link in links.all() {
            tokio::spawn(announce(node.clone(), link.clone()));
        }
        drop(inside);
        Ok(Self {
            chain: ChainThread::start(Chain::new(node.clone(), executor))?,
            queries: QueryThreads::new(Arc::new(runner), node.clone()),
            node,
            links,
            runtime,
        })
    }

    /// The shared parts.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// A block as callers get it; `None` if it is said not to be.
    ///
    /// # Errors
    /// What a caller is told; damage is reported to the repairer.
    pub fn block(&self, height: u64) -> Result<Option<GetBlockReply>, Status> {
        block_reply(&self.node, height).map_err(|error| unsound(&self.node, error))
    }

    /// A receipt, likewise.
    ///
    /// # Errors
    /// As for a block.
    pub fn receipt(&self, id: &Digest) -> Result<Option<Receipt>, Status> {
        self.finalized()?;
        proofs::receipt(&self.node, id).map_err(|error| unsound(&self.node, error))
    }

    /// The first entries of a log, likewise.
    ///
    /// # Errors
    /// As for a block.
    pub fn log_page(&self, chaincode: &str, log: &[u8], limit: usize) -> Result<LogPageProof, Status> {
        let (chaincode, log) = (chaincode.to_owned(), log.to_vec());
        let page = proofs::log_page(&self.node, &self.chain, chaincode, log, 0, limit);
        let page = self.runtime.block_on(page);
        page.map_err(|error| unsound(&self.node, Unsound::from(error)))
    }

    /// Where a sender stands, likewise.
    ///
    /// # Errors
    /// As for a block.
    pub fn sender_head(&self, sender: &Member) -> Result<SenderHeadProof, Status> {
        let head = proofs::sender_head(&self.node, &self.chain, sender.clone());
        let head = self.runtime.block_on(head);
        head.map_err(|error| unsound(&self.node, Unsound::from(error)))
    }

    /// All headers below the newest, likewise.
    ///
    /// # Errors
    /// As for a block.
    pub fn ancestry(&self) -> Result<AncestryProof, Status> {
        let all = 0..self.node.newest().header.height;
        let proof = self
            .runtime
            .block_on(proofs::ancestry(&self.node, &self.chain, vec![all]));
        proof.map_err(|error| unsound(&self.node, Unsound::from(error)))
    }

    /// All events, likewise.
    ///
    /// # Errors
    /// As for a block.
    pub fn events(&self) -> Result<Vec<EventsReply>, Status> {
        let (node, request) = (self.node.clone(), EventsRequest::default());
        self.runtime
            .block_on(async { events_stream(node, request).try_collect().await })
    }

    /// What a contract's query answers at the newest final height.
    ///
    /// # Errors
    /// What a caller is told.
    pub fn query(&self, chaincode: &str, function: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
        let at = self.finalized()?;
        let caller = self.node.me.member().clone();
        let call = QueryCall {
            chaincode: chaincode.to_owned(),
            function: function.to_owned(),
            argument: argument.to_vec(),
        };
        let (node, chain, queries) = (&self.node, &self.chain, &self.queries);
        self.runtime
            .block_on(checked_query(node, chain, queries, &at.at, caller, call))
    }

    fn finalized(&self) -> Result<Finalized, Status> {
        let finalized = self.node.finalized();
        finalized
            .ok_or_else(|| Status::unavailable("the other peers have not confirmed the newest block yet"))
    }

    /// Walks over everything, as the background check does, until all of it holds and is final; says whether it does
    /// in time. Not if this ledger must be replaced by a restore: see [`fatal`](Self::fatal).
    pub fn scrub_until_clean(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let _inside = self.runtime.enter();
        let mut scrubber = Scrubber::new(self.node.clone(), self.chain.clone(), &SCRUB);
        while self.fatal().is_none() && Instant::now() < deadline {
            match self.runtime.block_on(scrubber.pass()) {
                Ok(true) if self.is_final() => return true,
                Ok(_) => std::thread::sleep(Duration::from_millis(20)),
                Err(_) => return false,
            }
        }
        false
    }

    fn is_final(&self) -> bool {
        let newest = self.node.newest().header.height;
        self.node
            .finalized()
            .is_some_and(|known| known.at.header.height == newest)
    }

    /// Alarms in force, and how far this ledger is executed and final.
    pub fn standing(&self) -> (Vec<String>, u64, u64) {
        let newest = self.node.newest().header.height;
        let finalized = self.node.finalized().map_or(0, |known| known.at.header.height);
        (self.node.alarms(), newest, finalized)
    }

    /// Why this peer would stop and restore its ledger at its next start.
    pub fn fatal(&self) -> Option<String> {
        self.node.stopping.reason().borrow().clone()
    }

    /// All incidents.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn incidents(&self) -> Result<Vec<Incident>> {
        let kept = self.node.store.incidents_before(None, usize::MAX)?;
        Ok(readable_incidents(&self.node, kept))
    }

    /// Votes with this peer's own signature, as the other peers have heard them.
    pub fn own_votes(&self) -> Vec<Vote> {
        let answers = self.runtime.block_on(ask_all(&self.node, &self.links));
        answers.into_iter().flat_map(|answer| answer.own_votes).collect()
    }

    /// Ends everything that holds the ledger open.
    pub fn stop(self) {
        let Self {
            node, chain, runtime, ..
        } = self;
        runtime.shutdown_timeout(STOPPING);
        drop((node, chain));
    }
}
