//! Proposals that were decoded and inspected when they were proposed, until they are executed: the costly part is done
//! once, and not on the thread that executes.

use bytes::Bytes;
use e2l_ledger::InspectedProposal;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Most bytes of proposals kept; decoded they take about as much again.
const MAX_BYTES: usize = 16 << 20;

/// See the module. What is not found is decoded again: forgetting costs time only.
#[derive(Default)]
pub struct ProposalCache {
    kept: Mutex<VecDeque<(Bytes, InspectedProposal)>>,
}

impl ProposalCache {
    /// Keeps a proposal under its canonical bytes.
    pub fn keep(&self, bytes: Bytes, proposal: InspectedProposal) {
        let mut kept = self.kept.lock();
        kept.push_back((bytes, proposal));
        let mut held: usize = kept.iter().map(|(bytes, _)| bytes.len()).sum();
        while held > MAX_BYTES
            && kept.len() > 1
            && let Some((oldest, _)) = kept.pop_front()
        {
            held -= oldest.len();
        }
    }

    /// The proposal with exactly these bytes, which is forgotten.
    pub fn take(&self, bytes: &[u8]) -> Option<InspectedProposal> {
        let mut kept = self.kept.lock();
        let place = kept.iter().position(|(known, _)| known == bytes)?;
        // What was proposed before it will not be executed after it.
        kept.drain(..place);
        kept.pop_front().map(|(_, proposal)| proposal)
    }
}
