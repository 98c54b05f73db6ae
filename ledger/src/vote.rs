//! What a peer says about a height, signed: first which proposal it was told is committed, then which header
//! it got by executing it. It says each at most once per height.

use crate::canonical::Canonical;
use crate::hash::{Digest, Domain};
use crate::signature::{Signature, Signer};
use borsh::{BorshDeserialize, BorshSerialize};

/// "Raft told me that this proposal is committed at this height."
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Acknowledgement {
    /// Hash of the genesis.
    pub network: Digest,
    /// Height.
    pub height: u64,
    /// Digest of the proposal; through its chain, of all below.
    pub proposal: Digest,
}

/// "I executed the ledger up to this height and got this header."
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Endorsement {
    /// Hash of the genesis.
    pub network: Digest,
    /// Height.
    pub height: u64,
    /// Digest of the header; through its chain, of all below.
    pub header: Digest,
}

/// Either statement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Vote {
    /// Before execution.
    Acknowledgement(Acknowledgement),
    /// After execution.
    Endorsement(Endorsement),
}

impl Canonical for Acknowledgement {
    const WHAT: &'static str = "acknowledgement";
}

impl Canonical for Endorsement {
    const WHAT: &'static str = "endorsement";
}

impl Vote {
    /// The network it is for.
    pub fn network(&self) -> &Digest {
        match self {
            Self::Acknowledgement(vote) => &vote.network,
            Self::Endorsement(vote) => &vote.network,
        }
    }

    /// The height it is about.
    pub fn height(&self) -> u64 {
        match self {
            Self::Acknowledgement(vote) => vote.height,
            Self::Endorsement(vote) => vote.height,
        }
    }

    /// What is signed.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Acknowledgement(vote) => vote.digest_as(Domain::Acknowledgement),
            Self::Endorsement(vote) => vote.digest_as(Domain::Endorsement),
        }
    }
}

/// A vote with its peer's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedVote {
    /// The statement.
    pub vote: Vote,
    /// By the peer.
    pub signature: Signature,
}

impl Canonical for SignedVote {
    const WHAT: &'static str = "signed vote";
}

impl SignedVote {
    /// Signs a vote.
    pub fn sign(vote: Vote, signer: &dyn Signer) -> Self {
        let signature = signer.sign(&vote.digest());
        Self { vote, signature }
    }
}
