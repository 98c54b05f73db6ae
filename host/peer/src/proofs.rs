//! What this peer can prove to others, from its store and the others' endorsements.

use crate::chain::ChainError;
use crate::chain_thread::ChainThread;
use crate::header_tree::digests;
use crate::node::{Executed, HeadError, Node, missing};
use crate::soundness::{Unsound, sound_block};
use e2l_execution::ExecutionError;
use e2l_ledger::proof::{
    AncestryProof, Anchor, ConfigChange, FinalHeaderProof, HeaderRange, LogPageProof, MapProof, PageEntry,
    ProofError, Receipt, SenderHeadProof, StateValueProof, prove_range_with,
};
use e2l_ledger::{
    Block, Certificate, Digest, Domain, Envelope, Header, LogEntry, Member, SenderHead, SignedVote, StateKey,
    Vote,
};
use e2l_store::{StoreError, View};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Headers above one that are looked at for endorsements that cover it.
const DESCENDANTS: u64 = 256;
/// How long a page waits until the height as of which it is proven is final.
const FINALITY_WAIT: Duration = Duration::from_secs(10);
/// Entries read from the store at a time.
const STRIDE: usize = 64;
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
    Chain(ChainError),
    /// Nothing is found, and nothing says yet that the index is whole.
    #[error(
        "no transaction of that id is found, but since its start this peer has not checked yet that its index lacks \
         none"
    )]
    IndexUnchecked,
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
        /// State key of its head.
        key: StateKey,
        /// What does not hold.
        why: String,
    },
    /// A value of the state is not what was executed.
    #[error("this peer's database is damaged, and the peer must restore it: {0}")]
    DamagedState(String),
    /// A header is not the one that the header above it names.
    #[error("the header of block {height} in this peer's database is damaged: {why}")]
    DamagedHeader {
        /// Its height.
        height: u64,
        /// What does not hold.
        why: String,
    },
    /// Where a transaction stands is not where the index says.
    #[error("this peer's index is damaged where it should say where transaction {id} stands: {why}")]
    DamagedIndex {
        /// The transaction.
        id: Digest,
        /// What does not hold.
        why: String,
    },
    /// The state as of that height cannot be looked at any more.
    #[error(transparent)]
    Forgotten(ExecutionError),
    /// Nothing stands there.
    #[error("the list has {length} entries: there is none from {from} on to ask for")]
    BeyondEnd {
        /// What was asked for.
        from: u64,
        /// Number of entries.
        length: u64,
    },
    /// All records are sound, and the proof does not hold.
    #[error("this peer cannot prove height {height}: {why}")]
    NotProven {
        /// The height.
        height: u64,
        /// What does not hold.
        why: String,
    },
    /// The record cannot be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The record does not fit its block.
    #[error("the record at height {height} index {index} does not fit its block")]
    Inconsistent {
        /// Height of the block.
        height: u64,
        /// Index of the transaction.
        index: u32,
    },
}

impl From<ChainError> for NoProof {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Execution(error @ ExecutionError::StateForgotten { .. }) => Self::Forgotten(error),
            ChainError::Execution(error) if error.is_damage() => Self::DamagedState(error.to_string()),
            error => Self::Chain(error),
        }
    }
}

/// Why a proof does not hold that was made of records that are sound.
fn not_proven(height: u64, error: &ProofError) -> NoProof {
    NoProof::NotProven {
        height,
        why: error.to_string(),
    }
}

/// Proof that a height is final.
///
/// # Errors
/// See [`NoProof`].
pub fn final_header(node: &Node, height: u64) -> Result<FinalHeaderProof, NoProof> {
    let view = node.newest().view;
    let config = node.anchor.config_at(height);
    let required = config.finality.required(config.voters().count());
    final_header_with(&view, required, height, |height, digest| {
        endorsements(node, height, digest)
    })?
    .ok_or(NoProof::NotEndorsed(height))
}

/// Proof of the change that a block made of the configuration, from the proof that it is final; `None` if it made none.
pub(crate) fn changed_by(anchor: &Anchor, finality: FinalHeaderProof) -> Option<ConfigChange> {
    let header = &finality.header;
    if header.next_config_root == header.config_root {
        return None;
    }
    let config = (*anchor.config_at(header.height.saturating_add(1))).clone();
    Some(ConfigChange { config, finality })
}

/// Proofs of the changes of the configuration that are in force from heights above `after`, as far as they are final.
///
/// # Errors
/// See [`NoProof`].
pub fn config_changes(node: &Node, after: u64) -> Result<Vec<ConfigChange>, NoProof> {
    let final_height = node.with_finality(|finality| finality.final_height());
    let epochs = node.anchor.epochs().into_iter();
    let wanted = epochs.filter(|epoch| epoch.from > after && epoch.from <= final_height.saturating_add(1));
    let mut changes = Vec::new();
    for epoch in wanted {
        let height = epoch.from - 1;
        let finality = final_header(node, height)?;
        // Who is to learn of the change cannot judge the headers above it.
        if !finality.descendants.is_empty() {
            node.missed_proofs.want(height, height);
            return Err(NoProof::NotEndorsed(height));
        }
        let config = (*epoch.config).clone();
        changes.push(ConfigChange { config, finality });
    }
    Ok(changes)
}

