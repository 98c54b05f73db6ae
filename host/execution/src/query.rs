//! Answers queries: the contract's query functions, over the state of one height.

use crate::chaincodes::{Chaincodes, Components};
use crate::error::ExecutionError;
use crate::host::query_limits;
use crate::query_host::{QueryHost, Reads};
use e2l_ledger::{ChaincodeDefinition, Digest, Header, Member, NetworkConfig, StateKey};
use e2l_runtime::{Admitted, CallContext, HostError, Outcome, Runtime, RuntimeError};
use e2l_store::{StoreError, View};
use parking_lot::Mutex;
use std::sync::Arc;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No such chaincode.
    #[error("no chaincode `{0}` is active: `e2l chaincode list` shows those that are")]
    UnknownChaincode(String),
    /// The contract refused.
    #[error("the contract refuses: {0}")]
    Rejected(String),
    /// The contract failed.
    #[error("the contract failed: {0}")]
    Failed(String),
    /// The peer failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct QueryCall {
    /// Name of the chaincode.
    pub chaincode: String,
    /// Its query function.
    pub function: String,
    /// What the function is given.
    pub argument: Vec<u8>,
}

/// Runs queries; shared by threads. Needs the stack of [`e2l_runtime::REQUIRED_STACK_BYTES`].
pub struct QueryRunner {
    runtime: Arc<Runtime>,
    chaincodes: Mutex<Chaincodes>,
}

impl QueryRunner {
    /// A runner with its own table of admitted chaincodes.
    pub fn new(runtime: Arc<Runtime>, components: Arc<dyn Components>) -> Self {
        Self {
            runtime: runtime.clone(),
            chaincodes: Mutex::new(Chaincodes::new(runtime, components)),
        }
    }

    /// The active chaincode of that name.
    ///
    /// # Errors
    /// None is active, or its component is not usable here.
    pub fn admitted(
        &self,
        name: &str,
        config: &NetworkConfig,
        view: &View,
    ) -> Result<Arc<Admitted>, QueryError> {
        let state = |key: &StateKey| view.get(key);
        let admitted = self.chaincodes.lock().active(name, config, &state)?;
        admitted.ok_or_else(|| QueryError::UnknownChaincode(name.to_owned()))
    }

    /// The bytes of a definition's component, wherever they are kept.
    ///
    /// # Errors
    /// They are not here, or not the signed ones.
    pub fn component(
        &self,
        definition: &ChaincodeDefinition,
        view: &View,
    ) -> Result<Vec<u8>, ExecutionError> {
        let state = |key: &StateKey| view.get(key);
        self.chaincodes.lock().signed_bytes(definition, &state)
    }

    /// Calls a query function on the state `view`, whose height has `header`. Nothing that it answers is to be believed,
    /// a refusal neither, before what it has read is checked.
    pub fn query(
        &self,
        view: Arc<View>,
        header: &Header,
        config: &NetworkConfig,
        caller: &Member,
        call: &QueryCall,
    ) -> (Result<Vec<u8>, QueryError>, Reads) {
        let reads = Arc::default();
        let host = QueryHost::new(Arc::clone(&view), &call.chaincode, Arc::clone(&reads));
        let answer = self.run(host, &view, header, config, caller, call);
        let reads = std::mem::take(&mut *reads.lock());
        (answer, reads)
    }

    fn run(
        &self,
        host: QueryHost,
        view: &View,
        header: &Header,
        config: &NetworkConfig,
        caller: &Member,
        call: &QueryCall,
    ) -> Result<Vec<u8>, QueryError> {
        let admitted = self.admitted(&call.chaincode, config, view)?;
        let session = self.runtime.session(&admitted, query_limits(&config.limits));
        let mut session = session.map_err(ExecutionError::from)?;
        let context = CallContext {
            transaction_id: Digest::ZERO.0.to_vec(),
            sender: caller.name.clone(),
            actor: caller.actor.clone(),
            role: caller.role.as_str().to_owned(),
            height: header.height,
            block_time_nano: header.time_nano,
        };
        let (outcome, _) = session
            .query(host, &context, &call.function, &call.argument)
            .map_err(of_host)?;
        match outcome {
            Outcome::Accepted { output, .. } => Ok(output),
            Outcome::Rejected { message, .. } => Err(QueryError::Rejected(message)),
            Outcome::Failed { kind, detail, .. } => Err(QueryError::Failed(format!("{kind:?}: {detail}"))),
        }
    }
}

/// The store's own error, where that is why the engine stopped.
fn of_host(error: RuntimeError) -> ExecutionError {
    match error {
        RuntimeError::Host(HostError(source)) => match source.downcast::<StoreError>() {
            Ok(store) => ExecutionError::Store(*store),
            Err(source) => RuntimeError::Host(HostError(source)).into(),
        },
        error => error.into(),
    }
}
