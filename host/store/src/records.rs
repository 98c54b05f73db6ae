//! How a block is taken apart: its header, its skeleton, and its results, each with the calls that it is about.
//! Put together again it is byte for byte the same.
//!
//! An executed envelope has one result per call, so each result has one call. A refused envelope has one
//! result for all its calls, under the envelope's digest: its result has all of them.

use crate::transactions::StoredTransaction;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::{
    Block, Call, Canonical, Digest, Domain, Envelope, Header, Member, ProposalHeader, Signature, SignedBatch,
    SignedProposal, SignedRequest, StatementHeader, merkle_root,
};
use std::sync::Arc;

/// An envelope without its calls.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct EnvelopeHeader {
    pub statement: StatementHeader,
    pub signature: Signature,
    /// Index of its first result in the block.
    pub first: u32,
    /// Number of its results.
    pub results: u32,
    /// Whether it was refused as a whole.
    pub refused: bool,
}

impl EnvelopeHeader {
    pub(crate) fn sender(&self) -> &Member {
        match &self.statement {
            StatementHeader::Batch(header) => &header.sender,
            StatementHeader::Request(header) => &header.sender,
        }
    }

    /// Id of the transaction at `index` of the block.
    pub(crate) fn transaction_id(&self, index: u32) -> Digest {
        match &self.statement {
            StatementHeader::Batch(header) => header.transaction_id(index - self.first),
            StatementHeader::Request(header) => header.transaction_id(),
        }
    }

    /// Ids of its results, in order: those of its transactions, or its own digest if it was refused.
    fn result_ids(&self) -> Vec<Digest> {
        match &self.statement {
            _ if self.refused => vec![self.digest()],
            StatementHeader::Batch(header) => {
                let ids = header.transaction_ids();
                (0..self.results).map(|index| ids.at(index)).collect()
            }
            StatementHeader::Request(header) => vec![header.transaction_id()],
        }
    }

    /// Id of the result at `index` of the block, which is one of its own.
    pub(crate) fn result_id(&self, index: u32) -> Digest {
        if self.refused {
            self.digest()
        } else {
            self.transaction_id(index)
        }
    }
}

/// What a block's record keeps besides header, calls and results.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Skeleton {
    pub proposal: ProposalHeader,
    pub certificates: Vec<Vec<u8>>,
    pub envelopes: Vec<EnvelopeHeader>,
    pub signature: Signature,
}

impl Canonical for Skeleton {
    const WHAT: &'static str = "block skeleton";
}

impl Skeleton {
    /// The skeleton of a block; says why results and envelopes do not fit.
    pub(crate) fn of(block: &Block) -> Result<Self, String> {
        let mut cursor = 0;
        let mut envelopes = Vec::with_capacity(block.proposal.envelopes.len());
        for envelope in &block.proposal.envelopes {
            let refused = block
                .results
                .get(cursor)
                .is_some_and(|result| result.id == envelope.digest());
            let results = if refused { 1 } else { envelope.transactions() };
            envelopes.push(EnvelopeHeader {
                statement: StatementHeader::of(envelope),
                signature: envelope.signature().clone(),
                first: u32::try_from(cursor).map_err(|_| "too many results")?,
                results: u32::try_from(results).map_err(|_| "too many results")?,
                refused,
            });
            cursor += results;
        }
        if cursor != block.results.len() {
            return Err(format!(
                "its envelopes account for {cursor} results, it has {}",
                block.results.len()
            ));
        }
        Ok(Self {
            proposal: block.proposal.header.clone(),
            certificates: block.proposal.certificates.clone(),
            envelopes,
            signature: block.proposal.signature.clone(),
        })
    }

    /// The envelope that result `index` of the block is about.
    pub(crate) fn envelope(&self, index: u32) -> Option<&EnvelopeHeader> {
        let after = self.envelopes.partition_point(|envelope| envelope.first <= index);
        // Envelopes without results share their first index with the next one.
        self.envelopes[..after]
            .iter()
            .rev()
            .find(|envelope| envelope.results > 0)
            .filter(|envelope| index - envelope.first < envelope.results)
    }

