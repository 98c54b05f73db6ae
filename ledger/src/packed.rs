//! An envelope as it travels and is kept: its calls compressed once, by whoever brings it, in groups that are read one at
//! a time (docs/format, "Packed envelopes").
//!
//! Nothing that is hashed or signed depends on how well a group is compressed: only the calls in it count.

use crate::batch::{Call, SignedBatch};
use crate::canonical::{Canonical, DecodeError};
use crate::config::Limits;
use crate::inspection::{InspectedProposal, Inspection};
use crate::proposal::{Envelope, EnvelopeSource, ProposalHeader, SignedProposal};
use crate::request::SignedRequest;
use crate::signature::Signature;
use crate::statement::StatementHeader;
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::Arc;

/// Bytes of calls at which a group is full. One call of a group costs as much to read as all of it.
pub const GROUP_BYTES: usize = 12 << 10;
/// Bytes that an envelope may come to beyond its limits, as one that is not packed may have.
const SLACK: u64 = 4096;
/// Most bytes of a group: the most that any limits allow an envelope.
const MAX_GROUP: usize = (16 << 20) + SLACK as usize;
/// A byte of an LZ4 block stands for no more than 255, and a block of literals alone is longer by one byte in 255 and
/// some: what is outside is refused before it is looked at.
const MAX_RATIO: usize = 255;
/// Bytes by which a block may be longer than that.
const OVERHEAD: usize = 16;

/// Why packed calls are not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// They come to too much.
    #[error("its calls come to more than the {limit} {what} that are accepted")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// Most of it.
        limit: u64,
    },
    /// A group is not LZ4 of as many bytes as it says.
    #[error("group {group} of its calls cannot be unpacked: {why}")]
    Corrupt {
        /// Number of the group, from 0.
        group: usize,
        /// What is wrong.
        why: String,
    },
    /// A group begins or ends where it should not.
    #[error("group {group} of its calls does not hold as many as it should")]
    Grouping {
        /// Number of the group, from 0.
        group: usize,
    },
    /// A request has exactly one call.
    #[error("a request has one call, there are {0}")]
    NotOneCall(usize),
}

/// Neighbouring calls, compressed together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackedCalls {
    /// Number of calls.
    pub count: u32,
    /// Bytes of their encodings, one after the other.
    pub length: u32,
    /// These, as one LZ4 block.
    pub packed: Vec<u8>,
}

impl PackedCalls {
    /// Packs calls that go into one group.
    pub fn pack(calls: &[Call]) -> Self {
        let mut bytes = Vec::with_capacity(calls.iter().map(Call::size).sum());
        for call in calls {
            let written = call.serialize(&mut bytes);
            debug_assert!(written.is_ok(), "memory accepts every byte");
        }
        Self {
            // Limits on envelopes keep both far below 4 GiB.
            count: calls.len() as u32,
            length: bytes.len() as u32,
            packed: lz4_flex::block::compress(&bytes),
        }
    }

    /// The calls. Takes no more memory than `length` says: who takes packed calls from others looks at that first.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn unpack(&self) -> Result<Vec<Call>, String> {
        let (packed, length) = (self.packed.len(), self.length as usize);
        let longest = length.saturating_add(length / MAX_RATIO + OVERHEAD);
        if length > MAX_GROUP || length > packed.saturating_mul(MAX_RATIO) || packed > longest {
            return Err(format!("{packed} bytes cannot come to {length}"));
        }
        let mut bytes = vec![0; length];
        let length =
            lz4_flex::block::decompress_into(&self.packed, &mut bytes).map_err(|error| error.to_string())?;
        if length != bytes.len() {
            return Err(format!("it comes to {length} bytes and not to {}", self.length));
        }
        let mut rest = bytes.as_slice();
        // A call takes twelve bytes at least: a count that lies reserves nothing.
        let mut calls = Vec::with_capacity((self.count as usize).min(rest.len() / 12));
        for _ in 0..self.count {
            calls.push(Call::deserialize(&mut rest).map_err(|error| error.to_string())?);
        }
        if rest.is_empty() {
            Ok(calls)
        } else {
            Err(format!("there are {} bytes behind its calls", rest.len()))
        }
    }
}

/// Groups of calls: each but the last is full, and would not be without its last call.
fn groups(calls: &[Call]) -> impl Iterator<Item = &[Call]> {
    let mut rest = calls;
    std::iter::from_fn(move || {
        let mut size = 0;
        let full = rest.iter().position(|call| {
            size += call.size();
            size >= GROUP_BYTES
        });
        let (group, behind) = rest.split_at(full.map_or(rest.len(), |last| last + 1));
        rest = behind;
        (!group.is_empty()).then_some(group)
    })
}

