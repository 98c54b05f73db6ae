//! How the actors change together what the ledger does: contracts and configuration (DESIGN section 7).
//!
//! An admin proposes, the actors' admins approve or reject, and when the lifecycle policy is met the changes are in
//! force from the next height; contracts that export `prepare` come into force when they are prepared. All of it are calls to the chaincode [`GOVERNANCE`], which every peer executes by the
//! rules here and which no component can replace.

mod change;
mod preparation;
mod proposal;
mod record;

pub use change::{Change, NewActor, ProposedChange};
pub use preparation::{
    KEYS_PER_CLEARING, Preparation, PreparationPhase, Preparations, check_prepared_version, prepared_prefix,
};
pub use proposal::{CannotApply, Decision, GovernanceProposal, Proposing, decided_by};
pub use record::{
    ProposalIndex, ProposalRecord, ProposalStatus, Verdict, Vote as GovernanceVote, may_decide,
};

/// Name of the chaincode that changes the network; no contract can be deployed under it.
pub const GOVERNANCE: &str = "governance";

/// Bytes that a proposal may have besides its components.
pub const PROPOSAL_MAX_BYTES: u64 = 65_536;

/// Functions of [`GOVERNANCE`].
pub mod function {
    /// Proposes changes; the argument is a [`Proposing`](super::Proposing). The proposer's actor approves with it.
    pub const PROPOSE: &str = "propose";
    /// Approves a proposal; the argument is a [`Decision`](super::Decision).
    pub const APPROVE: &str = "approve";
    /// Rejects a proposal; the argument is a [`Decision`](super::Decision).
    pub const REJECT: &str = "reject";
    /// Says that the peer of an actor that is to vote has caught up with the others; signed by that peer itself. There is
    /// no argument. The actor votes from the next height on.
    pub const READY: &str = "ready";
}
