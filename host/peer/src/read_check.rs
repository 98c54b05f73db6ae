//! What a query has read is compared with what the state commits to, before its answer leaves.

use crate::chain::{Chain, ChainError};
use crate::chain_thread::ChainThread;
use crate::node::{Executed, Node};
use crate::proofs::{NoProof, damaged_log};
use crate::soundness::{Unsound, sound_block};
use e2l_execution::{ExecutionError, ReadRun, Reads};
use e2l_ledger::StateKey;
use e2l_ledger::proof::{prove_range_with, verify_range};
use e2l_store::{StoreError, View};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys compared at a time: blocks are executed in between.
const AT_ONCE: usize = 512;

/// Checks all that a query has read as of `at`, a final height.
///
/// # Errors
/// Something is not what was executed; it cannot be checked now.
pub async fn check_reads(
    node: &Arc<Node>,
    chain: &ChainThread,
    at: &Arc<Executed>,
    reads: Reads,
) -> Result<(), Unsound> {
    let height = at.header.height;
    if let Some(key) = reads.unsteady {
        let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
        return Err(ChainError::from(ExecutionError::StateValue { key }).into());
    }
    let values: Vec<_> = reads.values.into_iter().collect();
    for part in values.chunks(AT_ONCE) {
        let part = part.to_vec();
        on_chain(chain, move |chain| chain.check_values(height, &part)).await?;
    }
    if reads.scanned {
        check_keys(chain, at).await?;
    }
    let (node, at) = (node.clone(), at.clone());
    let checked =
        tokio::task::spawn_blocking(move || check_runs(&node, &at.view, &reads.runs, &reads.heights));
    checked.await.map_err(|_| ChainError::Stopped)?
}

/// A damaged record that ended a query, as damage of what it belongs to.
pub fn damaged_read(error: StoreError, log: Option<StateKey>) -> Unsound {
    if let StoreError::Corrupt { column: "state", .. } = &error {
        return NoProof::DamagedState(error.to_string()).into();
    }
    match (error.damaged_height(), log) {
        (None, Some(log)) => damaged_log(&log, &error).into(),
        _ => error.into(),
    }
}

async fn on_chain<T: Send + 'static>(
    chain: &ChainThread,
    work: impl FnOnce(&Chain) -> Result<T, ChainError> + Send + 'static,
) -> Result<T, NoProof> {
    let done = chain.run(move |chain| work(chain)).await;
    Ok(done.map_err(|_| ChainError::Stopped)??)
}

/// No key is missing and none is there too many. The map holds hashes of keys and cannot say which lie in a range, so
/// all are looked at.
async fn check_keys(chain: &ChainThread, at: &Arc<Executed>) -> Result<(), Unsound> {
    let height = at.header.height;
    let (mut next, end) = (
        StateKey::from_bytes(Vec::new()),
        StateKey::from_bytes(vec![u8::MAX]),
    );
    let mut found = 0;
    loop {
        let (view, from, end) = (at.view.clone(), next, end.clone());
        let read = tokio::task::spawn_blocking(move || view.scan(&from, &end, AT_ONCE));
        let pairs = read.await.map_err(|_| ChainError::Stopped)??;
        let keys: Vec<StateKey> = pairs.into_iter().map(|(key, _)| key).collect();
        let Some(last) = keys.last() else { break };
        next = StateKey::from_bytes([last.as_bytes(), &[0]].concat());
        found += keys.len();
        on_chain(chain, move |chain| chain.check_keys(height, &keys)).await?;
    }
    let expected = on_chain(chain, move |chain| chain.keys_at(height)).await?;
    if found == expected {
        return Ok(());
    }
    let missing = ExecutionError::StateKeys {
        height,
        expected,
        found,
    };
    Err(ChainError::from(missing).into())
}

/// The heads of these logs are those that the state commits to: so must the entries be.
fn check_runs(node: &Node, view: &View, runs: &[ReadRun], heights: &BTreeSet<u64>) -> Result<(), Unsound> {
    for run in runs {
        if is_of_log(node, view, run)? {
            continue;
        }
        node.logs.forget(&run.log);
        // Entries read their values from blocks, whose damage is their own.
        for height in heights {
            if let Err(damaged @ Unsound::Damaged { .. }) = sound_block(node, *height) {
                return Err(damaged);
            }
        }
        let why = format!(
            "its entries from {} to {} are not those that the state commits to",
            run.from, run.end
        );
        return Err(damaged_log(&run.log, &why).into());
    }
    Ok(())
}

fn is_of_log(node: &Node, view: &View, run: &ReadRun) -> Result<bool, Unsound> {
    if run.entries.len() as u64 != run.end - run.from {
        return Ok(false);
    }
    if run.from >= run.head.length {
        return Ok(true);
    }
    let root = |positions| node.logs.root(view, &run.log, positions);
    let beside = prove_range_with(run.head.length, run.from..run.end, root)
        .map_err(|error| damaged_read(error, Some(run.log.clone())))?;
    Ok(verify_range(&run.head, run.from, &run.entries, &beside))
}
