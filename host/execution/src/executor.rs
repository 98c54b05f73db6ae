//! The executor: one per peer, fed one proposal after the other.

use crate::error::ExecutionError;
use crate::head_cache::HeadCache;
use crate::host::CallHost;
use crate::overlay::{Overlay, SharedArgument, Writes, map_changes};
use crate::signatures::SignatureCache;
use crate::state_history::StateHistory;
use e2l_ledger::proof::MapProof;
use e2l_ledger::{
    Block, Call, Canonical, Certificate, Digest, Domain, Envelope, Header, InspectedProposal, Inspection,
    LogHead, NetworkConfig, Provenance, Refused, SenderHead, StateKey, StateMap, TransactionResult,
    ValidationCode, check_envelope,
};
use e2l_runtime::{Admitted, CallContext, Failure, Outcome, Runtime, Session};
use e2l_store::{LedgerStore, View};
use std::collections::HashMap;
use std::sync::Arc;

/// Where the bytes of components come from.
pub trait Components: Send + Sync {
    /// The component with this digest, `None` if it is not here. The caller checks the digest.
    ///
    /// # Errors
    /// It is here and cannot be read.
    fn component(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>>;
}

/// What came of a proposal.
pub struct Execution {
    /// The block.
    pub block: Block,
    /// What it writes.
    pub writes: Writes,
}

/// Chaincodes that are ready to run, by digest of their component.
pub(crate) struct Chaincodes {
    runtime: Arc<Runtime>,
    components: Arc<dyn Components>,
    admitted: HashMap<Digest, Arc<Admitted>>,
}

impl Chaincodes {
    pub(crate) fn new(runtime: Arc<Runtime>, components: Arc<dyn Components>) -> Self {
        Self {
            runtime,
            components,
            admitted: HashMap::new(),
        }
    }

    /// The active chaincode of that name; `None` if there is none.
    pub(crate) fn active(
        &mut self,
        name: &str,
        config: &NetworkConfig,
    ) -> Result<Option<Arc<Admitted>>, ExecutionError> {
        let Some(definition) = config.chaincode(name) else {
            return Ok(None);
        };
        let digest = definition.digest;
        if let Some(admitted) = self.admitted.get(&digest) {
            return Ok(Some(admitted.clone()));
        }
        let missing = || ExecutionError::MissingComponent {
            name: name.to_owned(),
            digest,
        };
        let bytes = self.components.component(&digest).map_err(|error| {
            tracing::error!(%digest, %error, "cannot read a chaincode component");
            missing()
        })?;
        let bytes = bytes.ok_or_else(missing)?;
        let found = Domain::Chaincode.hash(&bytes);
        if found != digest {
            return Err(ExecutionError::WrongComponent {
                name: name.to_owned(),
                digest,
                found,
            });
        }
        let admitted = self
            .runtime
            .admit(&bytes, &crate::host::static_limits(&config.limits))
            .map_err(|source| ExecutionError::Admission {
                name: name.to_owned(),
                source,
            })?;
        let admitted = Arc::new(admitted);
        self.admitted.insert(digest, admitted.clone());
        Ok(Some(admitted))
    }
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

    /// Compiles every active chaincode, so that a peer that lacks one says so when it starts.
    ///
    /// # Errors
    /// A component is missing, is not the signed one, or is refused.
    pub fn prepare(&mut self, config: &NetworkConfig) -> Result<(), ExecutionError> {
        for definition in &config.chaincodes {
            self.chaincodes.active(&definition.name, config)?;
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
        let mut run = BlockRun {
            chaincodes: &mut self.chaincodes,
            signatures: &self.signatures,
            config,
            network: previous.network,
            height: proposal.header.height,
            time_nano: proposal.header.time_nano,
            sessions: HashMap::new(),
            overlay: Some(Overlay::new(base, std::mem::take(&mut self.heads))),
            results: Vec::new(),
        };
        run.append_header(previous)?;
        run.register_certificates(&proposal.certificates)?;
        for (envelope, inspection) in proposal.envelopes.iter().zip(&inspections) {
            run.envelope(envelope, inspection)?;
        }
        let (writes, heads, results) = run.finish();
        self.heads = heads;
        let changes = map_changes(&writes.state);
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
            config_root: config.root(),
            time_nano: proposal.header.time_nano,
        };
        Ok(Execution {
            block: Block {
                header,
                proposal,
                results,
            },
            writes,
        })
    }
}

fn altered(key: &StateKey) -> ExecutionError {
    ExecutionError::StateValue {
        key: String::from_utf8_lossy(key.as_bytes()).into_owned(),
    }
}

/// One block in execution.
struct BlockRun<'a> {
    chaincodes: &'a mut Chaincodes,
    signatures: &'a SignatureCache,
    config: &'a NetworkConfig,
    network: Digest,
    height: u64,
    time_nano: i64,
    /// One instance per chaincode and block, under its name.
    sessions: HashMap<Arc<str>, Session<CallHost>>,
    /// Lent to the session that runs a call; always here in between.
    overlay: Option<Overlay>,
    results: Vec<TransactionResult>,
}

