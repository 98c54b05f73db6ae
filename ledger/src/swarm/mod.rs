//! Whether a container is the Swarm task that its labels claim.
//!
//! Labels are set by whoever creates a container. Which tasks there are, and which container each has, only a Swarm's
//! managers know: their collectors put it on the ledger ([`TaskStatement`]). [`judge`] compares. It trusts managers'
//! collectors of the container's own actor only: nobody can deny another actor's containers.

mod claim;
mod judge;
mod task;

pub use claim::{Life, SwarmClaim};
pub use judge::{Judgement, SwarmVerdict, judge};
pub use task::{SwarmTask, TASKS_ACTION, TASKS_PER_PART, TaskStatement};
