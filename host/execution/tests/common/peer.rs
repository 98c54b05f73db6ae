//! Orders envelopes, and peers with stores of their own that execute them.

use super::contracts;
use super::members::{Identity, Members};
use e2l_execution::{
    ChainTip, Components, Executor, QueryCall, QueryError, QueryRunner, Reads, SignatureCache, check_chain,
    check_proposal, is_preparing,
};
use e2l_ledger::{
    BatchHeader, Block, Call, Canonical, Digest, Envelope, InspectedProposal, ProposalHeader, SignedBatch,
    SignedProposal, SignedRequest, Signer, TransactionResult, ValidationCode,
};
use e2l_runtime::Runtime;
use e2l_store::{BlockWrite, LedgerStore, StoreOptions, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The components that a peer has.
pub struct Shelf(pub BTreeMap<Digest, Vec<u8>>);

impl Shelf {
    pub fn full() -> Self {
        let contracts = contracts().iter();
        Self(
            contracts
                .map(|(_, digest, bytes)| (*digest, bytes.clone()))
                .collect(),
        )
    }
}

impl Components for Shelf {
    fn component(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(digest).cloned())
    }
}

/// Makes what a collector and a leader would sign.
pub struct Orderer<'a> {
    pub members: &'a Members,
    sequence: u64,
    previous: Digest,
}

impl<'a> Orderer<'a> {
    pub fn new(members: &'a Members) -> Self {
        Self {
            members,
            sequence: 0,
            previous: Digest::ZERO,
        }
    }

    /// The collector's next batch.
    pub fn batch(&mut self, calls: Vec<Call>) -> Envelope {
        self.sequence += 1;
        let batch = self.batch_by(&self.members.collector, self.sequence, self.previous, calls);
        self.previous = batch.header.digest();
        Envelope::Batch(batch)
    }

    pub fn batch_by(
        &self,
        signer: &Identity,
        sequence: u64,
        previous: Digest,
        calls: Vec<Call>,
    ) -> SignedBatch {
        let header = BatchHeader {
            network: self.members.genesis.digest(),
            sender: signer.certificate().member().clone(),
            incarnation: 1,
            sequence,
            previous,
            created_nano: 5,
            count: calls.len() as u32,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        };
        SignedBatch::sign(header, calls, signer)
    }

    pub fn request(&self, nonce: u8, expires_at: u64, call: Call) -> Envelope {
        self.request_by(&self.members.admin, nonce, expires_at, call)
    }

    pub fn request_by(&self, admin: &Identity, nonce: u8, expires_at: u64, call: Call) -> Envelope {
        let network = self.members.genesis.digest();
        Envelope::Request(SignedRequest::sign(network, [nonce; 16], expires_at, call, admin))
    }

    /// The proposal that follows a peer's last block, with every certificate it could need.
    pub fn propose(&self, peer: &Peer, envelopes: Vec<Envelope>) -> SignedProposal {
        let tip = peer.store.tip().unwrap();
        let header = ProposalHeader {
            network: self.members.genesis.digest(),
            leader: self.members.peer.certificate().member().clone(),
            term: 1,
            height: tip.height + 1,
            previous: tip.proposal_digest,
            time_nano: tip.header.time_nano + 10,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: 0,
        };
        // At most one more than envelopes; those of the envelopes' senders come first.
        let Members {
            collector,
            admin,
            stranger,
            others: [one, other],
            other_peer,
            peer,
            ..
        } = self.members;
        let members = [collector, admin, stranger, one, other, other_peer, peer];
        let signs = |member: &&&Identity| {
            let digest = member.certificate().digest();
            envelopes
                .iter()
                .any(|envelope| envelope.signature().certificate == digest)
        };
        let (senders, idle): (Vec<&Identity>, Vec<&Identity>) = members.iter().partition(signs);
        let certificates = senders.into_iter().chain(idle).take(envelopes.len() + 1);
        let certificates = certificates
            .map(|member| member.certificate().der().to_vec())
            .collect();
        SignedProposal::sign(header, certificates, envelopes, &self.members.peer)
    }
}

/// An executor over a store of its own.
pub struct Peer {
    _directory: tempfile::TempDir,
    pub store: LedgerStore,
    pub executor: Executor,
    queries: QueryRunner,
    signatures: Arc<SignatureCache>,
    members: Known,
}

/// What a peer must know of the members.
struct Known {
    /// Of the next height.
    config: e2l_ledger::NetworkConfig,
    network: Digest,
    leader: e2l_ledger::Certificate,
    client: e2l_ledger::Member,
}

