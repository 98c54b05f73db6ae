use super::anchor::Epoch;
use super::receipt::{Receipt, VerifiedTransaction};
use super::state_value::StateValueProof;
use super::{Anchor, ProofError};
use crate::canonical::Canonical;
use crate::code::ValidationCode;
use crate::config::NetworkConfig;
use crate::governance::{ProposalRecord, ProposalStatus, Verdict, decided_by};
use crate::hash::Digest;
use crate::keys::StateKey;
use crate::member::Role;
use borsh::{BorshDeserialize, BorshSerialize};

/// Proof that the actors have approved what their collectors record by: the proposal, and every approval with its admin's
/// signature. The peers' endorsements of the change alone do not show that.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CollectorApproval {
    /// The proposal's record, as of a final block.
    pub record: StateValueProof,
    /// Receipts of the approvals.
    pub approvals: Vec<Receipt>,
}

impl Canonical for CollectorApproval {
    const WHAT: &'static str = "proof of approval of the collectors' component";

    fn size_hint(&self) -> usize {
        self.approvals.len() * 65_536 + 65_536
    }
}

/// The configurations before and since the last change of the collectors' component; `None` if it is the genesis's, which
/// every actor has signed.
pub fn last_collector_change(epochs: &[Epoch]) -> Option<(&Epoch, &Epoch)> {
    let pairs = epochs.windows(2).rev();
    let mut changes =
        pairs.filter(|pair| pair[0].config.collector_component() != pair[1].config.collector_component());
    changes.next().map(|pair| (&pair[0], &pair[1]))
}

impl CollectorApproval {
    /// Checks that the component of the newest configuration that is known, or that there is none, was approved under the
    /// configuration before that change, as a change of what was in force then, and last in the block that made it.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<(), ProofError> {
        let epochs = anchor.epochs();
        let Some((before, since)) = last_collector_change(&epochs) else {
            return Ok(());
        };
        self.record.verify(anchor)?;
        let record = self.record.value.as_deref().map(ProposalRecord::decode);
        let Some(Ok(record)) = record else {
            return inconsistent("it shows no proposal");
        };
        let id = record.proposal.id();
        if self.record.key != StateKey::proposal(&id).as_bytes() {
            return inconsistent("its record is not under the proposal's id");
        }
        let from_height = since.from;
        if record.outcome != (ProposalStatus::Active { from_height })
            || record.proposal.collector() != Some(since.config.collector_component())
            || !record.proposal.replaces_collector_of(&before.config)
        {
            return inconsistent("its proposal is not the one that brought what is in force");
        }
        self.check_approvals(anchor, record, &id, (&before.config, from_height))
    }

    /// Votes count whose receipts are shown.
    fn check_approvals(
        &self,
        anchor: &Anchor,
        mut record: ProposalRecord,
        id: &Digest,
        (config, from_height): (&NetworkConfig, u64),
    ) -> Result<(), ProofError> {
        let votes = std::mem::take(&mut record.votes);
        let mut last = 0;
        for receipt in &self.approvals {
            let shown = receipt.verify(anchor)?;
            last = last.max(shown.block.header.height);
            let actor = &shown.sender.actor;
            if let Some(vote) = votes.get(actor)
                && vote.approves
                && approves(&shown, id)
            {
                record.votes.insert(actor.clone(), vote.clone());
            }
        }
        if record.verdict(config) != Verdict::Approved {
            return inconsistent("the approvals that it shows do not meet the policy");
        }
        // Or approvals of what was in force once would bring it back.
        if last.checked_add(1) != Some(from_height) {
            return inconsistent("it came into force later than its last approval");
        }
        Ok(())
    }
}

fn approves(shown: &VerifiedTransaction, proposal: &Digest) -> bool {
    let decided = shown.call.as_ref().and_then(decided_by);
    shown.sender.role == Role::Admin
        && shown.result.code == ValidationCode::Valid
        && decided == Some((*proposal, true))
}

fn inconsistent<T>(why: &str) -> Result<T, ProofError> {
    Err(ProofError::Inconsistent(format!(
        "the collectors' component is not proven to be approved: {why}"
    )))
}
