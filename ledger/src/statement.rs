//! What a sender's signature covers.

use crate::batch::BatchHeader;
use crate::proposal::{Envelope, EnvelopeSource};
use crate::request::RequestHeader;
use borsh::{BorshDeserialize, BorshSerialize};

/// A signed statement without its calls.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum StatementHeader {
    /// By a collector.
    Batch(BatchHeader),
    /// By an admin or client.
    Request(RequestHeader),
}

impl StatementHeader {
    /// What the signature of an envelope covers.
    pub fn of(envelope: &Envelope) -> Self {
        match envelope {
            Envelope::Batch(batch) => Self::Batch(batch.header.clone()),
            Envelope::Request(request) => Self::Request(request.header.clone()),
        }
    }

    /// How it is told from the sender's others.
    pub fn source(&self) -> EnvelopeSource {
        match self {
            Self::Batch(header) => header.source(),
            Self::Request(header) => header.source(),
        }
    }
}
