//! What hashing an envelope's calls finds. It costs more than all other checks of an envelope together, so a peer does
//! it once: at its door, or when a leader proposes the envelope.

use crate::batch::{Call, SignedBatch};
use crate::hash::{Digest, Domain};
use crate::merkle::merkle_root;
use crate::proposal::{Envelope, SignedProposal};
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether the envelope's header describes its calls.
    pub described: bool,
    /// Digests ([`Domain::Value`]) of the calls' arguments.
    pub arguments: Vec<Digest>,
}

impl Inspection {
    /// Hashes the calls.
    pub fn of(envelope: &Envelope) -> Self {
        let hash = |call: &Call| Domain::Value.hash(&call.argument);
        match envelope {
            Envelope::Batch(batch) => {
                let arguments: Vec<Digest> = batch.calls.iter().map(hash).collect();
                Self {
                    described: describes(batch, &arguments),
                    arguments,
                }
            }
            Envelope::Request(request) => {
                let argument = hash(&request.call);
                Self {
                    described: request.call.digest_with(&argument) == request.header.call,
                    arguments: vec![argument],
                }
            }
        }
    }
}

fn describes(batch: &SignedBatch, arguments: &[Digest]) -> bool {
    let calls = batch.calls.iter().zip(arguments);
    let digests: Vec<Digest> = calls.map(|(call, argument)| call.digest_with(argument)).collect();
    usize::try_from(batch.header.count) == Ok(batch.calls.len())
        && batch.header.calls_root == merkle_root(&digests)
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
