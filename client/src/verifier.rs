//! Reads that are proven against a genesis: what a peer says of itself counts for nothing.

use crate::checkpoint::{Chain, Checkpoint};
use crate::client::LedgerClient;
use crate::config_changes::learn_changes;
use crate::error::ClientError;
use crate::wire;
use e2l_ledger::proof::{
    Anchor, CollectorApproval, Evidence, FinalHeader, FinalHeaderProof, Guilt, LogPage, LogPageProof,
    ProofError, Receipt, SenderHeadProof, StateValueProof, VerifiedTransaction, last_collector_change,
};
use e2l_ledger::{
    Block, Canonical, DecodeError, Digest, Domain, LogEntry, LogHead, Member, SenderHead, StateKey,
};
use std::sync::Arc;
use std::time::Duration;

/// Most entries asked for at a time.
const PAGE: u32 = 500;
/// How often, and how far apart, a log is read anew when a peer goes on with an older one.
const LOG_TRIES: u32 = 5;
const LOG_PAUSE: Duration = Duration::from_millis(200);

/// Why a read is not proven.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no answer to verify.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer is no proof.
    #[error("the peer's answer is not a proof: {0}")]
    Malformed(#[from] DecodeError),
    /// The proof does not hold.
    #[error("the peer's answer is not true, or not proven: {0}")]
    Proof(#[from] ProofError),
    /// A proof of something else than was asked for.
    #[error("the peer proves something else than was asked for: {0}")]
    OtherSubject(String),
    /// A final block of another chain than the checkpoint: a majority has signed both.
    #[error(
        "block {height} is not of the chain of your checkpoint at height {checkpoint}: a majority's keys have signed two \
         ledgers"
    )]
    Fork {
        /// Height of the block, or of the checkpoint that is not there.
        height: u64,
        /// Height of the checkpoint.
        checkpoint: u64,
    },
    /// A part of a log as of an older block than another part.
    #[error(
        "a part of the list comes as of height {shown}, and another came as of height {newest}: what was appended in \
         between would be missing"
    )]
    Older {
        /// Height of the part.
        shown: u64,
        /// Highest that was shown before.
        newest: u64,
    },
    /// Two blocks that do not follow each other, though both are final.
    #[error(
        "block {0} does not follow the block that was shown beside it: the peers show two ledgers, and a majority's keys \
         have signed both"
    )]
    Unlinked(u64),
    /// An older ledger than is known.
    #[error("the peer shows the ledger as of height {shown}, and your checkpoint is at height {checkpoint}")]
    Behind {
        /// As of which height.
        shown: u64,
        /// Height of the checkpoint.
        checkpoint: u64,
    },
}

/// All entries of a log.
#[derive(Debug, Clone)]
pub struct LogRead {
    /// The entries, in order, from the first to the last.
    pub entries: Vec<LogEntry>,
    /// The block as of which these are all: that of the last page.
    pub block: FinalHeader,
    /// The proofs, one per page.
    pub proofs: Vec<LogPageProof>,
}

/// A client that trusts only a genesis and, if it has one, its last checkpoint.
#[derive(Clone)]
pub struct Verifier {
    client: LedgerClient,
    anchor: Arc<Anchor>,
    chain: Option<Arc<Chain>>,
}

impl Verifier {
    /// Verifies what `client` reads.
    pub fn new(client: LedgerClient, anchor: Arc<Anchor>) -> Self {
        Self {
            client,
            anchor,
            chain: None,
        }
    }

    /// The same, and what is read must be of the checkpoint's chain, and as of no older height.
    pub fn since(self, checkpoint: Checkpoint) -> Self {
        Self {
            chain: Some(Arc::new(Chain::of(checkpoint))),
            ..self
        }
    }

    async fn is_of_chain(&self, block: &FinalHeader) -> Result<(), VerifyError> {
        match &self.chain {
            Some(chain) => chain.check(&block.header, &self.client, &self.anchor).await,
            None => Ok(()),
        }
    }

    /// Whether a ledger that ends there may be the newest.
    ///
    /// # Errors
    /// The checkpoint is newer.
    pub(crate) fn may_be_newest(&self, height: u64) -> Result<(), VerifyError> {
        self.chain
            .as_ref()
            .map_or(Ok(()), |chain| chain.check_newest(height))
    }

    /// The client that it verifies.
    pub fn client(&self) -> &LedgerClient {
        &self.client
    }

