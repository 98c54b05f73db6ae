//! A contract's answer, which is given only if what it was made of is what the state commits to.

use super::ledger::unsound;
use crate::chain_query::{QueryThreads, query_status};
use crate::chain_thread::ChainThread;
use crate::node::{Executed, Node};
use crate::read_check::{check_reads, damaged_read};
use e2l_execution::{ExecutionError, QueryCall, QueryError};
use e2l_ledger::Member;
use std::sync::Arc;
use tonic::Status;

/// Runs a query at a height and checks what it read.
///
/// # Errors
/// What the caller is told: a refusal by the contract, or that something it read is damaged.
pub(crate) async fn checked_query(
    node: &Arc<Node>,
    chain: &ChainThread,
    queries: &QueryThreads,
    at: &Arc<Executed>,
    caller: Member,
    call: QueryCall,
) -> Result<Vec<u8>, Status> {
    let (answer, reads) = queries.run(at.clone(), caller, call).await?;
    if let Err(QueryError::Execution(ExecutionError::Store(error))) = &answer
        && error.is_damage()
    {
        let damaged = damaged_read(error.clone(), reads.failed_log);
        return Err(unsound(node, damaged));
    }
    // A refusal is an answer, too.
    check_reads(node, chain, at, reads)
        .await
        .map_err(|error| unsound(node, error))?;
    answer.map_err(query_status)
}