/// Packs the calls of an envelope.
pub fn pack_calls(calls: &[Call]) -> Vec<PackedCalls> {
    groups(calls).map(PackedCalls::pack).collect()
}

/// Bytes that groups come to, as they say themselves.
fn length_of(packed: &[PackedCalls]) -> u64 {
    packed.iter().map(|group| u64::from(group.length)).sum()
}

fn count_of(packed: &[PackedCalls]) -> u64 {
    packed.iter().map(|group| u64::from(group.count)).sum()
}

fn at_most(what: &'static str, found: u64, limit: u64) -> Result<(), PackError> {
    if found <= limit {
        Ok(())
    } else {
        Err(PackError::TooLarge { what, limit })
    }
}

/// Unpacks all groups of an envelope.
fn unpack_calls(packed: &[PackedCalls]) -> Result<Vec<Call>, PackError> {
    let mut calls = Vec::new();
    for (group, part) in packed.iter().enumerate() {
        let unpacked = part.unpack().map_err(|why| PackError::Corrupt { group, why })?;
        // One way only to group calls: a store that keeps the groups relies on their size.
        let last = unpacked.last().map_or(0, Call::size);
        let (length, is_last) = (part.length as usize, group + 1 == packed.len());
        if unpacked.is_empty() || length - last >= GROUP_BYTES || (length < GROUP_BYTES && !is_last) {
            return Err(PackError::Grouping { group });
        }
        calls.extend(unpacked);
    }
    Ok(calls)
}

/// An envelope with its calls packed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackedEnvelope {
    /// What the signature covers.
    pub statement: StatementHeader,
    /// By the sender.
    pub signature: Signature,
    /// Its calls.
    pub groups: Arc<Vec<PackedCalls>>,
}

impl Canonical for PackedEnvelope {
    const WHAT: &'static str = "packed envelope";

    fn size_hint(&self) -> usize {
        self.size()
    }
}

impl PackedEnvelope {
    /// Packs an envelope.
    pub fn pack(envelope: &Envelope) -> Self {
        Self::with_groups(envelope, pack_calls(envelope.calls()).into())
    }

    /// Of an envelope whose calls are packed already.
    pub fn with_groups(envelope: &Envelope, groups: Arc<Vec<PackedCalls>>) -> Self {
        Self {
            statement: StatementHeader::of(envelope),
            signature: envelope.signature().clone(),
            groups,
        }
    }

    /// Bytes that it takes, about.
    pub fn size(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.packed.len() + 12)
            .sum::<usize>()
            + 512
    }

    /// Bytes that its calls come to, as it says itself: [`unpack`](Self::unpack) takes no more.
    pub fn unpacked_size(&self) -> u64 {
        length_of(&self.groups)
    }

    /// Whether it comes to no more than an envelope may, as it says itself.
    fn check_claims(&self, limits: &Limits) -> Result<(), PackError> {
        let bytes = match self.statement {
            StatementHeader::Batch(_) => limits.batch_max_bytes.max(limits.argument_max_bytes),
            StatementHeader::Request(_) => limits.request_bytes(),
        };
        at_most("bytes", length_of(&self.groups), bytes.saturating_add(SLACK))?;
        at_most("calls", count_of(&self.groups), limits.batch_max_transactions)
    }

    /// How it is told from the sender's others.
    pub fn source(&self) -> EnvelopeSource {
        self.statement.source()
    }

    /// Whether it is this envelope, packed in these groups.
    pub fn is_of(&self, envelope: &Envelope, groups: &[PackedCalls]) -> bool {
        self.signature == *envelope.signature()
            && *self.groups == groups
            && self.statement == StatementHeader::of(envelope)
    }

    /// The envelope. Whether it is good is for others to say: only what would be a burden is refused here.
    ///
    /// # Errors
    /// It comes to more than an envelope may, or is not packed as it should be.
    pub fn unpack(&self, limits: &Limits) -> Result<Envelope, PackError> {
        self.check_claims(limits)?;
        let mut calls = unpack_calls(&self.groups)?;
        let signature = self.signature.clone();
        match &self.statement {
            StatementHeader::Batch(header) => Ok(Envelope::Batch(SignedBatch {
                header: header.clone(),
                calls,
                signature,
            })),
            StatementHeader::Request(header) => match (calls.pop(), calls.len()) {
                (Some(call), 0) => Ok(Envelope::Request(SignedRequest {
                    header: header.clone(),
                    call,
                    signature,
                })),
                (last, others) => Err(PackError::NotOneCall(others + usize::from(last.is_some()))),
            },
        }
    }
}

