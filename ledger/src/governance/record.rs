use super::GovernanceProposal;
use crate::admission::Refused;
use crate::canonical::Canonical;
use crate::code::ValidationCode;
use crate::config::NetworkConfig;
use crate::hash::Digest;
use crate::member::Member;
use crate::policy::Policy;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An actor's decision about a proposal.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Vote {
    /// The admin that signed it.
    pub member: Member,
    /// The transaction: its receipt holds the signature.
    pub transaction: Digest,
    /// Height of its block.
    pub height: u64,
    /// Whether it approves.
    pub approves: bool,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum ProposalStatus {
    /// The actors decide; it may have expired, if nothing was decided since.
    Open,
    /// Its changes were made.
    Active {
        /// First height that they are in force at.
        from_height: u64,
    },
    /// So many have rejected it that its policy cannot be met.
    Rejected {
        /// Height of the last rejection.
        height: u64,
    },
    /// It was approved, and could not be put in force.
    Failed {
        /// Height at which that was tried.
        height: u64,
        /// Kind of failure.
        code: ValidationCode,
        /// What went wrong.
        why: String,
    },
    /// Its last height passed.
    Expired,
    /// It is approved, and comes into force when its contracts are prepared.
    Preparing {
        /// Height at which it was approved.
        since: u64,
        /// Calls of `prepare` so far.
        steps: u64,
    },
}

/// What the policy says of the decisions so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not met, and can be.
    Undecided,
    /// It is met.
    Approved,
    /// It cannot be met any more.
    Rejected,
}

/// A proposal on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ProposalRecord {
    /// What is proposed.
    pub proposal: GovernanceProposal,
    /// Who proposed it.
    pub proposer: Member,
    /// The actors' decisions, by actor; the proposer's among them.
    pub votes: BTreeMap<String, Vote>,
    /// What became of it.
    pub outcome: ProposalStatus,
}

impl Canonical for ProposalRecord {
    const WHAT: &'static str = "proposal record";
}

impl ProposalRecord {
    /// Whether the actors can still decide at this height.
    pub fn is_open(&self, height: u64) -> bool {
        self.outcome == ProposalStatus::Open && height <= self.proposal.expires_at
    }

    /// Takes an actor's decision.
    ///
    /// # Errors
    /// It is closed or has expired, the actor has decided before, or has no say.
    pub fn vote(&mut self, vote: Vote, config: &NetworkConfig) -> Result<(), Refused> {
        let undecided = matches!(self.outcome, ProposalStatus::Open | ProposalStatus::Expired);
        if !undecided {
            return Err(Refused {
                code: ValidationCode::ProposalClosed,
                reason: format!("the proposal is decided: {}", self.status_at(vote.height)),
            });
        }
        if vote.height > self.proposal.expires_at {
            return Err(Refused {
                code: ValidationCode::ProposalExpired,
                reason: format!(
                    "the proposal could be decided up to height {}, this is height {}: propose it anew",
                    self.proposal.expires_at, vote.height
                ),
            });
        }
        may_decide(&vote.member, config)?;
        if let Some(earlier) = self.votes.get(&vote.member.actor) {
            return Err(Refused {
                code: ValidationCode::AlreadyDecided,
                reason: format!(
                    "{} has {} the proposal for `{}` at height {}: an actor decides once",
                    earlier.member,
                    if earlier.approves { "approved" } else { "rejected" },
                    vote.member.actor,
                    earlier.height
                ),
            });
        }
        self.votes.insert(vote.member.actor.clone(), vote);
        Ok(())
    }

    /// What the lifecycle policy says of it. Only actors that vote now count.
    ///
    /// An actor's removal cannot wait for that actor: the policy is met by the others, but never by fewer than a majority
    /// of all, or half of the actors could throw the others out. An actor alone decides about its own peer: where that is
    /// found, and that one with an empty disk takes its place (DESIGN section 7).
    pub fn verdict(&self, config: &NetworkConfig) -> Verdict {
        let voters: Vec<&str> = config.voters().map(|(actor, _)| actor.name.as_str()).collect();
        if let Some(owner) = self.proposal.owner()
            && self.said(owner) == Some(true)
            && voters.contains(&owner)
        {
            return Verdict::Approved;
        }
        let leaving = self.proposal.leaving();
        let others: Vec<&str> = voters
            .iter()
            .copied()
            .filter(|actor| !leaving.contains(actor))
            .collect();
        let of_others = config.lifecycle.required(others.len());
        let (of_others, of_all) = match leaving.is_empty() {
            true => (of_others, 0),
            false => (
                of_others.min(others.len()),
                Policy::Majority.required(voters.len()),
            ),
        };
        let count = |actors: &[&str], approves| {
            let said = actors.iter().filter(|actor| self.said(actor) == Some(approves));
            said.count()
        };
        if count(&others, true) >= of_others && count(&voters, true) >= of_all {
            Verdict::Approved
        } else if others.len() < of_others + count(&others, false)
            || voters.len() < of_all + count(&voters, false)
        {
            Verdict::Rejected
        } else {
            Verdict::Undecided
        }
    }

    /// What an actor has decided.
    fn said(&self, actor: &str) -> Option<bool> {
        self.votes.get(actor).map(|vote| vote.approves)
    }

    /// Actors whose decision is still open.
    pub fn undecided<'a>(&'a self, config: &'a NetworkConfig) -> impl Iterator<Item = &'a str> {
        let voters = config.voters().map(|(actor, _)| actor.name.as_str());
        voters.filter(|actor| !self.votes.contains_key(*actor))
    }

    /// What became of it, as of a height: one or a few words.
    pub fn status_at(&self, height: u64) -> String {
        match &self.outcome {
            ProposalStatus::Open if height <= self.proposal.expires_at => "open".to_owned(),
            ProposalStatus::Open | ProposalStatus::Expired => "expired".to_owned(),
            ProposalStatus::Active { from_height } => format!("active from height {from_height}"),
            ProposalStatus::Rejected { .. } => "rejected".to_owned(),
            ProposalStatus::Failed {
                code: ValidationCode::ProposalSuperseded,
                ..
            } => "superseded".to_owned(),
            ProposalStatus::Failed { .. } => "failed".to_owned(),
            ProposalStatus::Preparing { since, steps } => {
                format!("preparing since height {since}, {steps} steps done")
            }
        }
    }
}

/// Whether a member's actor has a say in the network's changes; its role was judged with its envelope.
///
/// # Errors
/// `ROLE_NOT_ALLOWED`.
pub fn may_decide(member: &Member, config: &NetworkConfig) -> Result<(), Refused> {
    if config.voters().any(|(actor, _)| actor.name == member.actor) {
        return Ok(());
    }
    Err(Refused {
        code: ValidationCode::RoleNotAllowed,
        reason: format!(
            "actor `{}` does not vote, so it has no say in changes",
            member.actor
        ),
    })
}

/// Closed proposals that the index names.
const CLOSED: usize = 64;

/// Which proposals there are, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposalIndex {
    /// Those that are open; some may have expired, if nothing was proposed since.
    pub open: BTreeSet<Digest>,
    /// The last 64 that were closed, the newest last.
    pub closed: Vec<Digest>,
}

impl Canonical for ProposalIndex {
    const WHAT: &'static str = "index of proposals";
}

impl ProposalIndex {
    /// A proposal is closed.
    pub fn close(&mut self, id: &Digest) {
        if self.open.remove(id) {
            self.closed.push(*id);
            let surplus = self.closed.len().saturating_sub(CLOSED);
            self.closed.drain(..surplus);
        }
    }
}
