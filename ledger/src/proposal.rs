//! What a leader orders: a signed, chained list of envelopes.

use crate::batch::{Call, SignedBatch};
use crate::canonical::Canonical;
use crate::config::Limits;
use crate::hash::{Digest, Domain};
use crate::member::Member;
use crate::merkle::merkle_root;
use crate::request::SignedRequest;
use crate::signature::{Signature, Signer};
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::Arc;

/// A signed statement of a sender, as it stands in a proposal.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Envelope {
    /// By a collector.
    Batch(SignedBatch),
    /// By an admin or client.
    Request(SignedRequest),
}

impl Canonical for Envelope {
    const WHAT: &'static str = "envelope";

    fn size_hint(&self) -> usize {
        self.size() + 256
    }
}

/// Whose statement an envelope is and how it is told from the sender's others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvelopeSource {
    /// A batch: sender, incarnation, sequence.
    Batch(Member, u64, u64),
    /// A request, by its transaction id.
    Request(Digest),
}

impl Envelope {
    /// What its signature covers.
    pub fn signed_digest(&self) -> Digest {
        match self {
            Self::Batch(batch) => batch.header.digest(),
            Self::Request(request) => request.header.digest(),
        }
    }

    /// Its signature.
    pub fn signature(&self) -> &Signature {
        match self {
            Self::Batch(batch) => &batch.signature,
            Self::Request(request) => &request.signature,
        }
    }

    /// Who claims to have signed it.
    pub fn sender(&self) -> &Member {
        match self {
            Self::Batch(batch) => &batch.header.sender,
            Self::Request(request) => &request.header.sender,
        }
    }

    /// The network it was signed for.
    pub fn network(&self) -> &Digest {
        match self {
            Self::Batch(batch) => &batch.header.network,
            Self::Request(request) => &request.header.network,
        }
    }

    /// How it is told from the sender's others.
    pub fn source(&self) -> EnvelopeSource {
        match self {
            Self::Batch(batch) => batch.header.source(),
            Self::Request(request) => request.header.source(),
        }
    }

    /// Digest of statement and signature: a leaf of the block's data root.
    pub fn digest(&self) -> Digest {
        let mut hasher = Domain::Envelope.hasher();
        let written = (&self.signed_digest(), self.signature()).serialize(&mut hasher);
        debug_assert!(written.is_ok(), "a hasher accepts every byte");
        hasher.finish()
    }

    /// Its calls, in order.
    pub fn calls(&self) -> &[Call] {
        match self {
            Self::Batch(batch) => &batch.calls,
            Self::Request(request) => std::slice::from_ref(&request.call),
        }
    }

    /// Whether its header describes its calls.
    pub fn is_consistent(&self) -> bool {
        self.is_consistent_with(self.calls().iter().map(Call::digest))
    }

    /// The same from the digests of its calls, one each and in order.
    pub(crate) fn is_consistent_with(&self, mut digests: impl Iterator<Item = Digest>) -> bool {
        match self {
            Self::Batch(batch) => batch.is_consistent_with(digests),
            Self::Request(request) => digests.next() == Some(request.header.call),
        }
    }

    /// Number of transactions.
    pub fn transactions(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.calls.len(),
            Self::Request(_) => 1,
        }
    }

    /// Bytes that count against size limits.
    pub fn size(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.size(),
            Self::Request(request) => request.call.size() + 512,
        }
    }

    /// Whether its calls are within the limits, whatever its header says of them.
    pub fn is_within(&self, limits: &Limits) -> bool {
        let fits = |call: &Call| call.argument.len() as u64 <= limits.argument_bytes(&call.chaincode);
        match self {
            Self::Batch(batch) => {
                !batch.calls.is_empty()
                    && batch.calls.len() as u64 <= limits.batch_max_transactions
                    && batch.size() as u64 <= limits.batch_max_bytes
                    && batch.calls.iter().all(fits)
            }
            Self::Request(request) => fits(&request.call),
        }
    }
}

/// What the leader's signature covers. It has no log index: Raft assigns it at the append.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposalHeader {
    /// Hash of the genesis.
    pub network: Digest,
    /// The leader.
    pub leader: Member,
    /// Raft term in which it leads.
    pub term: u64,
    /// Height of the block it proposes.
    pub height: u64,
    /// Digest of the proposal below; of the genesis for the first.
    pub previous: Digest,
    /// Leader's clock, never before the previous block's time; nanoseconds since the Unix epoch.
    pub time_nano: i64,
    /// Merkle root over the digests of the certificates it brings.
    pub certificates_root: Digest,
    /// Merkle root over the envelopes' digests.
    pub envelopes_root: Digest,
    /// Number of envelopes.
    pub envelopes: u32,
}