    /// The same for one actor's peer alone; `None` if it has none.
    pub fn only(&self, actor: &str) -> Option<Self> {
        Some(Self {
            client: self.client.only(actor)?,
            ..self.clone()
        })
    }

    /// What it trusts.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The receipt of a transaction, and what it proves.
    ///
    /// # Errors
    /// No peer has it, or what it sends does not prove it.
    pub async fn receipt(&self, id: &Digest) -> Result<(Receipt, VerifiedTransaction), VerifyError> {
        let reply = self.client.receipt(id).await?;
        let receipt = Receipt::decode(&reply.receipt)?;
        let proven = self.proven(|anchor| receipt.verify(anchor)).await?;
        if proven.result.id != *id {
            return Err(VerifyError::OtherSubject(format!(
                "transaction {}",
                proven.result.id
            )));
        }
        self.is_of_chain(&proven.block).await?;
        Ok((receipt, proven))
    }

    /// Where a sender of batches stands. What a peer calls nothing is no proof that there is nothing: it may be
    /// behind, or its ledger empty.
    ///
    /// # Errors
    /// No peer answers, or what it sends does not prove it.
    pub async fn sender_head(&self, sender: &Member) -> Result<SenderHead, VerifyError> {
        Ok(self.sender_head_at(sender).await?.0)
    }

    /// The same, and the block as of which it is so; `None` where a peer has no block that could show it.
    ///
    /// # Errors
    /// No peer answers, or what it sends does not prove it.
    pub async fn sender_head_at(
        &self,
        sender: &Member,
    ) -> Result<(SenderHead, Option<FinalHeader>), VerifyError> {
        let request = wire::SenderHeadRequest {
            sender: sender.to_string(),
            prove: true,
        };
        let reply = self.client.sender_head_with(request).await?;
        if reply.proof.is_empty() && reply.incarnation == 0 {
            return Ok((SenderHead::default(), None));
        }
        let proof = SenderHeadProof::decode(&reply.proof)?;
        let block = self.proven(|anchor| proof.verify(anchor)).await?;
        if proof.sender != *sender {
            return Err(VerifyError::OtherSubject(format!(
                "where {} stands",
                proof.sender
            )));
        }
        Ok((proof.head, Some(block)))
    }

    /// Checks that the actors have approved the component that collectors record by under the newest configuration that is
    /// known, or that there is none. Returns that component, if there is one that is not `known`.
    ///
    /// # Errors
    /// No peer answers, or what it sends does not prove it.
    pub async fn collector_code(&self, known: Option<&Digest>) -> Result<Option<Vec<u8>>, VerifyError> {
        let reply = self.client.collector_code(known).await?;
        if reply.approval.is_empty() {
            if last_collector_change(&self.anchor.epochs()).is_some() {
                return Err(VerifyError::OtherSubject("no approvals".to_owned()));
            }
        } else {
            let approval = CollectorApproval::decode(&reply.approval)?;
            self.proven(|anchor| approval.verify(anchor)).await?;
        }
        let wanted = self.anchor.newest().collector_component();
        let Some(wanted) = wanted.filter(|wanted| known != Some(wanted)) else {
            return Ok(None);
        };
        if Domain::Chaincode.hash(&reply.component) != wanted {
            return Err(VerifyError::OtherSubject(format!(
                "something else than component {wanted}"
            )));
        }
        Ok(Some(reply.component.to_vec()))
    }

    /// Contradictions that the answering peer has found, and whom each convicts. What convicts nobody is an
    /// error: a peer must not accuse the innocent.
    ///
    /// # Errors
    /// No peer answers, or a piece does not hold.
    pub async fn evidence(&self) -> Result<Vec<(Evidence, Guilt)>, VerifyError> {
        let reply = self.client.evidence().await?;
        let mut found = Vec::with_capacity(reply.evidence.len());
        for bytes in &reply.evidence {
            let evidence = Evidence::decode(bytes)?;
            let guilt = evidence.verify(&self.anchor)?;
            found.push((evidence, guilt));
        }
        Ok(found)
    }

    /// All entries of a chaincode's log as of one final block.
    ///
    /// # Errors
    /// No peer answers, or what it sends is not proven to be all.
    pub async fn log(&self, chaincode: &str, log: &[u8]) -> Result<LogRead, VerifyError> {
        let (mut newest, mut tries) = (0, 1);
        loop {
            match self.log_from_start(chaincode, log, &mut newest).await {
                // The peer that goes on may be another one, and behind.
                Err(VerifyError::Older { .. }) if tries < LOG_TRIES => tries += 1,
                read => return read,
            }
            tokio::time::sleep(LOG_PAUSE).await;
        }
    }

