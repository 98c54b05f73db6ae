use super::final_header::{FinalHeader, FinalHeaderProof};
use super::{Anchor, ProofError};
use crate::batch::{BatchHeader, Call};
use crate::block::{Block, Header, TransactionResult};
use crate::canonical::Canonical;
use crate::certificate::Certificate;
use crate::code::ValidationCode;
use crate::hash::{Digest, Domain};
use crate::member::Member;
use crate::merkle::InclusionProof;
use crate::proposal::Envelope;
use crate::request::RequestHeader;
use crate::signature::Signature;
use borsh::{BorshDeserialize, BorshSerialize};

/// What a sender signed, without its calls.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Statement {
    /// A collector's batch.
    Batch(BatchHeader),
    /// An admin's or client's request.
    Request(RequestHeader),
}

impl Statement {
    fn of(envelope: &Envelope) -> Self {
        match envelope {
            Envelope::Batch(batch) => Self::Batch(batch.header.clone()),
            Envelope::Request(request) => Self::Request(request.header.clone()),
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Batch(header) => header.digest(),
            Self::Request(header) => header.digest(),
        }
    }

    fn sender(&self) -> &Member {
        match self {
            Self::Batch(header) => &header.sender,
            Self::Request(header) => &header.sender,
        }
    }

    fn network(&self) -> &Digest {
        match self {
            Self::Batch(header) => &header.network,
            Self::Request(header) => &header.network,
        }
    }

    /// Digest of statement and signature: a leaf of the block's data root.
    fn envelope_digest(&self, signature: &Signature) -> Digest {
        let mut hasher = Domain::Envelope.hasher();
        let written = (&self.digest(), signature).serialize(&mut hasher);
        debug_assert!(written.is_ok(), "a hasher accepts every byte");
        hasher.finish()
    }
}

/// What of the statement the receipt is about.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Subject {
    /// One of its calls, which was executed.
    Call {
        /// The call.
        call: Call,
        /// Its place among the batch's calls; a request has one call only and none.
        path: Option<InclusionProof>,
    },
    /// All of it: it was refused as a whole and nothing of it was executed.
    Refused,
}

/// Proof that a transaction is in a final block, what it said, who signed it, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// What the sender signed.
    pub statement: Statement,
    /// By the sender.
    pub signature: Signature,
    /// DER bytes of the sender's certificate; may be empty when the statement was refused.
    pub certificate: Vec<u8>,
    /// Place of statement and signature in the block.
    pub envelope_path: InclusionProof,
    /// What of it this is about.
    pub subject: Subject,
    /// What became of it.
    pub result: TransactionResult,
    /// Place of the result in the block.
    pub result_path: InclusionProof,
    /// That the block is final.
    pub finality: FinalHeaderProof,
}

impl Canonical for Receipt {
    const WHAT: &'static str = "receipt";
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTransaction {
    /// Index in its block.
    pub index: u32,
    /// Who signed it; of a refused statement only whom it names, as anyone can: a bad signature may be why it was
    /// refused.
    pub sender: Member,
    /// The call; none when all of the statement was refused.
    pub call: Option<Call>,
    /// What became of it; holds its id.
    pub result: TransactionResult,
    /// The block's header, and who endorsed it.
    pub block: FinalHeader,
}

impl Receipt {
    /// The receipt of the transaction at `index` of a block; `None` when the block has none there, or is not
    /// consistent. `certificate` is the sender's.
    pub fn new(
        block: &Block,
        index: usize,
        certificate: Vec<u8>,
        finality: FinalHeaderProof,
    ) -> Option<Self> {
        let result = block.results.get(index)?;
        let results: Vec<Digest> = block.results.iter().map(TransactionResult::digest).collect();
        let (at, outcome) = block
            .outcomes()
            .enumerate()
            .find(|(_, outcome)| index < outcome.first + outcome.results.len())?;
        let envelope = outcome.envelope;
        let envelopes: Vec<Digest> = block
            .proposal
            .envelopes
            .iter()
            .map(|envelope| envelope.digest())
            .collect();
        let subject = if outcome.refused {
            Subject::Refused
        } else {
            subject(envelope, index - outcome.first)?
        };
        Some(Self {
            statement: Statement::of(envelope),
            signature: envelope.signature().clone(),
            certificate,
            envelope_path: InclusionProof::new(&envelopes, at)?,
            subject,
            result: result.clone(),
            result_path: InclusionProof::new(&results, index)?,
            finality,
        })
    }