/// What the state holds under a key, proven as of the newest height, once that is final.
///
/// # Errors
/// See [`NoProof`].
pub async fn state_value(
    node: &std::sync::Arc<Node>,
    chain: &ChainThread,
    key: StateKey,
) -> Result<StateValueProof, NoProof> {
    let (at, value_proof) = final_state(node, chain, key.clone()).await?;
    let node = node.clone();
    let made = tokio::task::spawn_blocking(move || {
        let proof = StateValueProof {
            value: at.view.get(&key)?,
            key: key.as_bytes().to_vec(),
            value_proof,
            finality: final_header(&node, at.header.height)?,
        };
        match proof.verify(&node.anchor) {
            Ok(_) => Ok(proof),
            Err(error) => Err(not_proven(at.header.height, &error)),
        }
    });
    made.await.map_err(|_| ChainError::Stopped)?
}

/// The same of endorsements from anywhere; `None` if there are too few.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn final_header_with(
    view: &View,
    required: usize,
    height: u64,
    endorsements: impl Fn(u64, &Digest) -> Result<BTreeMap<String, (SignedVote, Vec<u8>)>, StoreError>,
) -> Result<Option<FinalHeaderProof>, StoreError> {
    let header_at = |height| view.header(height)?.ok_or_else(|| missing(height));
    let header = header_at(height)?;
    let mut descendants: Vec<Header> = Vec::new();
    let last = view.height().min(height.saturating_add(DESCENDANTS));
    for endorsed in height..=last {
        if endorsed > height {
            descendants.push(header_at(endorsed)?);
        }
        let digest = descendants.last().unwrap_or(&header).digest();
        let found = endorsements(endorsed, &digest)?;
        if found.len() >= required {
            let (endorsements, certificates) = found.into_values().unzip();
            return Ok(Some(FinalHeaderProof {
                header,
                descendants,
                endorsements,
                certificates,
            }));
        }
    }
    Ok(None)
}

pub(crate) fn damaged_log(key: &StateKey, why: &dyn std::fmt::Display) -> NoProof {
    NoProof::DamagedLog {
        log: String::from_utf8_lossy(key.local()).into_owned(),
        key: key.clone(),
        why: why.to_string(),
    }
}