impl Peer {
    pub fn new(members: &Members) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = LedgerStore::open(directory.path(), &StoreOptions::default()).unwrap();
        store.initialize(&members.genesis).unwrap();
        let signatures = Arc::new(SignatureCache::default());
        Self {
            executor: executor(&store, Shelf::full()),
            queries: QueryRunner::new(Arc::new(Runtime::new().unwrap()), Arc::new(Shelf::full())),
            _directory: directory,
            store,
            signatures,
            members: Known {
                config: members.genesis.config.clone(),
                network: members.genesis.digest(),
                leader: members.peer.certificate().clone(),
                client: members.client.certificate().member().clone(),
            },
        }
    }

    /// The configuration of the next height.
    pub fn config(&self) -> &e2l_ledger::NetworkConfig {
        &self.members.config
    }

    /// A value of the state.
    pub fn state(&self, key: &e2l_ledger::StateKey) -> Option<Vec<u8>> {
        self.store.view().get(key).unwrap()
    }

    /// Starts the executor anew, from what is on disk.
    pub fn restart(&mut self) {
        self.executor = executor(&self.store, Shelf::full());
        let view = self.store.view();
        self.executor.prepare(&self.members.config, &view).unwrap();
    }

    /// Checks a proposal, executes it and writes the block.
    pub fn apply(&mut self, proposal: &SignedProposal) -> Block {
        self.apply_inspected(InspectedProposal::of(proposal.clone()))
    }

    /// The same of a proposal whose digests are known.
    pub fn apply_inspected(&mut self, inspected: InspectedProposal) -> Block {
        let tip = self.store.tip().unwrap();
        let (members, proposal) = (&self.members, &inspected.proposal);
        let checked = check_proposal(
            proposal,
            &members.leader,
            &members.network,
            &members.config,
            &self.signatures,
        );
        checked.unwrap();
        let chain = ChainTip {
            height: tip.height,
            proposal: tip.proposal_digest,
            time_nano: tip.header.time_nano,
            preparing: is_preparing(&self.store.view()).unwrap(),
        };
        check_chain(proposal, &chain).unwrap();
        let view = Arc::new(self.store.view());
        let done = self
            .executor
            .execute(inspected, &tip.header, &members.config, view)
            .unwrap();
        // Refused unless header, proposal and results describe each other.
        let write = BlockWrite {
            block: &done.block,
            state: done.writes.state,
            logs: done.writes.logs,
            packed: done.packed,
            raft_applied: b"applied",
            acknowledges: false,
            endorsement: None,
        };
        self.store.write_block(&write).unwrap();
        if let Some(config) = done.next_config {
            self.members.config = config;
        }
        done.block
    }

    /// What the client's query returns, as text; the error's text where it has no answer.
    pub fn query(&self, chaincode: &str, function: &str, argument: &str) -> Result<String, String> {
        let answer = self.try_query(chaincode, function, argument);
        answer
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|error| error.to_string())
    }

    pub fn try_query(&self, chaincode: &str, function: &str, argument: &str) -> Result<Vec<u8>, QueryError> {
        self.query_of(&self.store.view(), (chaincode, function, argument))
            .0
    }

    /// The same on another view, with what it has read.
    pub fn query_of(
        &self,
        view: &View,
        (chaincode, function, argument): (&str, &str, &str),
    ) -> (Result<Vec<u8>, QueryError>, Reads) {
        let header = view.header(view.height()).unwrap().unwrap();
        let call = QueryCall {
            chaincode: chaincode.to_owned(),
            function: function.to_owned(),
            argument: argument.as_bytes().to_vec(),
        };
        let (config, client) = (&self.members.config, &self.members.client);
        self.queries
            .query(Arc::new(view.clone()), &header, config, client, &call)
    }

    /// The same as JSON.
    pub fn json(&self, chaincode: &str, function: &str, argument: &str) -> serde_json::Value {
        serde_json::from_str(&self.query(chaincode, function, argument).unwrap()).unwrap()
    }
}

pub fn executor(store: &LedgerStore, shelf: Shelf) -> Executor {
    let runtime = Arc::new(Runtime::new().unwrap());
    Executor::new(
        store,
        runtime,
        Arc::new(shelf),
        Arc::new(SignatureCache::default()),
    )
    .unwrap()
}

/// Code and output of every result.
pub fn outcomes(block: &Block) -> Vec<(ValidationCode, String)> {
    let text = |result: &TransactionResult| String::from_utf8_lossy(&result.output).into_owned();
    block
        .results
        .iter()
        .map(|result| (result.code, text(result)))
        .collect()
}

/// Executes on both peers, which must make the same block byte for byte.
pub fn apply_alike(peers: &mut [Peer; 2], proposal: &SignedProposal) -> Block {
    let [one, other] = peers;
    let (block, twin) = (one.apply(proposal), other.apply(proposal));
    assert_eq!(block.header.results_root, twin.header.results_root);
    assert_eq!(block.header.state_root, twin.header.state_root);
    assert_eq!(block.encode(), twin.encode());
    block
}
