//! Blocks are checked against their endorsements before they are served.

use crate::chain::{ChainError, leader_certificate};
use crate::node::Node;
use crate::proofs::{self, NoProof};
use e2l_ledger::proof::FinalHeaderProof;
use e2l_ledger::{Block, SignedVote};
use e2l_store::StoreError;

/// Why a block is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// Its records are not what its endorsers signed.
    #[error("block {height} in this peer's database is damaged: {why}")]
    Damaged {
        /// Its height.
        height: u64,
        /// What does not hold.
        why: String,
    },
    /// It cannot be proven now.
    #[error(transparent)]
    Unproven(NoProof),
}

impl From<NoProof> for Unsound {
    fn from(error: NoProof) -> Self {
        match error {
            NoProof::Store(error) => error.into(),
            NoProof::Inconsistent { height, .. } => Self::Damaged {
                height,
                why: error.to_string(),
            },
            other => Self::Unproven(other),
        }
    }
}

impl From<ChainError> for Unsound {
    fn from(error: ChainError) -> Self {
        NoProof::from(error).into()
    }
}

impl From<StoreError> for Unsound {
    fn from(error: StoreError) -> Self {
        match (error.damaged_height(), &error) {
            (
                Some(height),
                StoreError::Corrupt {
                    column, record, why, ..
                },
            ) => Self::Damaged {
                height,
                why: format!("{column} record `{record}`: {why}"),
            },
            _ => Self::Unproven(NoProof::Store(error)),
        }
    }
}

/// A final block as its endorsers signed it, with the proof; `None` above the newest height.
///
/// # Errors
/// See [`Unsound`].
pub fn sound_block(node: &Node, height: u64) -> Result<Option<(Block, FinalHeaderProof)>, Unsound> {
    let damaged = |why: String| Unsound::Damaged { height, why };
    // The newest view: one that is held longer would not see a repair.
    let view = node.store.view();
    let block = match view.block(height) {
        Ok(Some(block)) => block,
        Ok(None) => return Ok(None),
        Err(error @ StoreError::Read { .. }) => return Err(damaged(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let proof = match proofs::final_header(node, height) {
        // What proved it is gone.
        Err(NoProof::NotEndorsed(_)) if was_proven(node, height) => {
            return Err(damaged("endorsements that made it final are missing".to_owned()));
        }
        Err(NoProof::Store(error @ StoreError::Read { .. })) => return Err(damaged(error.to_string())),
        other => other?,
    };
    let proven = proof
        .verify(&node.anchor)
        .map_err(|error| damaged(error.to_string()))?;
    if proven.header != block.header {
        return Err(damaged("its header is not the one that was endorsed".to_owned()));
    }
    if !block.is_complete() {
        return Err(damaged(
            "its content is not what its header commits to".to_owned(),
        ));
    }
    check_leader(node, &block).map_err(damaged)?;
    Ok(Some((block, proof)))
}

/// Whether a height is final by endorsements that this peer heard, or got since.
fn was_proven(node: &Node, height: u64) -> bool {
    height <= node.with_finality(|finality| finality.final_height()) && !node.missed_proofs.contains(height)
}

/// The same, and that every vote that is kept about the height holds: one that does not proves nothing, but was not
/// written by this peer.
///
/// # Errors
/// See [`Unsound`].
pub fn check_block(node: &Node, height: u64) -> Result<Option<Block>, Unsound> {
    let Some((block, _)) = sound_block(node, height)? else {
        return Ok(None);
    };
    for (actor, vote) in node.store.votes(height)? {
        if !vote_holds(node, height, &actor, &vote) {
            let why = format!("a vote in the name of {actor} does not hold");
            return Err(Unsound::Damaged { height, why });
        }
    }
    Ok(Some(block))
}

/// Whether a vote that is kept about a height is what the actor's peer signed.
pub fn vote_holds(node: &Node, height: u64, actor: &str, vote: &SignedVote) -> bool {
    let Ok(Some(certificate)) = node.endorsers.get(&vote.signature.certificate) else {
        return false;
    };
    let signed = node
        .signatures
        .verify(&vote.vote.digest(), &vote.signature, &certificate);
    vote.vote.height() == height && certificate.member().actor == actor && signed.is_ok()
}

/// No root covers the leader's signature. Its certificate is on the ledger since its first proposal at the latest.
fn check_leader(node: &Node, block: &Block) -> Result<(), String> {
    let proposal = &block.proposal;
    let certificate = leader_certificate(node, proposal).map_err(|error| error.to_string())?;
    let certificate =
        certificate.ok_or("the certificate that its leader signed with is not on the ledger")?;
    let checked = node
        .signatures
        .verify(&proposal.header.digest(), &proposal.signature, &certificate);
    checked.map_err(|error| format!("the leader's signature: {error}"))
}
