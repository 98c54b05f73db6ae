//! What collectors record by, with proof that the actors have approved it.

use crate::chain_thread::ChainThread;
use crate::node::Node;
use crate::proofs::{self, NoProof};
use crate::soundness::{Unsound, sound_block};
use e2l_ledger::governance::{ProposalRecord, ProposalStatus, decided_by};
use e2l_ledger::proof::{CollectorApproval, StateValueProof, last_collector_change};
use e2l_ledger::{COLLECTOR, Canonical, ChaincodeDefinition, Digest, Envelope, StateKey};
use std::sync::Arc;

/// See the module.
pub struct CollectorCode {
    /// The proof; `None` where the genesis says what is in force.
    pub approval: Option<CollectorApproval>,
    /// Whose component it is; `None` where none is in force.
    pub definition: Option<ChaincodeDefinition>,
}

/// What is in force now.
///
/// # Errors
/// It cannot be read, or not be proven yet.
pub async fn collector_code(node: &Arc<Node>, chain: &ChainThread) -> Result<CollectorCode, Unsound> {
    let epochs = node.anchor.epochs();
    let newest = epochs.last();
    let definition = newest.and_then(|epoch| epoch.config.chaincode(COLLECTOR).cloned());
    let approval = match last_collector_change(&epochs) {
        Some((_, since)) => approval(node, chain, since.from, since.config.collector_component()).await?,
        None => None,
    };
    Ok(CollectorCode { approval, definition })
}

/// The approval of a change that is in force from a height on. One of the calls in the block before has decided it.
async fn approval(
    node: &Arc<Node>,
    chain: &ChainThread,
    from_height: u64,
    component: Option<Digest>,
) -> Result<Option<CollectorApproval>, Unsound> {
    for id in decided_at(node, from_height.saturating_sub(1))? {
        let record = proofs::state_value(node, chain, StateKey::proposal(&id)).await?;
        let Some(Ok(proposal)) = record.value.as_deref().map(ProposalRecord::decode) else {
            continue;
        };
        let is_it = proposal.outcome == ProposalStatus::Active { from_height }
            && proposal.proposal.collector() == Some(component);
        if is_it {
            return with_receipts(node, &proposal, record).map(Some);
        }
    }
    Ok(None)
}

/// Proposals that a block's calls have approved.
fn decided_at(node: &Node, height: u64) -> Result<Vec<Digest>, Unsound> {
    let Some((block, _)) = sound_block(node, height)? else {
        return Err(NoProof::NotFinal(height).into());
    };
    let calls = block
        .proposal
        .envelopes
        .iter()
        .filter_map(|envelope| match &**envelope {
            Envelope::Request(request) => decided_by(&request.call),
            Envelope::Batch(_) => None,
        });
    Ok(calls
        .filter_map(|(id, approves)| approves.then_some(id))
        .collect())
}

fn with_receipts(
    node: &Node,
    proposal: &ProposalRecord,
    record: StateValueProof,
) -> Result<CollectorApproval, Unsound> {
    let mut approvals = Vec::new();
    for vote in proposal.votes.values().filter(|vote| vote.approves) {
        approvals.extend(proofs::receipt(node, &vote.transaction)?);
    }
    Ok(CollectorApproval { record, approvals })
}
