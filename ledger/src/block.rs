//! A proposal after execution.

use crate::canonical::Canonical;
use crate::code::ValidationCode;
use crate::hash::{Digest, Domain};
use crate::merkle::merkle_root;
use crate::proposal::{Envelope, SignedProposal};
use borsh::{BorshDeserialize, BorshSerialize};

/// What every actor endorses.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Hash of the genesis.
    pub network: Digest,
    /// Height; the genesis is block 0.
    pub height: u64,
    /// Digest of the header below; zero for the genesis.
    pub previous: Digest,
    /// Digest of the proposal that was executed.
    pub proposal: Digest,
    /// Merkle root over the envelopes' digests.
    pub data_root: Digest,
    /// Number of envelopes.
    pub envelopes: u32,
    /// Merkle root over the results' digests.
    pub results_root: Digest,
    /// Number of results.
    pub transactions: u32,
    /// Root of the state map after the block.
    pub state_root: Digest,
    /// Commitment to the configuration under which it was executed.
    pub config_root: Digest,
    /// Commitment to the configuration of the next height: another one when this block changes it.
    pub next_config_root: Digest,
    /// Block time, nanoseconds since the Unix epoch.
    pub time_nano: i64,
}

impl Canonical for Header {
    const WHAT: &'static str = "block header";
}

impl Header {
    /// What is endorsed, and what the next header names.
    pub fn digest(&self) -> Digest {
        self.digest_as(Domain::Header)
    }
}

/// What became of one transaction. An envelope that is refused as a whole has one result, under its own
/// digest, and none of its transactions is executed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TransactionResult {
    /// Id of the transaction, or digest of the refused envelope.
    pub id: Digest,
    /// Validation code.
    pub code: ValidationCode,
    /// Fuel used.
    pub fuel: u64,
    /// What the contract returned, or why it or the peer refused.
    pub output: Vec<u8>,
}

impl Canonical for TransactionResult {
    const WHAT: &'static str = "transaction result";
}

impl TransactionResult {
    /// A leaf of the results root.
    pub fn digest(&self) -> Digest {
        self.digest_as(Domain::Result)
    }

    /// Root over results.
    pub fn root(results: &[Self]) -> Digest {
        merkle_root(&results.iter().map(Self::digest).collect::<Vec<_>>())
    }
}

/// A block: what was ordered, what became of it, and the header over both.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// What was ordered.
    pub proposal: SignedProposal,
    /// What became of it, in order.
    pub results: Vec<TransactionResult>,
}

impl Canonical for Block {
    const WHAT: &'static str = "block";

    fn size_hint(&self) -> usize {
        let results = self.results.iter().map(|result| result.output.len() + 64);
        self.proposal.size_hint() + results.sum::<usize>() + 1024
    }
}

/// An envelope of a block with what became of it.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeOutcome<'a> {
    /// The envelope.
    pub envelope: &'a Envelope,
    /// Index of its first result in the block.
    pub first: usize,
    /// Its results: one per transaction, or the one of its refusal; none where the block lacks them.
    pub results: &'a [TransactionResult],
    /// Whether it was refused as a whole.
    pub refused: bool,
}

impl Block {
    /// Every envelope with its results, in order.
    pub fn outcomes(&self) -> impl Iterator<Item = EnvelopeOutcome<'_>> {
        let mut next = 0;
        self.proposal.envelopes.iter().map(move |envelope| {
            let first = next;
            let refused = self
                .results
                .get(first)
                .is_some_and(|result| result.id == envelope.digest());
            next += if refused { 1 } else { envelope.transactions() };
            EnvelopeOutcome {
                envelope,
                first,
                results: self.results.get(first..next).unwrap_or_default(),
                refused,
            }
        })
    }

    /// Whether every call, envelope, certificate and result is what the header commits to, and none is
    /// missing. Leaves out the signatures of leader and senders, which no root covers, and the calls of
    /// envelopes that were refused because their own header does not describe them.
    pub fn is_complete(&self) -> bool {
        self.is_consistent()
            && self.proposal.has_true_roots()
            && self
                .outcomes()
                .all(|outcome| outcome.refused || outcome.envelope.is_consistent())
    }

    /// Whether header, proposal and results belong together.
    pub fn is_consistent(&self) -> bool {
        let (header, proposal) = (&self.header, &self.proposal);
        header.proposal == proposal.header.digest()
            && header.height == proposal.header.height
            && header.time_nano == proposal.header.time_nano
            && header.data_root == proposal.header.envelopes_root
            && header.envelopes == proposal.header.envelopes
            && usize::try_from(header.transactions) == Ok(self.results.len())
            && header.results_root == TransactionResult::root(&self.results)
    }
}
