//! Executes an ordered proposal: judges every envelope, runs every transaction in the contract's component,
//! and produces the same block on every peer. Knows no clock and no network; the state below comes from the
//! store, the time from the proposal.

mod activation;
mod ahead;
mod block_run;
mod chaincodes;
mod error;
mod executor;
mod governance;
mod head_cache;
mod host;
mod key_space;
mod overlay;
mod preparation;
mod proposal_check;
mod query;
mod query_host;
mod signatures;
mod state_history;

pub use chaincodes::Components;
pub use error::ExecutionError;
pub use executor::{Execution, Executor};
pub use overlay::Writes;
pub use proposal_check::{ChainTip, VoidProposal, check_chain, check_proposal, is_preparing};
pub use query::{QueryCall, QueryError, QueryRunner};
pub use query_host::{ReadRun, Reads};
pub use signatures::SignatureCache;