    /// Checks everything that the receipt says against a genesis.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<VerifiedTransaction, ProofError> {
        let block = self.finality.verify(anchor)?;
        let height = block.header.height;
        let included = |holds: bool, what| {
            holds
                .then_some(())
                .ok_or(ProofError::NotIncluded { what, height })
        };
        let envelope = self.statement.envelope_digest(&self.signature);
        let (data_root, results_root) = (&block.header.data_root, &block.header.results_root);
        included(
            self.envelope_path.count == block.header.envelopes
                && self.envelope_path.verify(&envelope, data_root),
            "signed statement",
        )?;
        included(
            self.result_path.count == block.header.transactions
                && self.result_path.verify(&self.result.digest(), results_root),
            "result",
        )?;
        let call = match &self.subject {
            Subject::Call { call, path } => {
                self.check_call(call, path.as_ref(), height)?;
                // The block is proof that its sender was entitled to sign then: endorsers checked it.
                self.check_sender(anchor, &block.header)?;
                Some(call.clone())
            }
            Subject::Refused => {
                self.check_refused(&envelope)?;
                None
            }
        };
        Ok(VerifiedTransaction {
            index: self.result_path.index,
            sender: self.statement.sender().clone(),
            call,
            result: self.result.clone(),
            block,
        })
    }

    fn check_call(&self, call: &Call, path: Option<&InclusionProof>, height: u64) -> Result<(), ProofError> {
        let (included, id) = match (&self.statement, path) {
            (Statement::Batch(header), Some(path)) => (
                path.count == header.count && path.verify(&call.digest(), &header.calls_root),
                header.transaction_id(path.index),
            ),
            (Statement::Request(header), None) => (header.call == call.digest(), header.transaction_id()),
            _ => {
                return Err(ProofError::Inconsistent(
                    "a batch's call comes with its place among the calls, a request's without".to_owned(),
                ));
            }
        };
        if !included {
            return Err(ProofError::NotIncluded { what: "call", height });
        }
        if self.result.id != id {
            return Err(ProofError::Inconsistent(format!(
                "the result is that of transaction {}, the call that of {id}",
                self.result.id
            )));
        }
        Ok(())
    }

    fn check_refused(&self, envelope: &Digest) -> Result<(), ProofError> {
        if self.result.id != *envelope || self.result.code == ValidationCode::Valid {
            return Err(ProofError::Inconsistent(
                "the result is not that of a statement refused as a whole".to_owned(),
            ));
        }
        // The signature names its certificate, and is in the block: no other may stand beside it.
        let named = Domain::Certificate.hash(&self.certificate) == self.signature.certificate;
        if self.certificate.is_empty() || named {
            return Ok(());
        }
        Err(ProofError::Inconsistent(
            "the certificate is not the one that the signature names".to_owned(),
        ))
    }

    fn check_sender(&self, anchor: &Anchor, header: &Header) -> Result<(), ProofError> {
        if self.statement.network() != anchor.network() {
            return Err(ProofError::OtherNetwork {
                found: *self.statement.network(),
                expected: *anchor.network(),
            });
        }
        let certificate = Certificate::parse(&self.certificate)?;
        let sender = self.statement.sender();
        if certificate.member() != sender {
            return Err(ProofError::Inconsistent(format!(
                "the certificate is that of {}, the statement names {sender}",
                certificate.member()
            )));
        }
        certificate.check(&*anchor.config_of(header)?, header.time_nano)?;
        self.signature
            .verify(&self.statement.digest(), &certificate)
            .map_err(|source| ProofError::signature(sender, source))
    }
}

fn subject(envelope: &Envelope, index: usize) -> Option<Subject> {
    Some(match envelope {
        Envelope::Batch(batch) => {
            let calls: Vec<Digest> = batch.calls.iter().map(Call::digest).collect();
            Subject::Call {
                call: batch.calls.get(index)?.clone(),
                path: Some(InclusionProof::new(&calls, index)?),
            }
        }
        Envelope::Request(request) => Subject::Call {
            call: request.call.clone(),
            path: None,
        },
    })
}
