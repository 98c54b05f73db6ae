//! What this peer can prove to others, from its store and the others' endorsements.

use crate::chain::ChainError;
use crate::chain_thread::ChainThread;
use crate::node::{Executed, Node, missing};
use crate::repair::{Unsound, sound_block};
use e2l_ledger::proof::{FinalHeaderProof, LogPageProof, MapProof, PageEntry, Receipt, prove_range};
use e2l_ledger::{
    Block, Certificate, Digest, Domain, Envelope, Header, LogEntry, LogHead, SignedVote, StateKey, Vote,
};
use e2l_store::{StoreError, View};
use std::collections::BTreeMap;
use std::time::Duration;

/// Headers above one that are looked at for endorsements that cover it.
const DESCENDANTS: u64 = 256;
/// How long a page waits until the height as of which it is proven is final.
const FINALITY_WAIT: Duration = Duration::from_secs(10);
/// Entries read from the store at a time.
const STRIDE: usize = 1024;
/// A page ends when its entries have this many bytes.
const PAGE_BYTES: usize = 2 << 20;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The execution thread.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Too few endorsements are known here.
    #[error("this peer does not know enough endorsements of height {0} yet")]
    NotEndorsed(u64),
    /// The height does not become final.
    #[error("height {0} is not final yet")]
    NotFinal(u64),
    /// A list of entries is not what the state commits to.
    #[error("the list `{log}` in this peer's database is damaged: {why}")]
    DamagedLog {
        /// Name of the log.
        log: String,
        /// What does not hold.
        why: String,
    },
    /// The record does not fit its block.
    #[error("the record at height {height} index {index} does not fit its block")]
    Inconsistent {
        /// Height of the block.
        height: u64,
        /// Index of the transaction.
        index: u32,
    },
}

/// Proof that a height is final.
///
/// # Errors
/// See [`NoProof`].
pub fn final_header(node: &Node, height: u64) -> Result<FinalHeaderProof, NoProof> {
    let view = node.newest().view;
    let header_at = |height| view.header(height)?.ok_or_else(|| missing(height));
    let header = header_at(height)?;
    let voters = node.config.voters().count();
    let required = node.config.finality.required(voters);
    let mut descendants: Vec<Header> = Vec::new();
    let last = view.height().min(height.saturating_add(DESCENDANTS));
    for endorsed in height..=last {
        if endorsed > height {
            descendants.push(header_at(endorsed)?);
        }
        let digest = descendants.last().unwrap_or(&header).digest();
        let found = endorsements(node, endorsed, &digest)?;
        if found.len() >= required {
            let (endorsements, certificates) = found.into_values().unzip();
            return Ok(FinalHeaderProof {
                header,
                descendants,
                endorsements,
                certificates,
            });
        }
    }
    Err(NoProof::NotEndorsed(height))
}

/// The endorsements of a header that are known here, by actor.
fn endorsements(
    node: &Node,
    height: u64,
    header: &Digest,
) -> Result<BTreeMap<String, (SignedVote, Vec<u8>)>, StoreError> {
    let mut found = BTreeMap::new();
    for (actor, vote) in node.store.votes(height)? {
        if !matches!(&vote.vote, Vote::Endorsement(endorsement) if endorsement.header == *header) {
            continue;
        }
        if let Some(certificate) = node.endorser(&vote.signature.certificate)? {
            found.insert(actor, (vote, certificate.der().to_vec()));
        }
    }
    Ok(found)
}

/// The receipt of a transaction that is final; `None` if there is none of that id.
///
/// # Errors
/// See [`NoProof`].
pub fn receipt(node: &Node, id: &Digest) -> Result<Option<Receipt>, Unsound> {
    let Some(finalized) = node.finalized() else {
        return Ok(None);
    };
    let Some((height, index)) = node.store.view().transaction(id)? else {
        return Ok(None);
    };
    if height > finalized.at.header.height {
        return Ok(None);
    }
    let (block, finality) = sound_block(node, height)?.ok_or_else(|| missing(height))?;
    let inconsistent = NoProof::Inconsistent { height, index };
    let Some(certificate) = sender_certificate(node, &block, index as usize)? else {
        return Err(inconsistent.into());
    };
    let receipt = Receipt::new(&block, index as usize, certificate, finality);
    receipt.map(Some).ok_or_else(|| inconsistent.into())
}

