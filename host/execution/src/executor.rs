//! The executor: one per peer, fed one proposal after the other.

use crate::block_run::BlockRun;
use crate::chaincodes::{Chaincodes, Components};
use crate::error::ExecutionError;
use crate::head_cache::HeadCache;
use crate::overlay::{Overlay, Writes};
use crate::signatures::SignatureCache;
use crate::state_history::StateHistory;
use e2l_ledger::governance::{Preparations, ProposalIndex, ProposalRecord};
use e2l_ledger::proof::MapProof;
use e2l_ledger::{
    Block, Canonical, ChaincodeDefinition, Digest, Domain, Header, InspectedProposal, NetworkConfig,
    PackedCalls, StateKey, StateMap, TransactionResult,
};
use e2l_runtime::Runtime;
use e2l_store::{LedgerStore, View};
use std::sync::Arc;

/// What came of a proposal.
pub struct Execution {
    /// The block.
    pub block: Block,
    /// What it writes.
    pub writes: Writes,
    /// How the calls of each of its envelopes are packed.
    pub packed: Vec<Arc<Vec<PackedCalls>>>,
    /// The configuration of the next height, if the block changes it.
    pub next_config: Option<NetworkConfig>,
}

/// Executes proposals. Holds the state map, which is rebuilt from the store at start and compared with the
/// last header.
pub struct Executor {
    chaincodes: Chaincodes,
    signatures: Arc<SignatureCache>,
    state: StateHistory,
    heads: HeadCache,
}

impl Executor {
    /// Reads the whole state, and refuses one that does not hash to the last header's root.
    ///
    /// # Errors
    /// The store cannot be read, or its state is not the endorsed one.
    pub fn new(
        store: &LedgerStore,
        runtime: Arc<Runtime>,
        components: Arc<dyn Components>,
        signatures: Arc<SignatureCache>,
    ) -> Result<Self, ExecutionError> {
        let tip = store.tip()?;
        let mut leaves = Vec::new();
        store.for_each_state(|key, value| leaves.push((key.hash(), Some(Domain::Value.hash(value)))))?;
        let mut map = StateMap::default();
        let found = map.update(leaves);
        if found != tip.header.state_root {
            return Err(ExecutionError::StateRoot {
                height: tip.height,
                expected: tip.header.state_root,
                found,
            });
        }
        Ok(Self {
            chaincodes: Chaincodes::new(runtime, components),
            signatures,
            state: StateHistory::new(map, tip.height),
            heads: HeadCache::default(),
        })
    }

    /// Proof of what the state holds under a key as of the newest block.
    pub fn prove(&self, key: &StateKey) -> MapProof {
        self.state.prove(&key.hash())
    }

