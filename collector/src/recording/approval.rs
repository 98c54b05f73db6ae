//! That the actors have approved what collectors record: checked against the genesis, vote by vote.
//!
//! A change of the configuration is proven by the peers' endorsements. What decides on redaction should not depend on peers
//! alone: every vote is a request that an actor's admin signed, and its receipt proves it.

use e2l_client::{Verifier, VerifyError};
use e2l_ledger::governance::{
    Change, Decision, GOVERNANCE, GovernanceProposal, ProposalRecord, ProposalStatus, Proposing, Verdict,
    function,
};
use e2l_ledger::proof::{Epoch, VerifiedTransaction};
use e2l_ledger::{
    COLLECTOR, Call, Canonical, DecodeError, Digest, Envelope, NetworkConfig, Role, StateKey, ValidationCode,
};

/// Why a change is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NotApproved {
    /// A peer's answer does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A record cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The votes are not there.
    #[error("block {height} made the change, and no proposal whose approvals are proven: ask the actors what happened")]
    NoVotes {
        /// The block.
        height: u64,
    },
}

/// Checks that the actors have approved the component that is in force, or that none is, by the answers of one peer.
///
/// # Errors
/// It cannot be reached, or what it shows does not prove it.
pub async fn check(verifier: &Verifier) -> Result<(), NotApproved> {
    let epochs = verifier.anchor().epochs();
    let Some((before, since)) = last_change(&epochs) else {
        // The genesis says so, which every actor has signed.
        return Ok(());
    };
    let height = since.from.saturating_sub(1);
    let (block, _) = verifier.block(height).await?;
    let requests = block.proposal.envelopes.iter().filter_map(|envelope| match &**envelope {
        Envelope::Request(request) => decided(&request.call),
        Envelope::Batch(_) => None,
    });
    let wanted = since.config.collector_component();
    for id in requests.collect::<Vec<_>>() {
        let (record, _) = verifier.state_value(&StateKey::proposal(&id)).await?;
        let Some(record) = record else { continue };
        let record = ProposalRecord::decode(&record)?;
        let from_height = since.from;
        let is_the_change = record.outcome == ProposalStatus::Active { from_height }
            && record.proposal.id() == id
            && sets(&record.proposal, wanted);
        if is_the_change && is_approved(verifier, record, &before.config).await? {
            return Ok(());
        }
    }
    Err(NotApproved::NoVotes { height })
}

/// The configuration that the newest one has its component from, and the one before that; `None` if it is the genesis's.
fn last_change(epochs: &[Epoch]) -> Option<(&Epoch, &Epoch)> {
    let pairs = epochs.windows(2).rev();
    let mut changes =
        pairs.filter(|pair| pair[0].config.collector_component() != pair[1].config.collector_component());
    changes.next().map(|pair| (&pair[0], &pair[1]))
}

/// The proposal that a call decides about.
fn decided(call: &Call) -> Option<Digest> {
    if call.chaincode != GOVERNANCE {
        return None;
    }
    match call.function.as_str() {
        function::APPROVE => Decision::decode(&call.argument).ok().map(|decision| decision.proposal),
        function::PROPOSE => Proposing::decode(&call.argument)
            .ok()
            .map(|proposing| proposing.proposal.id()),
        _ => None,
    }
}

/// Whether a proposal's last word about the collectors' component is this one.
fn sets(proposal: &GovernanceProposal, wanted: Option<Digest>) -> bool {
    let said = proposal.changes.iter().rev().find_map(|proposed| match &proposed.change {
        Change::Chaincode(definition) if definition.name == COLLECTOR => Some(Some(definition.digest)),
        Change::RemoveChaincode(name) if name == COLLECTOR => Some(None),
        _ => None,
    });
    said == Some(wanted)
}

/// Whether the votes whose signatures are shown meet the policy.
async fn is_approved(
    verifier: &Verifier,
    mut record: ProposalRecord,
    config: &NetworkConfig,
) -> Result<bool, NotApproved> {
    let id = record.proposal.id();
    let votes = std::mem::take(&mut record.votes);
    for (actor, vote) in votes.into_iter().filter(|(_, vote)| vote.approves) {
        let (_, shown) = verifier.receipt(&vote.transaction).await?;
        if approves(&shown, &actor, &id) {
            record.votes.insert(actor, vote);
        }
    }
    Ok(record.verdict(config) == Verdict::Approved)
}

fn approves(shown: &VerifiedTransaction, actor: &str, proposal: &Digest) -> bool {
    let call = shown.call.as_ref();
    shown.sender.actor == actor
        && shown.sender.role == Role::Admin
        && shown.result.code == ValidationCode::Valid
        && call.and_then(decided).as_ref() == Some(proposal)
}
