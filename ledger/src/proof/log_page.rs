use super::final_header::{FinalHeader, FinalHeaderProof};
use super::{Anchor, MapProof, ProofError, verify_range};
use crate::canonical::Canonical;
use crate::hash::{Digest, Domain};
use crate::keys::StateKey;
use crate::log::{LogEntry, LogHead, Provenance};
use borsh::{BorshDeserialize, BorshSerialize};

/// An entry as it stands in a page.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PageEntry {
    /// Where it comes from.
    pub provenance: Provenance,
    /// What was appended.
    pub value: Vec<u8>,
}

impl PageEntry {
    fn digest(&self) -> Digest {
        LogEntry::digest(&self.provenance, &Domain::Value.hash(&self.value))
    }
}

/// Proof that entries are those of a chaincode's log, in order and with none left out between them, as of a
/// final block. A page with as many entries as the log is long is the whole log; a log of no entries proves
/// that nothing was ever appended.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogPageProof {
    /// Name of the chaincode.
    pub chaincode: String,
    /// Name of the log.
    pub log: Vec<u8>,
    /// Number of entries and commitment to them.
    pub head: LogHead,
    /// That the state holds this head; that it holds none, for a log of no entries.
    pub head_proof: MapProof,
    /// Position of the first entry.
    pub from: u64,
    /// The entries.
    pub entries: Vec<PageEntry>,
    /// Hashes beside them.
    pub beside: Vec<Digest>,
    /// That the block is final.
    pub finality: FinalHeaderProof,
}

impl Canonical for LogPageProof {
    const WHAT: &'static str = "proof of a log's page";
}

/// What a page's proof proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// Number of entries of the log.
    pub length: u64,
    /// The entries, in order.
    pub entries: Vec<LogEntry>,
    /// The block as of which this holds.
    pub block: FinalHeader,
}

impl LogPageProof {
    /// Checks the page against a genesis.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<LogPage, ProofError> {
        let block = self.finality.verify(anchor)?;
        let height = block.header.height;
        let key = StateKey::log(&self.chaincode, &self.log).hash();
        let head = (self.head.length > 0).then(|| Domain::Value.hash(&self.head.encode()));
        if head.is_none() && self.head != LogHead::default() {
            return Err(ProofError::Inconsistent("an empty log has no peaks".to_owned()));
        }
        if !self
            .head_proof
            .verify(&block.header.state_root, &key, head.as_ref())
        {
            return Err(ProofError::NotIncluded {
                what: "log's length",
                height,
            });
        }
        let digests: Vec<Digest> = self.entries.iter().map(PageEntry::digest).collect();
        if !verify_range(&self.head, self.from, &digests, &self.beside) {
            return Err(ProofError::NotIncluded {
                what: "list of entries",
                height,
            });
        }
        let entries = self.entries.iter().zip(self.from..);
        Ok(LogPage {
            length: self.head.length,
            entries: entries
                .map(|(entry, position)| LogEntry {
                    position,
                    provenance: entry.provenance.clone(),
                    value: entry.value.clone(),
                })
                .collect(),
            block,
        })
    }
}
