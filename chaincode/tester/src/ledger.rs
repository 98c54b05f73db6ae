//! A ledger for the tests of one contract.

use crate::call::{TestCall, TestOutcome};
use crate::error::TestError;
use crate::members::Members;
use crate::orderer::{Orderer, Place};
use e2l_execution::{
    ChainTip, Components, Executor, QueryCall, QueryError, QueryRunner, SignatureCache, check_chain,
    check_proposal,
};
use e2l_ledger::{
    ActorConfig, ChaincodeDefinition, Digest, Domain, EngineProfile, Genesis, InspectedProposal, Limits,
    Member, NetworkConfig, PeerConfig, Policy, Role, Suffrage, ValidationCode,
};
use e2l_runtime::{Failure, Runtime, engine_profile};
use e2l_store::{BlockWrite, LedgerStore, StoreOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use time::OffsetDateTime;

/// Time of the genesis, nanoseconds since the Unix epoch: 2027-01-01. No result of a test depends on a clock.
const CREATED: i64 = 1_798_761_600_000_000_000;
const NETWORK: &str = "test";
/// The actor whose peer executes.
const HOST: &str = "provider";

/// The contract under test.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub component: Vec<u8>,
}

/// The only component that there is.
struct Shelf(Digest, Vec<u8>);

impl Components for Shelf {
    fn component(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>> {
        Ok((*digest == self.0).then(|| self.1.clone()))
    }
}

/// A ledger in a directory of its own, which goes with it. Needs the stack of [`crate::on_deep_stack`].
pub struct TestLedger {
    // Dropped before the directory below it.
    store: LedgerStore,
    executor: Executor,
    queries: QueryRunner,
    signatures: Arc<SignatureCache>,
    orderer: Orderer,
    config: NetworkConfig,
    network: Digest,
    chaincode: String,
    _directory: TempDir,
}

impl TestLedger {
    /// An empty ledger of a network with this contract, with a new network's limits, and these actors besides `provider`.
    ///
    /// # Errors
    /// Peers would refuse the contract, a name cannot be used, or the ledger cannot be made.
    pub fn new(contract: Contract, actors: &BTreeSet<String>) -> Result<Self, TestError> {
        let directory = tempfile::tempdir().map_err(TestError::Directory)?;
        let keys = directory.path().join("keys");
        std::fs::create_dir(&keys).map_err(TestError::Directory)?;
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::nanoseconds(CREATED);
        let named = actors.iter().map(String::as_str).chain([HOST]);
        let members = Members::new(NETWORK, named, now, keys)?;
        let shelf = Arc::new(Shelf(
            Domain::Chaincode.hash(&contract.component),
            contract.component,
        ));
        let genesis = Genesis {
            created_nano: CREATED,
            config: config(&members, &contract.name, contract.version, shelf.0),
        };
        genesis.config.check()?;
        let store = LedgerStore::open(&directory.path().join("ledger"), &StoreOptions::default())?;
        store.initialize(&genesis)?;
        let (runtime, signatures) = (Arc::new(Runtime::new()?), Arc::new(SignatureCache::default()));
        let mut executor = Executor::new(&store, runtime.clone(), shelf.clone(), signatures.clone())?;
        executor.prepare(&genesis.config, &store.view())?;
        Ok(Self {
            store,
            executor,
            queries: QueryRunner::new(runtime, shelf),
            signatures,
            orderer: Orderer::new(members, leader()),
            network: genesis.digest(),
            config: genesis.config,
            chaincode: contract.name,
            _directory: directory,
        })
    }

    /// Time of the newest block, nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn time_nano(&self) -> Result<i64, TestError> {
        Ok(self.store.tip()?.header.time_nano)
    }

