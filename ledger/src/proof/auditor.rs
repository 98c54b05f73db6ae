use super::{Anchor, FinalHeaderProof, ProofError};
use crate::admission::{SenderHead, check_envelope, check_signature};
use crate::block::{Block, Header};
use crate::certificate::Certificate;
use crate::collector_code::check_code;
use crate::config::NetworkConfig;
use crate::hash::Digest;
use crate::inspection::Inspection;
use crate::member::Member;
use crate::proposal::{Envelope, EnvelopeSource};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a ledger, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {height}{}: {why}", .index.map(|index| format!(" transaction {index}")).unwrap_or_default())]
pub struct AuditError {
    /// Height of the first block that does not hold.
    pub height: u64,
    /// Index in it, where one transaction is at fault.
    pub index: Option<usize>,
    /// What does not hold.
    pub why: String,
}

/// Checks a whole ledger, block by block from the first: encodings and hashes, the chain of headers and that of
/// proposals, the leader's and every sender's signature and certificate at the block's time, roles, limits, each
/// collector's sequence and chain, and the endorsements. It does not execute: whether results and state follow
/// from the calls is what the endorsers vouch for.
pub struct Auditor<'a> {
    anchor: &'a Anchor,
    tip: Header,
    certificates: BTreeMap<Digest, Certificate>,
    heads: BTreeMap<Member, SenderHead>,
    requests: BTreeSet<EnvelopeSource>,
    transactions: u64,
    refused: u64,
    sealed: u64,
}

impl<'a> Auditor<'a> {
    /// Begins after the genesis, whose header this is.
    pub fn new(anchor: &'a Anchor, genesis: Header) -> Self {
        Self {
            anchor,
            tip: genesis,
            certificates: BTreeMap::new(),
            heads: BTreeMap::new(),
            requests: BTreeSet::new(),
            transactions: 0,
            refused: 0,
            sealed: 0,
        }
    }

    /// Height of the last block that was checked.
    pub fn height(&self) -> u64 {
        self.tip.height
    }

    /// Transactions so far.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Statements that were refused as a whole so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Blocks so far that every voting actor has endorsed, as their proofs show.
    pub fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Senders of batches, each with its last batch.
    pub fn heads(&self) -> &BTreeMap<Member, SenderHead> {
        &self.heads
    }

    /// Checks the next block.
    ///
    /// # Errors
    /// The first rule that it breaks; the auditor must not be used further.
    pub fn check(&mut self, block: &Block, proof: &FinalHeaderProof) -> Result<(), AuditError> {
        let height = self.tip.height + 1;
        let fail = |why: String| AuditError {
            height,
            index: None,
            why,
        };
        let proven = proof
            .verify(self.anchor)
            .map_err(|error: ProofError| fail(error.to_string()))?;
        if proven.header != block.header {
            return Err(fail("its header is not the one that was endorsed".to_owned()));
        }
        let config = self.anchor.config_of(&block.header);
        let config = config.map_err(|error| fail(error.to_string()))?;
        self.check_chain(block, &config).map_err(fail)?;
        if !block.is_complete() {
            return Err(fail("its content is not what its header commits to".to_owned()));
        }
        self.learn(block).map_err(fail)?;
        self.check_leader(block, &config).map_err(fail)?;
        self.check_envelopes(block, &config)?;
        self.tip = block.header.clone();
        self.transactions += u64::from(block.header.transactions);
        self.sealed += u64::from(proven.is_sealed());
        Ok(())
    }

    fn check_chain(&self, block: &Block, config: &NetworkConfig) -> Result<(), String> {
        let (header, tip) = (&block.header, &self.tip);
        if header.height != tip.height + 1 || header.previous != tip.digest() {
            return Err(format!(
                "it does not follow block {} ({})",
                tip.height,
                tip.digest().short()
            ));
        }
        if header.config_root != tip.next_config_root {
            return Err("its configuration is not the one that the block below names".to_owned());
        }
        if header.time_nano < tip.time_nano {
            return Err("its time lies before that of the block below".to_owned());
        }
        let proposal = &block.proposal.header;
        if proposal.previous != tip.proposal {
            return Err("its proposal does not follow that of the block below".to_owned());
        }
        block
            .proposal
            .check(self.anchor.network(), &config.limits)
            .map_err(|error| error.to_string())
    }