    /// Reads page after page, none as of an older height than any shown before.
    async fn log_from_start(
        &self,
        chaincode: &str,
        log: &[u8],
        newest: &mut u64,
    ) -> Result<LogRead, VerifyError> {
        let (mut entries, mut proofs) = (Vec::new(), Vec::new());
        let mut found = LogHead::default();
        loop {
            let (proof, page) = self.log_page(chaincode, log, found.length).await?;
            let shown = page.block.header.height;
            if shown < *newest {
                return Err(VerifyError::Older {
                    shown,
                    newest: *newest,
                });
            }
            *newest = shown;
            if page.entries.is_empty() && found.length < page.length {
                return Err(VerifyError::OtherSubject(format!(
                    "nothing, with {} of {} entries still to come",
                    page.length - found.length,
                    page.length
                )));
            }
            for entry in &page.entries {
                found.append(entry.own_digest());
            }
            entries.extend(page.entries);
            let head = proof.head.clone();
            proofs.push(proof);
            if found.length < head.length {
                continue;
            }
            // Earlier pages were proven as of their own blocks: this one's commits to all entries together.
            if found != head {
                return Err(VerifyError::OtherSubject(
                    "parts of lists that are not one list".to_owned(),
                ));
            }
            self.may_be_newest(shown)?;
            self.is_of_chain(&page.block).await?;
            return Ok(LogRead {
                entries,
                block: page.block,
                proofs,
            });
        }
    }

    /// Entries of a log from a position on, with their proof.
    async fn log_page(
        &self,
        chaincode: &str,
        log: &[u8],
        from: u64,
    ) -> Result<(LogPageProof, LogPage), VerifyError> {
        let request = wire::GetLogPageRequest {
            chaincode: chaincode.to_owned(),
            log: log.to_vec().into(),
            from,
            limit: PAGE,
        };
        let reply = self.client.log_page(request).await?;
        let proof = LogPageProof::decode(&reply.proof)?;
        let page = self.proven(|anchor| proof.verify(anchor)).await?;
        if proof.chaincode != chaincode || proof.log != log || proof.from != from {
            return Err(VerifyError::OtherSubject(format!(
                "entries from {} of another list",
                proof.from
            )));
        }
        Ok((proof, page))
    }

    /// What the ledger's own part of the state holds under a key, and the block as of which it does.
    ///
    /// # Errors
    /// No peer answers, or what it sends does not prove it.
    pub async fn state_value(&self, key: &StateKey) -> Result<(Option<Vec<u8>>, FinalHeader), VerifyError> {
        let reply = self.client.state_value(key).await?;
        let proof = StateValueProof::decode(&reply.proof)?;
        let block = self.proven(|anchor| proof.verify(anchor)).await?;
        if proof.key != key.as_bytes() {
            return Err(VerifyError::OtherSubject("another key of the state".to_owned()));
        }
        self.may_be_newest(block.header.height)?;
        self.is_of_chain(&block).await?;
        Ok((proof.value, block))
    }

    /// Verifies something, and learns changes of the configuration first if that is why it cannot be verified.
    async fn proven<T>(&self, verify: impl Fn(&Anchor) -> Result<T, ProofError>) -> Result<T, VerifyError> {
        match verify(&self.anchor) {
            Err(ProofError::Configuration {
                changed_later: true, ..
            }) => {
                learn_changes(&self.client, &self.anchor).await?;
                Ok(verify(&self.anchor)?)
            }
            verified => Ok(verified?),
        }
    }

    /// A final block.
    ///
    /// # Errors
    /// No peer has it, or what it sends is not that block.
    pub async fn block(&self, height: u64) -> Result<(Block, FinalHeader), VerifyError> {
        let reply = self.client.block(height).await?;
        let block = Block::decode(&reply.block)?;
        let finality = FinalHeaderProof::decode(&reply.finality)?;
        let proven = self.proven(|anchor| finality.verify(anchor)).await?;
        if block.header.height != height || proven.header != block.header || !block.is_complete() {
            return Err(VerifyError::OtherSubject(format!(
                "block {} with other content than its header commits to",
                block.header.height
            )));
        }
        self.is_of_chain(&proven).await?;
        Ok((block, proven))
    }
}
