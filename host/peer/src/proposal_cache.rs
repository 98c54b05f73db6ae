//! Proposals that were decoded and inspected when they were proposed, until they are executed: the costly part is done
//! once, and not on the thread that executes.

use bytes::Bytes;
use e2l_ledger::{InspectedProposal, Limits};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Most bytes of proposals kept, unpacked and packed together.
const MAX_BYTES: usize = 32 << 20;

/// A proposal that was inspected.
pub struct Kept {
    /// What was found.
    pub inspected: InspectedProposal,
    /// Under which limits.
    pub limits: Limits,
}

/// What a proposal takes of them.
fn size((bytes, kept): &(Bytes, Kept)) -> usize {
    let envelopes = kept.inspected.proposal.envelopes.iter();
    bytes.len() + envelopes.map(|envelope| envelope.size()).sum::<usize>()
}

/// See the module. What is not found is decoded again: forgetting costs time only.
#[derive(Default)]
pub struct ProposalCache {
    kept: Mutex<VecDeque<(Bytes, Kept)>>,
}

impl ProposalCache {
    /// Keeps a proposal under the bytes that are in the Raft log.
    pub fn keep(&self, bytes: Bytes, proposal: Kept) {
        let mut kept = self.kept.lock();
        kept.push_back((bytes, proposal));
        let mut held: usize = kept.iter().map(size).sum();
        while held > MAX_BYTES
            && kept.len() > 1
            && let Some(oldest) = kept.pop_front()
        {
            held -= size(&oldest);
        }
    }

    /// The proposal with exactly these bytes, which is forgotten.
    pub fn take(&self, bytes: &[u8]) -> Option<Kept> {
        let mut kept = self.kept.lock();
        let place = kept.iter().position(|(known, _)| known == bytes)?;
        // What was proposed before it will not be executed after it.
        kept.drain(..place);
        kept.pop_front().map(|(_, proposal)| proposal)
    }
}