    /// Executes calls as one block, `after` the block before; returns what became of each.
    ///
    /// # Errors
    /// They do not fit into a block, a caller cannot be, or the engine or the store fails.
    pub fn invoke(&mut self, calls: &[TestCall], after: Duration) -> Result<Vec<TestOutcome>, TestError> {
        let tip = self.store.tip()?;
        let after = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
        let place = Place {
            network: self.network,
            height: tip.height + 1,
            previous: tip.proposal_digest,
            time_nano: tip.header.time_nano.saturating_add(after),
        };
        let (proposal, leader) = self.orderer.propose(&place, &self.chaincode, calls)?;
        check_proposal(&proposal, &leader, &self.network, &self.config, &self.signatures)?;
        let chain = ChainTip {
            height: tip.height,
            proposal: tip.proposal_digest,
            time_nano: tip.header.time_nano,
            // No proposal of a test deploys anything.
            preparing: false,
        };
        check_chain(&proposal, &chain)?;
        let inspected = InspectedProposal::of(proposal);
        let view = Arc::new(self.store.view());
        let done = self
            .executor
            .execute(inspected, &tip.header, &self.config, view)?;
        self.store.write_block(&BlockWrite {
            block: &done.block,
            state: done.writes.state,
            logs: done.writes.logs,
            packed: done.packed,
            raft_applied: b"",
            acknowledges: false,
            endorsement: None,
        })?;
        if let Some(next) = done.next_config {
            self.config = next;
        }
        let outcomes = done.block.results.into_iter().map(|result| TestOutcome {
            code: result.code,
            fuel: Some(result.fuel),
            output: result.output,
        });
        Ok(outcomes.collect())
    }

    /// Asks as of the newest block.
    ///
    /// # Errors
    /// The engine or the store fails.
    pub fn query(&self, call: &TestCall) -> Result<TestOutcome, TestError> {
        let header = self.store.tip()?.header;
        let asked = QueryCall {
            chaincode: self.chaincode.clone(),
            function: call.function.clone(),
            argument: call.argument.clone(),
        };
        let view = Arc::new(self.store.view());
        let (answer, _) = self
            .queries
            .query(view, &header, &self.config, &call.caller, &asked);
        let (code, output) = match answer {
            Ok(output) => (ValidationCode::Valid, output),
            Err(QueryError::Rejected(message)) => (ValidationCode::ContractRejected, message.into_bytes()),
            Err(QueryError::Failed(text)) => failed(&text),
            Err(QueryError::UnknownChaincode(name)) => (ValidationCode::ExpiredChaincode, name.into_bytes()),
            Err(QueryError::Execution(error)) => return Err(error.into()),
        };
        Ok(TestOutcome {
            code,
            fuel: None,
            output,
        })
    }
}

fn leader() -> Member {
    Member {
        actor: HOST.to_owned(),
        role: Role::Peer,
        name: "peer".to_owned(),
    }
}

fn config(members: &Members, name: &str, version: String, digest: Digest) -> NetworkConfig {
    let actors = members.authorities().map(|(actor, certificate)| ActorConfig {
        name: actor.to_owned(),
        authorities: vec![certificate.to_vec()],
        peer: (actor == HOST).then(|| PeerConfig {
            name: leader().name,
            raft_id: 1,
            address: "127.0.0.1:1".to_owned(),
        }),
        suffrage: if actor == HOST {
            Suffrage::Voter
        } else {
            Suffrage::Nonvoter
        },
    });
    let engine = engine_profile();
    NetworkConfig {
        network: NETWORK.to_owned(),
        actors: actors.collect(),
        revoked: BTreeSet::new(),
        finality: Policy::Majority,
        lifecycle: Policy::All,
        limits: Limits::default(),
        chaincodes: vec![ChaincodeDefinition {
            name: name.to_owned(),
            version,
            digest,
        }],
        engine: EngineProfile {
            engine: engine.engine,
            architecture: engine.architecture,
            configuration: Digest(engine.configuration_digest),
        },
        next_raft_id: 2,
        executables: Default::default(),
        replaced_collectors: Vec::new(),
    }
}

/// A failed query's text begins with the name of its [`Failure`].
fn failed(text: &str) -> (ValidationCode, Vec<u8>) {
    let codes = [
        (Failure::Trapped, ValidationCode::Trapped),
        (Failure::OutOfFuel, ValidationCode::OutOfFuel),
        (Failure::OutOfMemory, ValidationCode::OutOfMemory),
        (Failure::StackOverflow, ValidationCode::StackOverflow),
        (Failure::OutputTooLarge, ValidationCode::OutputTooLarge),
        (Failure::WriteLimit, ValidationCode::WriteLimit),
        (Failure::IllegalAccess, ValidationCode::IllegalAccess),
    ];
    let found = codes.iter().find_map(|(failure, code)| {
        let detail = text.strip_prefix(&format!("{failure:?}: "))?;
        Some((*code, detail.as_bytes().to_vec()))
    });
    found.unwrap_or_else(|| (ValidationCode::InvalidOtherReason, text.as_bytes().to_vec()))
}