impl BlockRun<'_> {
    fn overlay(&mut self) -> &mut Overlay {
        self.overlay
            .get_or_insert_with(|| unreachable!("a session gives the overlay back or the block fails"))
    }

    /// Commits to the header below, and so to all below that: any two headers can be shown to be of one chain.
    fn append_header(&mut self, previous: &Header) -> Result<(), ExecutionError> {
        let key = StateKey::headers();
        let mut head = match self.overlay().get(&key)? {
            Some(bytes) => LogHead::decode(&bytes)?,
            None => LogHead::default(),
        };
        head.append(previous.digest());
        self.overlay().put_system(key, head.encode());
        Ok(())
    }

    /// Puts certificates on the ledger that are not there yet. One that the configuration does not trust is
    /// left out: whatever it signed is refused for want of it.
    fn register_certificates(&mut self, certificates: &[Vec<u8>]) -> Result<(), ExecutionError> {
        for der in certificates {
            let Ok(certificate) = Certificate::parse(der) else {
                continue;
            };
            let key = StateKey::certificate(&certificate.digest());
            let trusted = certificate.check(self.config, self.time_nano).is_ok();
            if trusted && self.overlay().get(&key)?.is_none() {
                self.overlay().put_system(key, der.clone());
            }
        }
        Ok(())
    }

    fn envelope(&mut self, envelope: &Arc<Envelope>, inspection: &Inspection) -> Result<(), ExecutionError> {
        if let Err(refused) = self.judge(envelope, inspection)? {
            self.results.push(TransactionResult {
                id: envelope.digest(),
                code: refused.code,
                fuel: 0,
                output: refused.reason.into_bytes(),
            });
            return Ok(());
        }
        let mut calls = Calls::new(envelope, self.height, self.time_nano);
        match &**envelope {
            Envelope::Batch(batch) => {
                let ids = batch.header.transaction_ids();
                for ((call, argument), index) in batch.calls.iter().zip(&inspection.arguments).zip(0u32..) {
                    self.transaction(&mut calls, ids.at(index), call, *argument)?;
                }
            }
            Envelope::Request(request) => {
                for argument in &inspection.arguments {
                    let id = request.header.transaction_id();
                    self.transaction(&mut calls, id, &request.call, *argument)?;
                }
            }
        }
        Ok(())
    }

    /// Judges an envelope as a whole, and takes its place in the sender's sequence if it is good.
    fn judge(
        &mut self,
        envelope: &Envelope,
        inspection: &Inspection,
    ) -> Result<Result<(), Refused>, ExecutionError> {
        let digest = envelope.signature().certificate;
        let der = self.overlay().get(&StateKey::certificate(&digest))?;
        let certificate = der.as_deref().map(Certificate::parse);
        let Some(Ok(certificate)) = certificate else {
            return Ok(Err(Refused {
                code: ValidationCode::BadCreatorSignature,
                reason: format!(
                    "certificate {digest} is not on the ledger and did not come with the proposal"
                ),
            }));
        };
        let (network, config, time_nano) = (&self.network, self.config, self.time_nano);
        let checked = check_envelope(envelope, inspection, &certificate, network, config, time_nano)
            .and_then(|()| {
                self.signatures
                    .verify(&envelope.signed_digest(), envelope.signature(), &certificate)
                    .map_err(|error| Refused {
                        code: ValidationCode::BadCreatorSignature,
                        reason: error.to_string(),
                    })
            });
        if checked.is_err() {
            return Ok(checked);
        }
        match envelope {
            Envelope::Batch(batch) => {
                let key = StateKey::sender(&batch.header.sender);
                let head = match self.overlay().get(&key)? {
                    Some(bytes) => SenderHead::decode(&bytes)?,
                    None => SenderHead::default(),
                };
                if let Err(refused) = head.check_next(&batch.header) {
                    return Ok(Err(refused));
                }
                self.overlay()
                    .put_system(key, SenderHead::after(&batch.header).encode());
            }
            Envelope::Request(request) => {
                let key = StateKey::request(&request.header.transaction_id());
                let known = self.overlay().get(&key)?.is_some();
                if let Err(refused) = self.judge_request(request.header.expires_at, known) {
                    return Ok(Err(refused));
                }
                let height = self.height.to_be_bytes().to_vec();
                self.overlay().put_system(key, height);
            }
        }
        Ok(Ok(()))
    }

    fn judge_request(&self, expires_at: u64, known: bool) -> Result<(), Refused> {
        let refuse = |code, reason: String| Err(Refused { code, reason });
        if known {
            return refuse(
                ValidationCode::DuplicateTxid,
                "the request is already on the ledger".to_owned(),
            );
        }
        if expires_at < self.height {
            let reason = format!("its last height is {expires_at}, this is height {}", self.height);
            return refuse(ValidationCode::Expired, reason);
        }
        let latest = self
            .height
            .saturating_add(self.config.limits.request_lifetime_blocks);
        if expires_at > latest {
            let reason = format!("its last height {expires_at} is too far ahead: at most {latest}");
            return refuse(ValidationCode::BadPayload, reason);
        }
        Ok(())
    }

    fn transaction(
        &mut self,
        calls: &mut Calls,
        id: Digest,
        call: &Call,
        argument: Digest,
    ) -> Result<(), ExecutionError> {
        let index = u32::try_from(self.results.len()).unwrap_or(u32::MAX);
        let argument = calls.next(id, index, argument);
        let (code, fuel, output) = match self.run(calls, argument, call)? {
            Some(Outcome::Accepted { output, fuel }) => {
                self.overlay().keep_call(&calls.provenance);
                (ValidationCode::Valid, fuel, output)
            }
            Some(Outcome::Rejected { message, fuel }) => {
                (ValidationCode::ContractRejected, fuel, message.into_bytes())
            }
            Some(Outcome::Failed { kind, fuel, detail }) => (code_of(kind), fuel, detail.into_bytes()),
            None => {
                let reason = format!("no chaincode `{}` is active", call.chaincode);
                (ValidationCode::ExpiredChaincode, 0, reason.into_bytes())
            }
        };
        self.overlay().reset_call();
        self.results.push(TransactionResult {
            id,
            code,
            fuel,
            output,
        });
        Ok(())
    }

    /// Runs a call; `None` if no such chaincode is active.
    fn run(
        &mut self,
        calls: &Calls,
        argument: (SharedArgument, Digest),
        call: &Call,
    ) -> Result<Option<Outcome>, ExecutionError> {
        let name = match self.sessions.get_key_value(call.chaincode.as_str()) {
            Some((name, _)) => name.clone(),
            None => {
                let Some(admitted) = self.chaincodes.active(&call.chaincode, self.config)? else {
                    return Ok(None);
                };
                let limits = crate::host::call_limits(&self.config.limits);
                let session = self.chaincodes.runtime.session(&admitted, limits)?;
                let name: Arc<str> = call.chaincode.as_str().into();
                self.sessions.insert(name.clone(), session);
                name
            }
        };
        let (Some(session), Some(overlay)) = (self.sessions.get_mut(&name), self.overlay.take()) else {
            return Ok(None);
        };
        let host = CallHost::new(overlay, name, calls.provenance.clone(), argument);
        let (outcome, host) = session.invoke(host, &calls.context, &call.function, &call.argument)?;
        self.overlay = Some(host.into_overlay());
        Ok(Some(outcome))
    }

    fn finish(self) -> (Writes, HeadCache, Vec<TransactionResult>) {
        let finished = self.overlay.map(Overlay::finish);
        let (writes, heads) =
            finished.unwrap_or_else(|| unreachable!("a session gives the overlay back or the block fails"));
        (writes, heads, self.results)
    }
}

