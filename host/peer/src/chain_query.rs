//! Runs contract queries on threads with the stack they need, a few at a time.

use crate::node::{Executed, Node};
use e2l_client::wire::refusal::Reason;
use e2l_client::{refusal, refusal_status};
use e2l_execution::{QueryCall, QueryError, QueryRunner, Reads};
use e2l_ledger::{ChaincodeDefinition, Member};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};
use tonic::Status;

/// Queries that run at once; more wait.
const AT_ONCE: usize = 4;

/// Hands queries to threads.
#[derive(Clone)]
pub struct QueryThreads {
    runner: Arc<QueryRunner>,
    node: Arc<Node>,
    permits: Arc<Semaphore>,
}

impl QueryThreads {
    /// Queries run by `runner`.
    pub fn new(runner: Arc<QueryRunner>, node: Arc<Node>) -> Self {
        Self {
            runner,
            node,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Calls a query function at a height, under the configuration that is in force after it. What it answers is to be checked: see [`crate::read_check`].
    ///
    /// # Errors
    /// The call is over a limit; this peer cannot run it.
    pub async fn run(
        &self,
        at: Arc<Executed>,
        caller: Member,
        call: QueryCall,
    ) -> Result<(Result<Vec<u8>, QueryError>, Reads), Status> {
        let config = self.node.anchor.config_at(at.header.height.saturating_add(1));
        let limit = config.limits.argument_max_bytes;
        let length = call.argument.len();
        if length as u64 > limit {
            let message = format!("the argument has {length} bytes, at most {limit} are accepted");
            return Err(refusal_status(&refusal(Reason::Malformed, message)));
        }
        self.on_thread(move |runner| runner.query(at.view.clone(), &at.header, &config, &caller, &call))
            .await
    }

    /// What a chaincode says of itself.
    ///
    /// # Errors
    /// None of that name is active, or it fails.
    pub async fn describe(&self, name: &str) -> Result<e2l_runtime::Description, Status> {
        let (name, config) = (name.to_owned(), self.node.config());
        let view = self.node.newest().view;
        let described = self.on_thread(move |runner| {
            let admitted = runner.admitted(&name, &config, &view)?;
            admitted
                .describe()
                .map_err(|error| QueryError::Failed(error.to_string()))
        });
        described.await?.map_err(query_status)
    }

    /// The bytes of a definition's component.
    ///
    /// # Errors
    /// They are not here, or not the signed ones.
    pub async fn component(&self, definition: ChaincodeDefinition) -> Result<Vec<u8>, Status> {
        let view = self.node.newest().view;
        let component = self.on_thread(move |runner| runner.component(&definition, &view));
        component
            .await?
            .map_err(|error| query_status(QueryError::Execution(error)))
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&QueryRunner) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let stopping = |_| Status::unavailable("this peer is stopping: ask another");
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| stopping(()))?;
        let (sender, receiver) = oneshot::channel();
        let runner = self.runner.clone();
        std::thread::Builder::new()
            .name("query".to_owned())
            .stack_size(e2l_runtime::REQUIRED_STACK_BYTES)
            .spawn(move || {
                // A caller that has gone needs no answer.
                let _ = sender.send(work(&runner));
                drop(permit);
            })
            .map_err(|error| {
                Status::unavailable(format!("this peer has no thread for the query: {error}"))
            })?;
        receiver.await.map_err(|_| stopping(()))
    }
}

/// Says whether the caller, the contract or this peer is at fault.
pub fn query_status(error: QueryError) -> Status {
    match error {
        QueryError::UnknownChaincode(_) => Status::not_found(error.to_string()),
        QueryError::Rejected(_) | QueryError::Failed(_) => Status::invalid_argument(error.to_string()),
        QueryError::Execution(error) => {
            tracing::error!(%error, "a query failed");
            Status::internal(format!("this peer cannot answer: {error}; ask another peer"))
        }
    }
}