/// Why the bytes of a packed proposal are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackedProposalError {
    /// Not the encoding of one.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// One of its envelopes.
    #[error("envelope {number} of the proposal: {why}")]
    Envelope {
        /// Its number, from 0.
        number: usize,
        /// What is wrong.
        why: PackError,
    },
    /// All of them together.
    #[error("the proposal's envelopes: {0}")]
    Envelopes(PackError),
}

/// A proposal with its envelopes packed: what is in the Raft log.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackedProposal {
    /// What the leader's signature covers.
    pub header: ProposalHeader,
    /// DER bytes of the certificates that it brings.
    pub certificates: Vec<Vec<u8>>,
    /// What is ordered.
    pub envelopes: Vec<PackedEnvelope>,
    /// By the leader.
    pub signature: Signature,
}

impl Canonical for PackedProposal {
    const WHAT: &'static str = "packed proposal";

    fn size_hint(&self) -> usize {
        let certificates = self.certificates.iter().map(|der| der.len() + 4);
        let envelopes = self.envelopes.iter().map(PackedEnvelope::size);
        certificates.chain(envelopes).sum::<usize>() + 1024
    }
}

impl PackedProposal {
    /// Packs a proposal.
    pub fn pack(proposal: &SignedProposal) -> Self {
        let envelopes = proposal.envelopes.iter();
        Self::of(
            proposal,
            envelopes.map(|envelope| PackedEnvelope::pack(envelope)).collect(),
        )
    }

    /// The same of one whose envelopes are packed already.
    pub fn packed_already(inspected: &InspectedProposal) -> Self {
        let InspectedProposal {
            proposal,
            inspections,
        } = inspected;
        let envelopes = proposal.envelopes.iter().zip(inspections);
        let envelopes = envelopes
            .map(|(envelope, inspection)| PackedEnvelope::with_groups(envelope, inspection.groups.clone()));
        Self::of(proposal, envelopes.collect())
    }

    fn of(proposal: &SignedProposal, envelopes: Vec<PackedEnvelope>) -> Self {
        Self {
            header: proposal.header.clone(),
            certificates: proposal.certificates.clone(),
            envelopes,
            signature: proposal.signature.clone(),
        }
    }

    /// Without its envelopes: what its leader has signed.
    pub fn into_statement(self) -> SignedProposal {
        SignedProposal {
            header: self.header,
            certificates: self.certificates,
            envelopes: Vec::new(),
            signature: self.signature,
        }
    }

    /// Whether it comes to no more than a proposal may, as it says itself ([`SignedProposal::check`] compares the same
    /// with the same limits). Asked before anything is unpacked, and whatever this peer knows of its envelopes.
    fn check_claims(&self, limits: &Limits) -> Result<(), PackedProposalError> {
        for (number, envelope) in self.envelopes.iter().enumerate() {
            let checked = envelope.check_claims(limits);
            checked.map_err(|why| PackedProposalError::Envelope { number, why })?;
        }
        if self.envelopes.len() <= 1 {
            return Ok(());
        }
        let of_all = |of: fn(&[PackedCalls]) -> u64| self.envelopes.iter().map(|one| of(&one.groups)).sum();
        at_most("bytes", of_all(length_of), limits.block_max_bytes)
            .and_then(|()| at_most("calls", of_all(count_of), limits.block_max_transactions))
            .map_err(PackedProposalError::Envelopes)
    }

    /// Unpacks and inspects what a leader's bytes hold. `known` gives an envelope that was unpacked and inspected
    /// before, if it is packed in exactly the same bytes.
    ///
    /// # Errors
    /// They are no packed proposal.
    pub fn inspect(
        bytes: &[u8],
        limits: &Limits,
        known: impl Fn(&PackedEnvelope) -> Option<(Arc<Envelope>, Arc<Inspection>)>,
    ) -> Result<InspectedProposal, PackedProposalError> {
        let packed = Self::decode(bytes)?;
        packed.check_claims(limits)?;
        let mut envelopes = Vec::with_capacity(packed.envelopes.len());
        let mut inspections = Vec::with_capacity(packed.envelopes.len());
        for (number, one) in packed.envelopes.into_iter().enumerate() {
            let (envelope, inspection) = match known(&one) {
                Some(known) => known,
                None => {
                    let envelope = one.unpack(limits);
                    let envelope = envelope.map_err(|why| PackedProposalError::Envelope { number, why })?;
                    let inspection = Inspection::with_groups(&envelope, one.groups);
                    (Arc::new(envelope), Arc::new(inspection))
                }
            };
            envelopes.push(envelope);
            inspections.push(inspection);
        }
        Ok(InspectedProposal {
            proposal: SignedProposal {
                header: packed.header,
                certificates: packed.certificates,
                envelopes,
                signature: packed.signature,
            },
            inspections,
        })
    }
}
