//! The execution of one block: every envelope is judged, every transaction run.

use crate::activation::Approved;
use crate::chaincodes::Chaincodes;
use crate::error::ExecutionError;
use crate::governance::{Called, Governance};
use crate::head_cache::HeadCache;
use crate::host::CallHost;
use crate::overlay::{MapChange, Overlay, SharedArgument, Writes};
use crate::signatures::SignatureCache;
use e2l_ledger::governance::GOVERNANCE;
use e2l_ledger::{
    Call, Canonical, Certificate, Digest, Envelope, Header, Inspection, LogHead, NetworkConfig,
    ProposalHeader, Provenance, Refused, SenderHead, StateKey, TransactionResult, ValidationCode, check_code,
    check_envelope,
};
use e2l_runtime::{CallContext, Failure, Outcome, RejectionKind, Session};
use std::collections::HashMap;
use std::sync::Arc;

/// One block in execution.
pub(crate) struct BlockRun<'a> {
    pub(crate) chaincodes: &'a mut Chaincodes,
    signatures: &'a SignatureCache,
    pub(crate) config: &'a NetworkConfig,
    network: Digest,
    pub(crate) height: u64,
    pub(crate) time_nano: i64,
    /// One instance per chaincode and block, under its name.
    sessions: HashMap<Arc<str>, Session<CallHost>>,
    /// Lent to the session that runs a call; always here in between.
    pub(crate) overlay: Option<Overlay>,
    results: Vec<TransactionResult>,
    /// Proposals whose policy this block has met, in order.
    pub(crate) approved: Vec<Approved>,
    /// Actors whose peers have said in this block that they are ready to vote.
    pub(crate) ready: Vec<String>,
}

impl<'a> BlockRun<'a> {
    /// Begins the block of a proposal that comes after `previous`.
    pub(crate) fn new(
        chaincodes: &'a mut Chaincodes,
        signatures: &'a SignatureCache,
        config: &'a NetworkConfig,
        previous: &Header,
        proposal: &ProposalHeader,
        overlay: Overlay,
    ) -> Self {
        Self {
            chaincodes,
            signatures,
            config,
            network: previous.network,
            height: proposal.height,
            time_nano: proposal.time_nano,
            sessions: HashMap::new(),
            overlay: Some(overlay),
            results: Vec::new(),
            approved: Vec::new(),
            ready: Vec::new(),
        }
    }

    pub(crate) fn overlay(&mut self) -> &mut Overlay {
        self.overlay
            .get_or_insert_with(|| unreachable!("a session gives the overlay back or the block fails"))
    }

    /// Commits to the header below, and so to all below that: any two headers can be shown to be of one chain.
    pub(crate) fn append_header(&mut self, previous: &Header) -> Result<(), ExecutionError> {
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
    pub(crate) fn register_certificates(&mut self, certificates: &[Vec<u8>]) -> Result<(), ExecutionError> {
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

    /// Judges an envelope, and runs its transactions if it is good.
    pub(crate) fn envelope(
        &mut self,
        envelope: &Arc<Envelope>,
        inspection: &Inspection,
    ) -> Result<(), ExecutionError> {
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
                let follows = head.check_next(&batch.header);
                if let Err(refused) = follows.and_then(|()| check_code(&batch.header, config, time_nano)) {
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
        if call.chaincode == GOVERNANCE {
            return self.govern(&calls.provenance, call, argument.0);
        }
        let (code, fuel, output) = match self.run(calls, argument, call)? {
            Some(Outcome::Accepted { output, fuel }) => {
                self.overlay().keep_call(&calls.provenance);
                (ValidationCode::Valid, fuel, output)
            }
            Some(Outcome::Rejected { kind, message, fuel }) => {
                let code = match kind {
                    RejectionKind::Refused => ValidationCode::ContractRejected,
                    RejectionKind::Witness => ValidationCode::Witness,
                };
                (code, fuel, message.into_bytes())
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

    /// A call that proposes or decides changes of the network.
    fn govern(
        &mut self,
        caller: &Provenance,
        call: &Call,
        argument: SharedArgument,
    ) -> Result<(), ExecutionError> {
        let overlay = self
            .overlay
            .get_or_insert_with(|| unreachable!("a session gives the overlay back or the block fails"));
        let mut governance = Governance {
            overlay,
            chaincodes: self.chaincodes,
            config: self.config,
            caller,
        };
        let (code, output) = match governance.call(call)? {
            Ok(called) => {
                self.overlay().keep_call(caller);
                (ValidationCode::Valid, self.note(called, caller, argument))
            }
            Err(refused) => (refused.code, refused.reason),
        };
        self.overlay().reset_call();
        self.results.push(TransactionResult {
            id: caller.transaction,
            code,
            fuel: 0,
            output: output.into_bytes(),
        });
        Ok(())
    }

    /// Notes what the end of the block has to do after a call; returns what the call's result says.
    fn note(&mut self, called: Called, caller: &Provenance, argument: SharedArgument) -> String {
        match called {
            Called::Decided { proposal, approved } => {
                self.approved.extend(approved.then(|| Approved {
                    proposal,
                    caller: caller.clone(),
                    argument: Some(argument),
                }));
                proposal.to_string()
            }
            Called::Ready(actor) => {
                self.ready.push(actor.clone());
                actor
            }
        }
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
                let overlay = &self.overlay;
                let state = |key: &StateKey| overlay.as_ref().map_or(Ok(None), |overlay| overlay.get(key));
                let Some(admitted) = self.chaincodes.active(&call.chaincode, self.config, &state)? else {
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

    /// What the block writes and changes in the state map, the heads of its logs, and its results.
    pub(crate) fn finish(self) -> (Writes, Vec<MapChange>, HeadCache, Vec<TransactionResult>) {
        let finished = self.overlay.map(Overlay::finish);
        let (writes, changes, heads) =
            finished.unwrap_or_else(|| unreachable!("a session gives the overlay back or the block fails"));
        (writes, changes, heads, self.results)
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
        let provenance = Provenance {
            transaction: Digest::ZERO,
            sender: Arc::new(envelope.sender().clone()),
            height,
            index: 0,
            block_time_nano,
        };
        Self {
            envelope: envelope.clone(),
            context: context(&provenance),
            provenance,
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

/// What a contract learns of whose call it runs.
pub(crate) fn context(caller: &Provenance) -> CallContext {
    let sender = &caller.sender;
    CallContext {
        transaction_id: caller.transaction.as_bytes().to_vec(),
        sender: sender.name.clone(),
        actor: sender.actor.clone(),
        role: sender.role.as_str().to_owned(),
        height: caller.height,
        block_time_nano: caller.block_time_nano,
    }
}

pub(crate) fn code_of(failure: Failure) -> ValidationCode {
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
