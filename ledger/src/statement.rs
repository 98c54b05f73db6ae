//! What a sender's signature covers.

use crate::batch::BatchHeader;
use crate::proposal::EnvelopeSource;
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
    /// How it is told from the sender's others.
    pub fn source(&self) -> EnvelopeSource {
        match self {
            Self::Batch(header) => {
                EnvelopeSource::Batch(header.sender.clone(), header.incarnation, header.sequence)
            }
            Self::Request(header) => EnvelopeSource::Request(header.transaction_id()),
        }
    }
}
