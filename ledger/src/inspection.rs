//! What hashing an envelope's calls finds. It costs more than all other checks of an envelope together, so a peer does
//! it once: at its door, or when a leader proposes the envelope.

use crate::hash::{Digest, Domain};
use crate::packed::{PackedCalls, pack_calls};
use crate::proposal::{Envelope, SignedProposal};
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether the envelope's header describes its calls.
    pub described: bool,
    /// Digests ([`Domain::Value`]) of the calls' arguments.
    pub arguments: Vec<Digest>,
    /// The calls as they are kept.
    pub groups: Arc<Vec<PackedCalls>>,
}

impl Inspection {
    /// Hashes and packs the calls.
    pub fn of(envelope: &Envelope) -> Self {
        Self::with_groups(envelope, pack_calls(envelope.calls()).into())
    }

    /// Hashes the calls, which were unpacked from these groups.
    pub fn with_groups(envelope: &Envelope, groups: Arc<Vec<PackedCalls>>) -> Self {
        let calls = envelope.calls();
        let arguments: Vec<Digest> = calls
            .iter()
            .map(|call| Domain::Value.hash(&call.argument))
            .collect();
        let digests = calls.iter().zip(&arguments);
        let digests = digests.map(|(call, argument)| call.digest_with(argument));
        Self {
            described: envelope.is_consistent_with(digests),
            arguments,
            groups,
        }
    }
}

/// A proposal with what was found of each of its envelopes.
#[derive(Debug, Clone)]
pub struct InspectedProposal {
    /// The proposal.
    pub proposal: SignedProposal,
    /// One for each envelope, in order.
    pub inspections: Vec<Arc<Inspection>>,
}

impl InspectedProposal {
    /// Inspects every envelope.
    pub fn of(proposal: SignedProposal) -> Self {
        let inspections = proposal.envelopes.iter();
        let inspections = inspections.map(|envelope| Arc::new(Inspection::of(envelope)));
        Self {
            inspections: inspections.collect(),
            proposal,
        }
    }
}