    /// Number of results.
    pub(crate) fn results(&self) -> usize {
        self.envelopes
            .iter()
            .map(|envelope| envelope.results as usize)
            .sum()
    }

    /// Whether it is the skeleton that a header commits to: proposal, envelope headers, signatures,
    /// certificates. Calls are not part of it.
    pub(crate) fn matches(&self, header: &Header) -> bool {
        let digests: Vec<Digest> = self.envelopes.iter().map(EnvelopeHeader::digest).collect();
        let certificates: Vec<Digest> = self
            .certificates
            .iter()
            .map(|der| Domain::Certificate.hash(der))
            .collect();
        self.proposal.digest() == header.proposal
            && self.proposal.height == header.height
            && self.proposal.time_nano == header.time_nano
            && self.proposal.certificates_root == merkle_root(&certificates)
            && merkle_root(&digests) == header.data_root
            && self.envelopes.len() == header.envelopes as usize
            && self.is_laid_out()
            && self.results() == header.transactions as usize
    }

    /// Whether results follow each other as statements say: no hash covers where they begin.
    fn is_laid_out(&self) -> bool {
        let mut next = 0_u32;
        self.envelopes.iter().all(|envelope| {
            let first = next;
            next = next.saturating_add(envelope.results);
            let results = match &envelope.statement {
                StatementHeader::Batch(header) if !envelope.refused => header.count,
                _ => 1,
            };
            envelope.first == first && envelope.results == results
        })
    }

    /// Puts the block together again; says what does not fit.
    pub(crate) fn assemble(
        self,
        header: Header,
        transactions: Vec<StoredTransaction>,
    ) -> Result<Block, String> {
        if transactions.len() != self.results() {
            return Err(format!(
                "{} results are stored, {} belong to it",
                transactions.len(),
                self.results()
            ));
        }
        let mut results = Vec::with_capacity(transactions.len());
        let mut transactions = transactions.into_iter();
        let mut envelopes = Vec::with_capacity(self.envelopes.len());
        for envelope in self.envelopes {
            let mut calls = Vec::with_capacity(envelope.results as usize);
            let ids = envelope.result_ids();
            for (transaction, id) in transactions.by_ref().take(envelope.results as usize).zip(ids) {
                let (mut own, result) = transaction.result(id);
                calls.append(&mut own);
                results.push(result);
            }
            envelopes.push(Arc::new(envelope.assemble(calls)?));
        }
        Ok(Block {
            header,
            proposal: SignedProposal {
                header: self.proposal,
                certificates: self.certificates,
                envelopes,
                signature: self.signature,
            },
            results,
        })
    }
}

impl EnvelopeHeader {
    /// [`Envelope::digest`] of the whole.
    fn digest(&self) -> Digest {
        // The digest of an envelope covers its header and signature only, so calls may be left out.
        self.envelope(Vec::new(), Call::none()).digest()
    }

    fn assemble(self, mut calls: Vec<Call>) -> Result<Envelope, String> {
        let refused = self.refused;
        let call = match self.statement {
            StatementHeader::Batch(_) => Call::none(),
            StatementHeader::Request(_) => match (calls.pop(), calls.is_empty()) {
                (Some(call), true) => call,
                _ => return Err("a request without exactly one call".to_owned()),
            },
        };
        let envelope = self.envelope(calls, call);
        // That its header does not describe its calls is one of the reasons to refuse an envelope.
        if refused || envelope.is_consistent() {
            return Ok(envelope);
        }
        Err(format!(
            "the calls of envelope {} are not those that were signed",
            envelope.digest()
        ))
    }

    fn envelope(&self, calls: Vec<Call>, call: Call) -> Envelope {
        let signature = self.signature.clone();
        match self.statement.clone() {
            StatementHeader::Batch(header) => Envelope::Batch(SignedBatch {
                header,
                calls,
                signature,
            }),
            StatementHeader::Request(header) => Envelope::Request(SignedRequest {
                header,
                call,
                signature,
            }),
        }
    }
}

trait NoCall {
    /// Stands where there is no call.
    fn none() -> Self;
}

impl NoCall for Call {
    fn none() -> Self {
        Self {
            chaincode: String::new(),
            function: String::new(),
            argument: Vec::new(),
        }
    }
}