    /// Certificates are on the ledger once, and named by their digest from then on.
    fn learn(&mut self, block: &Block) -> Result<(), String> {
        for der in &block.proposal.certificates {
            let certificate =
                Certificate::parse(der).map_err(|error| format!("a certificate it brings: {error}"))?;
            self.certificates.insert(certificate.digest(), certificate);
        }
        Ok(())
    }

    fn check_leader(&self, block: &Block, config: &NetworkConfig) -> Result<(), String> {
        let proposal = &block.proposal;
        let certificate = self
            .certificates
            .get(&proposal.signature.certificate)
            .ok_or("its leader's certificate is not on the ledger")?;
        let signer = certificate.member();
        if *signer != proposal.header.leader || !config.is_voting_peer(signer) {
            return Err(format!("it is signed by {signer}, which may not propose it"));
        }
        certificate
            .check(config, block.header.time_nano)
            .map_err(|error| format!("its leader's certificate: {error}"))?;
        proposal
            .signature
            .verify(&proposal.header.digest(), certificate)
            .map_err(|error| format!("its leader's signature: {error}"))
    }

    fn check_envelopes(&mut self, block: &Block, config: &NetworkConfig) -> Result<(), AuditError> {
        let mut index = 0;
        for outcome in block.outcomes() {
            let (envelope, first) = (outcome.envelope, outcome.first);
            let fail = |why: String| AuditError {
                height: block.header.height,
                index: Some(first),
                why,
            };
            if block.results.get(first).is_none() {
                return Err(fail("it has no result".to_owned()));
            }
            index = first
                + if outcome.refused {
                    1
                } else {
                    envelope.transactions()
                };
            if outcome.refused {
                self.refused += 1;
                continue;
            }
            self.check_executed(block, config, envelope).map_err(fail)?;
            for (offset, id) in ids(envelope).into_iter().enumerate() {
                if outcome.results.get(offset).is_none_or(|result| result.id != id) {
                    return Err(fail(format!(
                        "call {offset} of the statement has another result's place"
                    )));
                }
            }
        }
        if index == block.results.len() {
            return Ok(());
        }
        Err(AuditError {
            height: block.header.height,
            index: Some(index),
            why: "it is the result of nothing".to_owned(),
        })
    }

    fn check_executed(
        &mut self,
        block: &Block,
        config: &NetworkConfig,
        envelope: &Envelope,
    ) -> Result<(), String> {
        let certificate = self
            .certificates
            .get(&envelope.signature().certificate)
            .ok_or("its sender's certificate is not on the ledger")?;
        let network = self.anchor.network();
        let inspection = Inspection::of(envelope);
        check_envelope(
            envelope,
            &inspection,
            certificate,
            network,
            config,
            block.header.time_nano,
        )
        .and_then(|()| check_signature(envelope, certificate))
        .map_err(|refused| refused.reason)?;
        match envelope {
            Envelope::Batch(batch) => {
                let head = self.heads.entry(batch.header.sender.clone()).or_default();
                head.check_next(&batch.header)
                    .and_then(|()| check_code(&batch.header, config, block.header.time_nano))
                    .map_err(|refused| refused.reason)?;
                *head = SenderHead::after(&batch.header);
            }
            Envelope::Request(request) => {
                let (height, expires_at) = (block.header.height, request.header.expires_at);
                let latest = height.saturating_add(config.limits.request_lifetime_blocks);
                if !(height..=latest).contains(&expires_at) {
                    return Err(format!(
                        "a request was executed at height {height} whose last height is {expires_at}: it must be from \
                         {height} to {latest}"
                    ));
                }
                if !self.requests.insert(envelope.source()) {
                    return Err("the same request was executed before".to_owned());
                }
            }
        }
        Ok(())
    }
}

/// Ids of an envelope's transactions.
fn ids(envelope: &Envelope) -> Vec<Digest> {
    match envelope {
        Envelope::Batch(batch) => {
            let ids = batch.header.transaction_ids();
            (0..batch.header.count).map(|index| ids.at(index)).collect()
        }
        Envelope::Request(request) => vec![request.header.transaction_id()],
    }
}