    /// Compares what was read as of a height with what was executed: state keys with the digests of their values,
    /// `None` where nothing was found.
    ///
    /// # Errors
    /// A value is not the one that was executed; the height is not remembered.
    pub fn check_values<'a>(
        &self,
        height: u64,
        values: impl IntoIterator<Item = (&'a StateKey, &'a Option<Digest>)>,
    ) -> Result<(), ExecutionError> {
        for (key, seen) in values {
            let held = self.state.get(height, &key.hash());
            if held.ok_or(ExecutionError::StateForgotten { height })? != *seen {
                return Err(altered(key));
            }
        }
        Ok(())
    }

    /// Checks that keys were there as of a height.
    ///
    /// # Errors
    /// One was not; the height is not remembered.
    pub fn check_keys(&self, height: u64, keys: &[StateKey]) -> Result<(), ExecutionError> {
        for key in keys {
            let held = self.state.get(height, &key.hash());
            if held.ok_or(ExecutionError::StateForgotten { height })?.is_none() {
                return Err(altered(key));
            }
        }
        Ok(())
    }

    /// How many keys there were as of a height.
    ///
    /// # Errors
    /// The height is not remembered.
    pub fn keys_at(&self, height: u64) -> Result<usize, ExecutionError> {
        self.state
            .keys(height)
            .ok_or(ExecutionError::StateForgotten { height })
    }

    /// Number of keys that the state has as of the newest block.
    pub fn state_keys(&self) -> usize {
        self.state.len()
    }

    /// Compares the state after `after`, at most `limit` keys of it, with the map; returns the last key looked at,
    /// `None` at the end.
    ///
    /// # Errors
    /// A value is not the one that was executed; the store cannot be read.
    pub fn check_state(
        &self,
        view: &View,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Option<StateKey>, ExecutionError> {
        let first = after.map_or_else(
            || StateKey::from_bytes(Vec::new()),
            |after| StateKey::from_bytes([after.as_bytes(), &[0]].concat()),
        );
        let pairs = view.scan(&first, &StateKey::from_bytes(vec![u8::MAX]), limit)?;
        let height = view.height();
        for (key, value) in &pairs {
            self.check_values(height, [(key, &Some(Domain::Value.hash(value)))])?;
        }
        Ok(pairs.into_iter().last().map(|(key, _)| key))
    }

    /// Compiles every active chaincode, and those that are being prepared, so that a peer that lacks one says so when it starts;
    /// begins to compile what is proposed.
    ///
    /// # Errors
    /// A component is missing, is not the signed one, or is refused.
    pub fn prepare(&mut self, config: &NetworkConfig, view: &View) -> Result<(), ExecutionError> {
        let state = |key: &StateKey| view.get(key);
        for definition in &config.chaincodes {
            self.chaincodes.active(&definition.name, config, &state)?;
        }
        let preparations = view.get(&StateKey::preparations())?;
        let preparations = preparations
            .map(|bytes| Preparations::decode(&bytes))
            .transpose()?;
        for preparation in preparations.unwrap_or_default().queue {
            for definition in definitions(view, &preparation.proposal)? {
                self.chaincodes.of(&definition, &state)?;
            }
        }
        let index = view.get(&StateKey::proposals())?;
        let index = index.map(|bytes| ProposalIndex::decode(&bytes)).transpose()?;
        for id in index.unwrap_or_default().open {
            for ChaincodeDefinition { digest, .. } in definitions(view, &id)? {
                if let Some(bytes) = view.get(&StateKey::component(&digest))? {
                    self.chaincodes.compile_ahead(digest, bytes);
                }
            }
        }
        Ok(())
    }

    /// Executes a proposal that [`crate::check_proposal`] and [`crate::check_chain`] accepted, on top of
    /// `previous`, whose state is `base`. The caller must write the result before it executes the next.
    ///
    /// # Errors
    /// See [`ExecutionError`]; the executor must not be used after one.
    pub fn execute(
        &mut self,
        inspected: InspectedProposal,
        previous: &Header,
        config: &NetworkConfig,
        base: Arc<View>,
    ) -> Result<Execution, ExecutionError> {
        let InspectedProposal {
            proposal,
            inspections,
        } = inspected;
        let mut run = BlockRun::new(
            &mut self.chaincodes,
            &self.signatures,
            config,
            previous,
            &proposal.header,
            Overlay::new(base, std::mem::take(&mut self.heads)),
        );
        run.append_header(previous)?;
        run.register_certificates(&proposal.certificates)?;
        for (envelope, inspection) in proposal.envelopes.iter().zip(&inspections) {
            run.envelope(envelope, inspection)?;
        }
        let next_config = run.put_in_force()?;
        let (writes, changes, heads, results) = run.finish();
        let config_root = config.root();
        let next_config_root = next_config.as_ref().map_or(config_root, NetworkConfig::root);
        if let Some(next) = &next_config {
            self.chaincodes.retain(next);
        }
        self.heads = heads;
        let state_root = self.state.update(proposal.header.height, changes);
        let header = Header {
            network: previous.network,
            height: proposal.header.height,
            previous: previous.digest(),
            proposal: proposal.header.digest(),
            data_root: proposal.header.envelopes_root,
            envelopes: proposal.header.envelopes,
            results_root: TransactionResult::root(&results),
            transactions: u32::try_from(results.len()).unwrap_or(u32::MAX),
            state_root,
            config_root,
            next_config_root,
            time_nano: proposal.header.time_nano,
        };
        Ok(Execution {
            block: Block {
                header,
                proposal,
                results,
            },
            writes,
            next_config,
            packed: inspections.iter().map(|found| found.groups.clone()).collect(),
        })
    }
}

/// The contracts that a proposal deploys.
fn definitions(view: &View, proposal: &Digest) -> Result<Vec<ChaincodeDefinition>, ExecutionError> {
    let Some(record) = view.get(&StateKey::proposal(proposal))? else {
        return Ok(Vec::new());
    };
    let record = ProposalRecord::decode(&record)?;
    Ok(record.proposal.definitions().cloned().collect())
}

fn altered(key: &StateKey) -> ExecutionError {
    ExecutionError::StateValue {
        key: String::from_utf8_lossy(key.as_bytes()).into_owned(),
    }
}
