//! What a collector signs: a chained, numbered list of calls.

use crate::canonical::Canonical;
use crate::governance::{GOVERNANCE, function};
use crate::hash::{Digest, Domain, Hasher};
use crate::member::Member;
use crate::merkle::merkle_root;
use crate::proposal::EnvelopeSource;
use crate::signature::{Signature, Signer};
use borsh::{BorshDeserialize, BorshSerialize};

/// One contract call.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Call {
    /// Name of the chaincode.
    pub chaincode: String,
    /// Name of the function.
    pub function: String,
    /// Its argument, in the encoding that the function describes.
    pub argument: Vec<u8>,
}

impl Call {
    /// Digest of the call.
    pub fn digest(&self) -> Digest {
        self.digest_with(&Domain::Value.hash(&self.argument))
    }

    /// The same from the digest of its argument ([`Domain::Value`]).
    pub fn digest_with(&self, argument: &Digest) -> Digest {
        let mut hasher = Domain::Call.hasher();
        let written = (&self.chaincode, &self.function, argument).serialize(&mut hasher);
        debug_assert!(written.is_ok(), "a hasher accepts every byte");
        hasher.finish()
    }

    /// Whether a peer says by it that it is ready to vote.
    pub(crate) fn is_ready(&self) -> bool {
        self.chaincode == GOVERNANCE && self.function == function::READY
    }

    /// Bytes that count against size limits.
    pub fn size(&self) -> usize {
        self.chaincode.len() + self.function.len() + self.argument.len() + 12
    }
}

/// What the signature covers. It names the calls by their root, so that one call can be proven alone.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchHeader {
    /// Hash of the genesis.
    pub network: Digest,
    /// The collector.
    pub sender: Member,
    /// Incarnation of the collector's spool, counted from 1: a lost spool opens the next.
    pub incarnation: u64,
    /// Number of the batch in its incarnation, counted from 1.
    pub sequence: u64,
    /// Digest of the sender's previous batch, of the last incarnation too; zero for the first of all.
    pub previous: Digest,
    /// Collector's clock when it was signed, nanoseconds since the Unix epoch.
    pub created_nano: i64,
    /// Number of calls.
    pub count: u32,
    /// Merkle root over the calls' digests.
    pub calls_root: Digest,
    /// The component by which the collector recorded the events ([`Domain::Chaincode`]); `None` for the rules that it has
    /// built in.
    pub component: Option<Digest>,
    /// BLAKE3 of the collector's executable, as an honest host reads it.
    pub executable: Digest,
}

impl Canonical for BatchHeader {
    const WHAT: &'static str = "batch header";
}

impl BatchHeader {
    /// What is signed and what the next batch names. Leaves out signature and certificate, so that an old
    /// batch can be signed again after its certificate was renewed.
    pub fn digest(&self) -> Digest {
        self.digest_as(Domain::Batch)
    }

    /// How it is told from the sender's others.
    pub(crate) fn source(&self) -> EnvelopeSource {
        EnvelopeSource::Batch(self.sender.clone(), self.incarnation, self.sequence)
    }

    /// Id of the transaction at `index` of this batch.
    pub fn transaction_id(&self, index: u32) -> Digest {
        self.transaction_ids().at(index)
    }

    /// Ids of this batch's transactions.
    pub fn transaction_ids(&self) -> TransactionIds {
        let mut hasher = Domain::TransactionId.hasher();
        let batch = (&self.network, &self.sender, self.incarnation, self.sequence);
        let written = batch.serialize(&mut hasher);
        debug_assert!(written.is_ok(), "a hasher accepts every byte");
        TransactionIds(hasher)
    }
}

/// Ids of a batch's transactions: what they share is hashed once.
pub struct TransactionIds(Hasher);

impl TransactionIds {
    /// Id of the transaction at `index`.
    pub fn at(&self, index: u32) -> Digest {
        self.0.clone().bytes(&index.to_le_bytes()).finish()
    }
}

/// A batch with its calls and its collector's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedBatch {
    /// What the signature covers.
    pub header: BatchHeader,
    /// The calls.
    pub calls: Vec<Call>,
    /// By the collector.
    pub signature: Signature,
}

impl Canonical for SignedBatch {
    const WHAT: &'static str = "signed batch";
}

impl SignedBatch {
    /// Root over `calls`.
    pub fn calls_root(calls: &[Call]) -> Digest {
        merkle_root(&calls.iter().map(Call::digest).collect::<Vec<_>>())
    }

    /// Signs a batch. `header.count` and `header.calls_root` must describe `calls`.
    pub fn sign(header: BatchHeader, calls: Vec<Call>, signer: &dyn Signer) -> Self {
        let signature = signer.sign(&header.digest());
        Self {
            header,
            calls,
            signature,
        }
    }

    /// Whether the header describes the calls.
    pub fn is_consistent(&self) -> bool {
        self.is_consistent_with(self.calls.iter().map(Call::digest))
    }

    /// The same from the calls' digests. They are not asked for when the number of calls is wrong already.
    pub(crate) fn is_consistent_with(&self, digests: impl Iterator<Item = Digest>) -> bool {
        usize::try_from(self.header.count) == Ok(self.calls.len())
            && self.header.calls_root == merkle_root(&digests.collect::<Vec<_>>())
    }

    /// Bytes that count against size limits.
    pub fn size(&self) -> usize {
        self.calls.iter().map(Call::size).sum::<usize>() + 512
    }
}
