//! What an admin or client signs: one call, with a nonce and a last height.

use crate::batch::Call;
use crate::canonical::Canonical;
use crate::hash::{Digest, Domain};
use crate::member::Member;
use crate::proposal::EnvelopeSource;
use crate::signature::{Signature, Signer};
use borsh::{BorshDeserialize, BorshSerialize};

/// What the signature covers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RequestHeader {
    /// Hash of the genesis.
    pub network: Digest,
    /// Who asks.
    pub sender: Member,
    /// Random, so that the same call can be made twice on purpose and not by accident.
    pub nonce: [u8; 16],
    /// Last height it may be executed at.
    pub expires_at: u64,
    /// Digest of the call.
    pub call: Digest,
}

impl Canonical for RequestHeader {
    const WHAT: &'static str = "request header";
}

impl RequestHeader {
    /// What is signed.
    pub fn digest(&self) -> Digest {
        self.digest_as(Domain::Request)
    }

    /// How it is told from the sender's others.
    pub(crate) fn source(&self) -> EnvelopeSource {
        EnvelopeSource::Request(self.transaction_id())
    }

    /// Id of the transaction: sender and nonce, so that a nonce cannot be used twice.
    pub fn transaction_id(&self) -> Digest {
        let mut hasher = Domain::TransactionId.hasher();
        let written = (&self.network, &self.sender, &self.nonce).serialize(&mut hasher);
        debug_assert!(written.is_ok(), "a hasher accepts every byte");
        hasher.finish()
    }
}

/// A request with its call and its sender's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedRequest {
    /// What the signature covers.
    pub header: RequestHeader,
    /// The call.
    pub call: Call,
    /// By the sender.
    pub signature: Signature,
}

impl Canonical for SignedRequest {
    const WHAT: &'static str = "signed request";
}

impl SignedRequest {
    /// Signs a call.
    pub fn sign(network: Digest, nonce: [u8; 16], expires_at: u64, call: Call, signer: &dyn Signer) -> Self {
        let header = RequestHeader {
            network,
            sender: signer.certificate().member().clone(),
            nonce,
            expires_at,
            call: call.digest(),
        };
        let signature = signer.sign(&header.digest());
        Self {
            header,
            call,
            signature,
        }
    }
}