/// The certificate of the sender of a block's transaction. A refused envelope may have none that is known.
fn sender_certificate(node: &Node, block: &Block, index: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let mut outcomes = block.outcomes();
    let Some(outcome) = outcomes.find(|outcome| index < outcome.first + outcome.results.len()) else {
        return Ok(None);
    };
    let known = certificate_of(node, block, outcome.envelope)?;
    Ok(known.or_else(|| outcome.refused.then(Vec::new)))
}

fn certificate_of(node: &Node, block: &Block, envelope: &Envelope) -> Result<Option<Vec<u8>>, StoreError> {
    let wanted = envelope.signature().certificate;
    let brought = block.proposal.certificates.iter();
    if let Some(der) = brought
        .into_iter()
        .find(|der| Domain::Certificate.hash(der) == wanted)
    {
        return Ok(Some(der.clone()));
    }
    let known: Option<Certificate> = node.certificate(&wanted)?;
    Ok(known.map(|certificate| certificate.der().to_vec()))
}

/// Entries of a chaincode's log from a position on, proven as of the newest height, once that is final.
///
/// # Errors
/// See [`NoProof`].
pub async fn log_page(
    node: &std::sync::Arc<Node>,
    chain: &ChainThread,
    chaincode: String,
    log: Vec<u8>,
    from: u64,
    limit: usize,
) -> Result<LogPageProof, NoProof> {
    let key = StateKey::log(&chaincode, &log);
    let asked = key.clone();
    let (at, head_proof) = chain
        .run(move |chain| Ok(chain.prove(&asked)))
        .await
        .map_err(|_| ChainError::Stopped)??;
    let height = at.header.height;
    let mut finalized = node.watch_finalized();
    let is_final = finalized.wait_for(|known| {
        known
            .as_ref()
            .is_some_and(|known| known.at.header.height >= height)
    });
    match tokio::time::timeout(FINALITY_WAIT, is_final).await {
        Ok(Ok(_)) => {}
        _ => return Err(NoProof::NotFinal(height)),
    }
    let node = node.clone();
    let made = tokio::task::spawn_blocking(move || {
        let page = Page {
            chaincode,
            log,
            key,
            head_proof,
            from,
            limit,
        };
        page.prove(&node, &at)
    });
    made.await.map_err(|_| ChainError::Stopped)?
}

struct Page {
    chaincode: String,
    log: Vec<u8>,
    key: StateKey,
    head_proof: MapProof,
    from: u64,
    limit: usize,
}

impl Page {
    fn prove(self, node: &Node, at: &Executed) -> Result<LogPageProof, NoProof> {
        let head = at.view.log_head(&self.key)?;
        let (digests, entries) = self.read(&at.view, &head)?;
        let end = self.from + entries.len() as u64;
        let proof = LogPageProof {
            chaincode: self.chaincode,
            log: self.log,
            beside: prove_range(&digests, self.from..end),
            head,
            head_proof: self.head_proof,
            from: self.from,
            entries,
            finality: final_header(node, at.header.height)?,
        };
        // References are under no checksum: what is sent is checked as its receiver will.
        match proof.verify(&node.anchor) {
            Ok(_) => Ok(proof),
            Err(error) => Err(NoProof::DamagedLog {
                log: String::from_utf8_lossy(&proof.log).into_owned(),
                why: error.to_string(),
            }),
        }
    }

    /// Digests of all entries, and the entries of the page.
    fn read(&self, view: &View, head: &LogHead) -> Result<(Vec<Digest>, Vec<PageEntry>), StoreError> {
        let (mut digests, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut open = true;
        while (digests.len() as u64) < head.length {
            let read = view.log_read(&self.key, digests.len() as u64, STRIDE)?;
            if read.is_empty() {
                break;
            }
            for LogEntry {
                position,
                provenance,
                value,
            } in read
            {
                digests.push(LogEntry::digest(&provenance, &Domain::Value.hash(&value)));
                if position < self.from || !open {
                    continue;
                }
                bytes += value.len();
                open = entries.len() < self.limit && (bytes <= PAGE_BYTES || entries.is_empty());
                if open {
                    entries.push(PageEntry { provenance, value });
                }
            }
        }
        Ok((digests, entries))
    }
}