/// What the calls of one envelope have in common, and where the current one stands.
struct Calls {
    envelope: Arc<Envelope>,
    context: CallContext,
    provenance: Provenance,
    /// Number of the next call.
    next: usize,
}

impl Calls {
    fn new(envelope: &Arc<Envelope>, height: u64, block_time_nano: i64) -> Self {
        let sender = envelope.sender();
        Self {
            envelope: envelope.clone(),
            context: CallContext {
                transaction_id: Vec::new(),
                sender: sender.name.clone(),
                actor: sender.actor.clone(),
                role: sender.role.as_str().to_owned(),
                height,
                block_time_nano,
            },
            provenance: Provenance {
                transaction: Digest::ZERO,
                sender: Arc::new(sender.clone()),
                height,
                index: 0,
                block_time_nano,
            },
            next: 0,
        }
    }

    /// Goes on to the next call; returns its argument.
    fn next(&mut self, id: Digest, index: u32, argument: Digest) -> (SharedArgument, Digest) {
        self.context.transaction_id.clear();
        self.context.transaction_id.extend_from_slice(id.as_bytes());
        (self.provenance.transaction, self.provenance.index) = (id, index);
        let shared = SharedArgument::new(self.envelope.clone(), self.next);
        self.next += 1;
        (shared, argument)
    }
}

fn code_of(failure: Failure) -> ValidationCode {
    match failure {
        Failure::Trapped => ValidationCode::Trapped,
        Failure::OutOfFuel => ValidationCode::OutOfFuel,
        Failure::OutOfMemory => ValidationCode::OutOfMemory,
        Failure::StackOverflow => ValidationCode::StackOverflow,
        Failure::OutputTooLarge => ValidationCode::OutputTooLarge,
        Failure::WriteLimit => ValidationCode::WriteLimit,
        Failure::IllegalAccess => ValidationCode::IllegalAccess,
    }
}