/// The endorsements of a header that are known here and prove something, by actor: with the certificate that its peer had
/// at that height. A peer that has executed the block later may have signed with one that was issued after it.
fn endorsements(
    node: &Node,
    height: u64,
    header: &Digest,
) -> Result<BTreeMap<String, (SignedVote, Vec<u8>)>, StoreError> {
    let mut found = BTreeMap::new();
    let config = node.anchor.config_at(height);
    let time = node
        .newest()
        .view
        .header(height)?
        .map_or(0, |header| header.time_nano);
    for (actor, vote) in node.store.votes(height)? {
        if !matches!(&vote.vote, Vote::Endorsement(endorsement) if endorsement.header == *header) {
            continue;
        }
        let Some(certificate) = node.endorsers.get(&vote.signature.certificate)? else {
            continue;
        };
        // It was checked when it came; what is on the disk now need not be what came.
        let signed = node
            .signatures
            .verify(&vote.vote.digest(), &vote.signature, &certificate);
        if signed.is_ok() && certificate.check(&config, time).is_ok() {
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
    let place = node.store.view().transaction(id);
    let place = place.map_err(|error| match error {
        // A block's damage is its own.
        error if error.is_damage() && error.damaged_height().is_none() => NoProof::DamagedIndex {
            id: *id,
            why: error.to_string(),
        },
        error => error.into(),
    });
    let Some((height, index)) = place? else {
        // An index that lacks an entry says the same as one of a ledger that lacks the transaction.
        if node.scrub.last_pass_nano() == 0 && finalized.at.header.height > 0 {
            return Err(NoProof::IndexUnchecked.into());
        }
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
    let (at, head_proof) = final_state(node, chain, key.clone()).await?;
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

/// Where a sender of batches stands, proven as of the newest height, once that is final.
///
/// # Errors
/// See [`NoProof`].
pub async fn sender_head(
    node: &std::sync::Arc<Node>,
    chain: &ChainThread,
    sender: Member,
) -> Result<SenderHeadProof, NoProof> {
    let key = StateKey::sender(&sender);
    let (at, head_proof) = final_state(node, chain, key.clone()).await?;
    let node = node.clone();
    let made = tokio::task::spawn_blocking(move || {
        let proof = SenderHeadProof {
            sender,
            head: crate::pool::decode_head(at.view.get(&key)?).map_err(HeadError::from)?,
            head_proof,
            finality: final_header(&node, at.header.height)?,
        };
        match proof.verify(&node.anchor) {
            Ok(_) => Ok(proof),
            Err(error) => Err(not_proven(at.header.height, &error)),
        }
    });
    made.await.map_err(|_| ChainError::Stopped)?
}

/// Where a sender of batches stands at the newest height, final or not, and that height.
///
/// # Errors
/// See [`NoProof`].
pub async fn checked_head(chain: &ChainThread, sender: &Member) -> Result<(u64, SenderHead), NoProof> {
    let key = StateKey::sender(sender);
    let read = chain.run(move |chain| chain.value(&key)).await;
    let (at, value) = read.map_err(|_| ChainError::Stopped)??;
    let head = crate::pool::decode_head(value).map_err(HeadError::from)?;
    Ok((at.header.height, head))
}

/// Headers of these heights, as many as lie below the newest, proven to do so once that is final.
///
/// # Errors
/// See [`NoProof`].
pub async fn ancestry(
    node: &std::sync::Arc<Node>,
    chain: &ChainThread,
    ranges: Vec<Range<u64>>,
) -> Result<AncestryProof, NoProof> {
    let (at, head_proof) = final_state(node, chain, StateKey::headers()).await?;
    let node = node.clone();
    let made = tokio::task::spawn_blocking(move || {
        let head = at.view.log_head(&StateKey::headers())?;
        let ranges = ranges.into_iter().map(|range| {
            let range = range.start.min(head.length)..range.end.min(head.length);
            let root = |heights| node.headers.root(&at.view, heights);
            Ok(HeaderRange {
                from: range.start,
                headers: digests(&at.view, range.clone())?,
                beside: prove_range_with(head.length, range, root)?,
            })
        });
        let ranges = ranges.collect::<Result<_, StoreError>>()?;
        let proof = AncestryProof {
            head,
            head_proof,
            ranges,
            finality: final_header(&node, at.header.height)?,
        };
        match proof.verify(&node.anchor) {
            Ok(_) => Ok(proof),
            Err(error) => {
                node.headers.forget();
                Err(broken_header(&at)?.unwrap_or_else(|| not_proven(at.header.height, &error)))
            }
        }
    });
    made.await.map_err(|_| ChainError::Stopped)?
}

/// The first header below an executed one that is not what the one above it names.
fn broken_header(at: &Executed) -> Result<Option<NoProof>, StoreError> {
    let mut named = at.header.previous;
    for height in (1..at.header.height).rev() {
        let header = at.view.header(height)?.ok_or_else(|| missing(height))?;
        if header.digest() != named {
            let why = "it is not the one that the header above it names".to_owned();
            return Ok(Some(NoProof::DamagedHeader { height, why }));
        }
        named = header.previous;
    }
    Ok(None)
}

/// What the state holds under a key at the newest height, with its proof, once that height is final.
async fn final_state(
    node: &Node,
    chain: &ChainThread,
    key: StateKey,
) -> Result<(Executed, MapProof), NoProof> {
    let (at, proof) = chain
        .run(move |chain| chain.prove(&key))
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
        Ok(Ok(_)) => Ok((at, proof)),
        _ => Err(NoProof::NotFinal(height)),
    }
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
        if self.from > head.length {
            return Err(NoProof::BeyondEnd {
                from: self.from,
                length: head.length,
            });
        }
        let key = self.key.clone();
        let failed = |error: StoreError| match error {
            // A block that is damaged is repaired as such.
            error if error.is_damage() && error.damaged_height().is_none() => damaged_log(&key, &error),
            error => error.into(),
        };
        let entries = self.read(&at.view).map_err(failed)?;
        let range = self.from..self.from + entries.len() as u64;
        let beside = prove_range_with(head.length, range, |positions| at.view.log_root(&key, positions));
        let proof = LogPageProof {
            chaincode: self.chaincode,
            log: self.log,
            beside: beside.map_err(failed)?,
            head,
            head_proof: self.head_proof,
            from: self.from,
            entries,
            finality: final_header(node, at.header.height)?,
        };
        // References are under no checksum: what is sent is checked as its receiver will.
        match proof.verify(&node.anchor) {
            Ok(_) => Ok(proof),
            Err(error @ ProofError::NotIncluded { .. }) => Err(damaged_log(&key, &error)),
            Err(error) => Err(not_proven(at.header.height, &error)),
        }
    }

    /// The entries of the page.
    fn read(&self, view: &View) -> Result<Vec<PageEntry>, StoreError> {
        let (mut entries, mut bytes): (Vec<PageEntry>, usize) = (Vec::new(), 0);
        while entries.len() < self.limit {
            let from = self.from.saturating_add(entries.len() as u64);
            let stride = STRIDE.min(self.limit - entries.len());
            let read = view.log_read(&self.key, from, stride)?;
            let complete = read.len() < stride;
            for LogEntry {
                provenance, value, ..
            } in read
            {
                bytes += value.len();
                if bytes > PAGE_BYTES && !entries.is_empty() {
                    return Ok(entries);
                }
                entries.push(PageEntry { provenance, value });
            }
            if complete {
                break;
            }
        }
        Ok(entries)
    }
}
