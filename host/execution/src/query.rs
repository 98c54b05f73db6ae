//! Answers queries: the contract's query functions, over the state of one height.

use crate::error::ExecutionError;
use crate::executor::{Chaincodes, Components};
use crate::head_cache::HeadCache;
use crate::host::{CallHost, query_limits};
use crate::overlay::Overlay;
use e2l_ledger::{Digest, Header, Member, NetworkConfig, Provenance};
use e2l_runtime::{Admitted, CallContext, Outcome, Runtime};
use e2l_store::View;
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
    pub fn admitted(&self, name: &str, config: &NetworkConfig) -> Result<Arc<Admitted>, QueryError> {
        let admitted = self.chaincodes.lock().active(name, config)?;
        admitted.ok_or_else(|| QueryError::UnknownChaincode(name.to_owned()))
    }

    /// Calls a query function on the state `view`, whose height has `header`.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn query(
        &self,
        view: Arc<View>,
        header: &Header,
        config: &NetworkConfig,
        caller: &Member,
        (chaincode, function, argument): (&str, &str, &[u8]),
    ) -> Result<Vec<u8>, QueryError> {
        let admitted = self.admitted(chaincode, config)?;
        let session = self.runtime.session(&admitted, query_limits(&config.limits));
        let mut session = session.map_err(ExecutionError::from)?;
        let provenance = Provenance {
            transaction: Digest::ZERO,
            sender: Arc::new(caller.clone()),
            height: header.height,
            index: 0,
            block_time_nano: header.time_nano,
        };
        let context = CallContext {
            transaction_id: Digest::ZERO.0.to_vec(),
            sender: caller.name.clone(),
            actor: caller.actor.clone(),
            role: caller.role.as_str().to_owned(),
            height: header.height,
            block_time_nano: header.time_nano,
        };
        let host = CallHost::new(
            Overlay::new(view, HeadCache::default()),
            chaincode.into(),
            provenance,
            None,
        );
        let (outcome, _) = session
            .query(host, &context, function, argument)
            .map_err(ExecutionError::from)?;
        match outcome {
            Outcome::Accepted { output, .. } => Ok(output),
            Outcome::Rejected { message, .. } => Err(QueryError::Rejected(message)),
            Outcome::Failed { kind, detail, .. } => Err(QueryError::Failed(format!("{kind:?}: {detail}"))),
        }
    }
}