impl Canonical for ProposalHeader {
    const WHAT: &'static str = "proposal header";
}

impl ProposalHeader {
    /// What is signed, and what the next proposal names.
    pub fn digest(&self) -> Digest {
        self.digest_as(Domain::Proposal)
    }
}

/// Why a proposal is not acceptable, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// Another network's.
    #[error("the proposal is for network {0}, not for this one")]
    OtherNetwork(Digest),
    /// The roots do not describe the content.
    #[error("the proposal's {0} root does not describe its content")]
    Root(&'static str),
    /// More than a block may hold.
    #[error("the proposal holds {found} {what}, a block holds at most {limit}")]
    TooLarge {
        /// Kind of content.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
}

/// A proposal with its content and its leader's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedProposal {
    /// What the signature covers.
    pub header: ProposalHeader,
    /// DER bytes of certificates that are not on the ledger yet and that it needs.
    pub certificates: Vec<Vec<u8>>,
    /// What is ordered; shared with whoever took it in.
    pub envelopes: Vec<Arc<Envelope>>,
    /// By the leader.
    pub signature: Signature,
}

impl Canonical for SignedProposal {
    const WHAT: &'static str = "proposal";

    fn size_hint(&self) -> usize {
        let certificates = self.certificates.iter().map(|der| der.len() + 4);
        let envelopes = self.envelopes.iter().map(|envelope| envelope.size_hint());
        certificates.chain(envelopes).sum::<usize>() + 1024
    }
}

impl SignedProposal {
    /// Fills in the roots and signs.
    pub fn sign(
        mut header: ProposalHeader,
        certificates: Vec<Vec<u8>>,
        envelopes: impl IntoIterator<Item: Into<Arc<Envelope>>>,
        signer: &dyn Signer,
    ) -> Self {
        let envelopes: Vec<Arc<Envelope>> = envelopes.into_iter().map(Into::into).collect();
        header.certificates_root = Self::certificates_root(&certificates);
        header.envelopes_root = Self::envelopes_root(&envelopes);
        header.envelopes = u32::try_from(envelopes.len()).unwrap_or(u32::MAX);
        let signature = signer.sign(&header.digest());
        Self {
            header,
            certificates,
            envelopes,
            signature,
        }
    }

    fn certificates_root(certificates: &[Vec<u8>]) -> Digest {
        merkle_root(
            &certificates
                .iter()
                .map(|der| Domain::Certificate.hash(der))
                .collect::<Vec<_>>(),
        )
    }

    fn envelopes_root(envelopes: &[Arc<Envelope>]) -> Digest {
        merkle_root(
            &envelopes
                .iter()
                .map(|envelope| envelope.digest())
                .collect::<Vec<_>>(),
        )
    }

    /// Whether the header's roots are those of the content.
    pub fn has_true_roots(&self) -> bool {
        self.header.certificates_root == Self::certificates_root(&self.certificates)
            && usize::try_from(self.header.envelopes) == Ok(self.envelopes.len())
            && self.header.envelopes_root == Self::envelopes_root(&self.envelopes)
    }

    /// Number of transactions.
    pub fn transactions(&self) -> usize {
        self.envelopes
            .iter()
            .map(|envelope| envelope.transactions())
            .sum()
    }

    /// Checks network, roots and limits; signatures, chain and whether it may be empty are the caller's.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self, network: &Digest, limits: &Limits) -> Result<(), ProposalError> {
        if self.header.network != *network {
            return Err(ProposalError::OtherNetwork(self.header.network));
        }
        let over = |what, found: usize, limit: u64| {
            if found as u64 <= limit {
                return Ok(());
            }
            Err(ProposalError::TooLarge {
                what,
                found: found as u64,
                limit,
            })
        };
        // One envelope always fits, so that the two limits can be set apart.
        if self.envelopes.len() > 1 {
            over("transactions", self.transactions(), limits.block_max_transactions)?;
            let size = self.envelopes.iter().map(|envelope| envelope.size()).sum();
            over("bytes", size, limits.block_max_bytes)?;
        }
        over(
            "certificates",
            self.certificates.len(),
            self.envelopes.len() as u64 + 1,
        )?;
        if self.header.certificates_root != Self::certificates_root(&self.certificates) {
            return Err(ProposalError::Root("certificates"));
        }
        let described = usize::try_from(self.header.envelopes) == Ok(self.envelopes.len());
        if !described || self.header.envelopes_root != Self::envelopes_root(&self.envelopes) {
            return Err(ProposalError::Root("envelopes"));
        }
        Ok(())
    }
}
