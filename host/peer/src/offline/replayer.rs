//! Executes blocks again, in a ledger of its own that is thrown away.

use super::{OfflineError, read_genesis};
use crate::components::ComponentDirectory;
use e2l_client::pipe::{Frame, read_frame, write_frame};
use e2l_execution::{ExecutionError, Executor, is_preparing};
use e2l_ledger::{Block, Canonical, Genesis, Header, InspectedProposal, NetworkConfig};
use e2l_runtime::Runtime;
use e2l_store::{BlockWrite, LedgerStore, StoreOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Executes the blocks that come through `blocks`, from the genesis on, with the components in `chaincode_dir`; answers
/// each with its height, or with the first thing that execution gives otherwise, and then ends. Must run on a thread
/// with the stack that contracts need.
///
/// # Errors
/// A component is missing or is not the agreed one; a pipe or the disk fails.
pub fn replay(
    genesis: &Path,
    chaincode_dir: &Path,
    blocks: &mut impl Read,
    answers: &mut impl Write,
) -> Result<(), OfflineError> {
    let scratch = tempfile::tempdir()?;
    let mut replayer = Replayer::new(read_genesis(genesis)?, scratch.path(), chaincode_dir)?;
    while let Some(frame) = read_frame(blocks)? {
        let Frame::Block(bytes) = frame else { continue };
        let answer = match Block::decode(&bytes) {
            Ok(block) => replayer.block(block)?,
            Err(error) => Some(error.to_string()),
        };
        let answer = answer.map_or(Frame::Height(replayer.tip.height), Frame::Finding);
        write_frame(answers, &answer)?;
        answers.flush()?;
        if let Frame::Finding(_) = answer {
            break;
        }
    }
    Ok(())
}

struct Replayer {
    store: LedgerStore,
    executor: Executor,
    config: NetworkConfig,
    tip: Header,
}

impl Replayer {
    fn new(genesis: Genesis, scratch: &Path, chaincode_dir: &Path) -> Result<Self, OfflineError> {
        let store = LedgerStore::open(&scratch.join("ledger"), &StoreOptions::default())?;
        store.initialize(&genesis)?;
        let runtime = Arc::new(Runtime::new().map_err(ExecutionError::from)?);
        let components = Arc::new(ComponentDirectory::new(chaincode_dir.to_owned()));
        let mut executor = Executor::new(&store, runtime, components, Arc::default())?;
        executor.prepare(&genesis.config, &store.view())?;
        Ok(Self {
            tip: genesis.header(),
            config: genesis.config,
            store,
            executor,
        })
    }

    /// Executes the next block; says what differs.
    fn block(&mut self, block: Block) -> Result<Option<String>, OfflineError> {
        let base = Arc::new(self.store.view());
        if block.proposal.envelopes.is_empty() && !is_preparing(&base)? {
            let height = block.header.height;
            return Ok(Some(format!(
                "block {height} is empty, and no preparation is under way that needs it"
            )));
        }
        let proposal = InspectedProposal::of(block.proposal);
        let execution = self.executor.execute(proposal, &self.tip, &self.config, base)?;
        let height = block.header.height;
        let results = execution.block.results.iter().zip(&block.results);
        if let Some((index, (own, recorded))) =
            results.enumerate().find(|(_, (own, recorded))| own != recorded)
        {
            return Ok(Some(format!(
                "block {height}, transaction {} at index {index}: executing it gives {}, recorded is {}",
                own.id, own.code, recorded.code
            )));
        }
        if execution.block.header != block.header {
            return Ok(Some(difference(&execution.block.header, &block.header)));
        }
        self.store.write_block(&BlockWrite {
            block: &execution.block,
            state: execution.writes.state,
            logs: execution.writes.logs,
            packed: execution.packed,
            raft_applied: &[],
            acknowledges: false,
            endorsement: None,
        })?;
        self.tip = execution.block.header;
        if let Some(config) = execution.next_config {
            self.config = config;
        }
        Ok(None)
    }
}

fn difference(own: &Header, recorded: &Header) -> String {
    let height = recorded.height;
    if own.state_root != recorded.state_root {
        return format!(
            "block {height}: executing it gives state root {}, recorded is {}",
            own.state_root, recorded.state_root
        );
    }
    format!(
        "block {height}: executing it gives header {}, recorded is {}",
        own.digest(),
        recorded.digest()
    )
}
