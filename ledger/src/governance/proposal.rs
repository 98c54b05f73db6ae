use super::change::Change;
use super::{GOVERNANCE, ProposedChange, function};
use crate::batch::Call;
use crate::canonical::Canonical;
use crate::collector_code::COLLECTOR;
use crate::config::{ChaincodeDefinition, ConfigError, NetworkConfig};
use crate::hash::{Digest, Domain};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most changes of one proposal.
const MAX_CHANGES: usize = 64;
/// Most bytes of its note.
const MAX_NOTE: usize = 1024;

/// Changes that come into force together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceProposal {
    /// The changes, made in this order.
    pub changes: Vec<ProposedChange>,
    /// Last height at which it can be approved.
    pub expires_at: u64,
    /// Why, for people; at most 1,024 bytes.
    pub note: String,
}

impl Canonical for GovernanceProposal {
    const WHAT: &'static str = "governance proposal";
}

/// Why a proposal's changes cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotApply {
    /// What it was meant to replace is not there any more.
    #[error(
        "it is superseded: {0}, but what that replaces has changed since it was proposed: propose it anew"
    )]
    Superseded(String),
    /// The configuration would make no sense.
    #[error("the configuration would not be usable: {0}")]
    Config(#[from] ConfigError),
    /// All is so already.
    #[error("nothing would change: the configuration is so already")]
    NothingChanges,
}

impl GovernanceProposal {
    /// What names it, and what an approval names.
    pub fn id(&self) -> Digest {
        self.digest_as(Domain::GovernanceProposal)
    }

    /// Checks its form.
    ///
    /// # Errors
    /// Says what it has too much or too little of.
    pub fn check_form(&self) -> Result<(), String> {
        if self.changes.is_empty() {
            return Err("the proposal changes nothing".to_owned());
        }
        if self.changes.len() > MAX_CHANGES {
            return Err(format!(
                "the proposal has {} changes, at most {MAX_CHANGES} are allowed",
                self.changes.len()
            ));
        }
        if self.note.len() > MAX_NOTE {
            return Err(format!(
                "the proposal's note has {} bytes, at most {MAX_NOTE} are allowed",
                self.note.len()
            ));
        }
        Ok(())
    }

    /// The configuration with all changes made.
    ///
    /// # Errors
    /// One of them cannot be made, or the whole makes no sense.
    pub fn apply(&self, config: &NetworkConfig) -> Result<NetworkConfig, CannotApply> {
        let mut changed = config.clone();
        for ProposedChange { replaces, change } in &self.changes {
            if change.replaced_in(config) != *replaces {
                return Err(CannotApply::Superseded(change.to_string()));
            }
            change.apply(&mut changed)?;
        }
        changed.check()?;
        if changed == *config {
            return Err(CannotApply::NothingChanges);
        }
        Ok(changed)
    }

    /// Actors that leave the network by it.
    pub fn leaving(&self) -> Vec<&str> {
        let leaving = self.changes.iter().filter_map(|proposed| match &proposed.change {
            Change::RemoveActor(actor) => Some(actor.as_str()),
            _ => None,
        });
        leaving.collect()
    }

    /// The actor that it is the business of alone: all that it changes is that actor's peer.
    pub fn owner(&self) -> Option<&str> {
        let mut owners = self.changes.iter().map(|proposed| match &proposed.change {
            Change::ReplacePeer { actor, .. } | Change::MovePeer { actor, .. } => Some(actor.as_str()),
            _ => None,
        });
        let first = owners.next()??;
        owners.all(|owner| owner == Some(first)).then_some(first)
    }

    /// What it makes of the collectors' component: the inner one is `None` where it ends it; `None` if it does not touch it.
    pub fn collector(&self) -> Option<Option<Digest>> {
        self.collector_changes()
            .next_back()
            .map(|(_, component)| component)
    }

    /// Whether it was made to replace what collectors record by in this configuration.
    pub fn replaces_collector_of(&self, config: &NetworkConfig) -> bool {
        let first = self.collector_changes().next();
        first.is_some_and(|(proposed, _)| proposed.replaces == proposed.change.replaced_in(config))
    }

    fn collector_changes(&self) -> impl DoubleEndedIterator<Item = (&ProposedChange, Option<Digest>)> {
        self.changes.iter().filter_map(|proposed| match &proposed.change {
            Change::Chaincode(definition) if definition.name == COLLECTOR => {
                Some((proposed, Some(definition.digest)))
            }
            Change::RemoveChaincode(name) if name == COLLECTOR => Some((proposed, None)),
            _ => None,
        })
    }

    /// The contracts that it deploys.
    pub fn definitions(&self) -> impl Iterator<Item = &ChaincodeDefinition> {
        self.changes.iter().filter_map(|proposed| match &proposed.change {
            Change::Chaincode(definition) => Some(definition),
            _ => None,
        })
    }
}

/// Argument of [`PROPOSE`](super::function::PROPOSE).
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposing {
    /// The changes.
    pub proposal: GovernanceProposal,
    /// Components that they deploy and that are not on the ledger yet: it keeps them, so that every peer has them.
    pub components: Vec<Vec<u8>>,
}

impl Canonical for Proposing {
    const WHAT: &'static str = "argument of `propose`";

    fn size_hint(&self) -> usize {
        self.components.iter().map(|bytes| bytes.len() + 4).sum::<usize>() + 4096
    }
}

/// The proposal that a call is about, and whether it approves it; `None` for other calls.
pub fn decided_by(call: &Call) -> Option<(Digest, bool)> {
    if call.chaincode != GOVERNANCE {
        return None;
    }
    let decision = || {
        Decision::decode(&call.argument)
            .ok()
            .map(|decision| decision.proposal)
    };
    match call.function.as_str() {
        function::APPROVE => Some((decision()?, true)),
        function::REJECT => Some((decision()?, false)),
        function::PROPOSE => {
            let proposing = Proposing::decode(&call.argument).ok()?;
            Some((proposing.proposal.id(), true))
        }
        _ => None,
    }
}

/// Argument of [`APPROVE`](super::function::APPROVE) and [`REJECT`](super::function::REJECT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decision {
    /// The proposal: the digest covers all that it says.
    pub proposal: Digest,
}

impl Canonical for Decision {
    const WHAT: &'static str = "argument of `approve` or `reject`";
}
