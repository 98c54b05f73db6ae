//! A proof as a file: what it proves in words, and the bytes that prove it. Only the bytes count; the words must
//! be exactly what they prove.

use crate::entry_value::{entry_value, log_of};
use crate::error::{CliError, CliResult};
use e2l_ledger::event::Event;
use e2l_ledger::proof::{
    Anchor, ConfigChange, Evidence, FinalHeader, FinalHeaderProof, Guilt, LogPageProof, ProofError, Receipt,
    VerifiedTransaction,
};
use e2l_ledger::{Canonical, DecodeError, Digest, LogHead};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// What a file proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// That a transaction is on the ledger, and what became of it.
    Receipt,
    /// That a list of events is the whole history of one container or service.
    History,
    /// That a member signed two statements that contradict each other.
    Evidence,
    /// That a block is final.
    Checkpoint,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// What it proves.
    pub kind: ProofKind,
    /// Version of this file's form.
    pub version: u32,
    /// Hash of the network's genesis.
    pub network: Digest,
    /// What is proven, in words.
    pub claim: Value,
    /// Canonical encodings, hexadecimal: one receipt, piece of evidence or final header, or the pages of a history.
    pub proofs: Vec<String>,
    /// Canonical encodings of the changes of the configuration since the genesis that they rest on, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configurations: Vec<String>,
}

/// Why a file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not hexadecimal.
    #[error("its proof is not hexadecimal")]
    Hex,
    /// Not one proof where there must be one.
    #[error("it holds {0} proofs")]
    Count(usize),
    /// Not a proof.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A proof that does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Pages that do not make one list.
    #[error("its pages do not make one whole list: {0}")]
    Pages(String),
    /// Words that are not what is proven.
    #[error("it claims that `{field}` is {claimed}, and proves that it is {proven}")]
    Claim {
        /// The first field that differs.
        field: String,
        /// What the file says.
        claimed: Value,
        /// What its proof says.
        proven: Value,
    },
    /// Another version.
    #[error("version {0} of proof files is unknown to this release")]
    Version(u32),
    /// Another network.
    #[error("it says it is from network {found}, the genesis is that of {expected}")]
    OtherNetwork {
        /// In the file.
        found: Digest,
        /// Of the genesis.
        expected: Digest,
    },
}

const VERSION: u32 = 1;

impl ProofFile {
    /// The file of a receipt.
    pub fn of_receipt(network: Digest, receipt: &Receipt, proven: &VerifiedTransaction) -> Self {
        Self::new(ProofKind::Receipt, network, receipt_claim(proven), [receipt])
    }

    /// The file of a history.
    ///
    /// # Errors
    /// The pages are not a whole history.
    pub fn of_history(network: Digest, pages: &[LogPageProof], anchor: &Anchor) -> CliResult<Self> {
        let claim = history_claim(pages, anchor).map_err(|error| {
            CliError::refused(
                error,
                "do not rely on that peer: ask another actor's with --actor NAME",
            )
        })?;
        Ok(Self::new(ProofKind::History, network, claim, pages))
    }

    /// The file of a piece of evidence.
    pub fn of_evidence(network: Digest, evidence: &Evidence, guilt: &Guilt) -> Self {
        Self::new(ProofKind::Evidence, network, evidence_claim(guilt), [evidence])
    }

    /// The file of a checkpoint.
    pub fn of_checkpoint(network: Digest, proof: &FinalHeaderProof, block: &FinalHeader) -> Self {
        Self::new(ProofKind::Checkpoint, network, checkpoint_claim(block), [proof])
    }

    fn new<'a, P: Canonical + 'a>(
        kind: ProofKind,
        network: Digest,
        claim: Value,
        proofs: impl IntoIterator<Item = &'a P>,
    ) -> Self {
        Self {
            kind,
            version: VERSION,
            network,
            claim,
            proofs: proofs
                .into_iter()
                .map(|proof| hex::encode(proof.encode()))
                .collect(),
            configurations: Vec::new(),
        }
    }

    /// The same, with the changes of the configuration that were proven to whoever has this anchor.
    pub fn resting_on(self, anchor: &Anchor) -> Self {
        let changes = anchor.epochs().into_iter().filter_map(|epoch| epoch.proof);
        Self {
            configurations: changes.map(|change| hex::encode(change.encode())).collect(),
            ..self
        }
    }

    /// Writes the file; not over another one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> CliResult<()> {
        let text = self.text()?;
        let file = std::fs::File::options().write(true).create_new(true).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .map_err(|error| CliError::file("write", path, &error))
    }

    /// Writes the file in the place of an older one: there is always a whole one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, path: &Path) -> CliResult<()> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let text = self.text()?;
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| CliError::file("write", path, &error))
    }

    fn text(&self) -> CliResult<String> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| CliError::usage(error, "report this as a defect"))?;
        Ok(text + "\n")
    }

    /// Checks that the file proves what it claims.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<(), FileError> {
        if self.version != VERSION {
            return Err(FileError::Version(self.version));
        }
        if self.network != *anchor.network() {
            return Err(FileError::OtherNetwork {
                found: self.network,
                expected: *anchor.network(),
            });
        }
        for change in decode_all::<ConfigChange>(&self.configurations)? {
            // What is known already was learnt from another file of this network, or from a peer.
            if change.finality.header.height >= anchor.newest_from() {
                anchor.learn(&change)?;
            }
        }
        let proven = match self.kind {
            ProofKind::Receipt => receipt_claim(&self.only::<Receipt>()?.verify(anchor)?),
            ProofKind::History => history_claim(&self.all()?, anchor)?,
            ProofKind::Evidence => evidence_claim(&self.only::<Evidence>()?.verify(anchor)?),
            ProofKind::Checkpoint => checkpoint_claim(&self.only::<FinalHeaderProof>()?.verify(anchor)?),
        };
        compare(&self.claim, &proven)
    }

    fn all<P: Canonical>(&self) -> Result<Vec<P>, FileError> {
        decode_all(&self.proofs)
    }

    /// The only proof in the file.
    ///
    /// # Errors
    /// It is none of this kind, or there are others.
    pub fn only<P: Canonical>(&self) -> Result<P, FileError> {
        let mut all = self.all()?;
        match (all.pop(), all.len()) {
            (Some(proof), 0) => Ok(proof),
            _ => Err(FileError::Count(self.proofs.len())),
        }
    }
}

fn decode_all<P: Canonical>(texts: &[String]) -> Result<Vec<P>, FileError> {
    let decode = |text: &String| {
        let bytes = hex::decode(text).map_err(|_| FileError::Hex)?;
        Ok(P::decode(&bytes)?)
    };
    texts.iter().map(decode).collect()
}

/// The words must be those of the proof, no more and no fewer.
fn compare(claim: &Value, proven: &Value) -> Result<(), FileError> {
    if claim == proven {
        return Ok(());
    }
    let empty = serde_json::Map::new();
    let (said, shown) = (
        claim.as_object().unwrap_or(&empty),
        proven.as_object().unwrap_or(&empty),
    );
    let field = said
        .keys()
        .chain(shown.keys())
        .find(|field| said.get(*field) != shown.get(*field));
    let of = |object: &serde_json::Map<String, Value>| {
        field
            .and_then(|field| object.get(field))
            .cloned()
            .unwrap_or_default()
    };
    Err(FileError::Claim {
        claimed: of(said),
        proven: of(shown),
        field: field.cloned().unwrap_or_else(|| "claim".to_owned()),
    })
}

/// What a receipt proves, in words. Whom a refused statement names as its sender is not proven.
pub fn receipt_claim(proven: &VerifiedTransaction) -> Value {
    let block = &proven.block;
    let call = proven.call.as_ref().map(|call| {
        let event = Event::decode(&call.argument).ok().map(|event| {
            json!({
                "type": event.kind.as_str(),
                "action": event.action,
                "actor_id": event.actor_id,
                "time_nano": event.time_nano,
                "observed": event.observation.as_str(),
                "attributes": event.attributes,
            })
        });
        json!({
            "chaincode": call.chaincode,
            "function": call.function,
            "argument": hex::encode(&call.argument),
            "event": event,
        })
    });
    let sender = match proven.call {
        Some(_) => "sender",
        None => "claimed_sender",
    };
    json!({
        "tx_id": proven.result.id,
        "height": block.header.height,
        "index": proven.index,
        "block": block.header.digest(),
        "block_time_nano": block.header.time_nano,
        "validation_code": proven.result.code,
        sender: proven.sender.to_string(),
        "call": call,
        "endorsed_by": block.endorsed_by,
        "voters": block.voters,
    })
}

fn history_claim(pages: &[LogPageProof], anchor: &Anchor) -> Result<Value, FileError> {
    let unfit = |why: &str| FileError::Pages(why.to_owned());
    let Some(first) = pages.first() else {
        return Err(FileError::Count(0));
    };
    let (mut events, mut found) = (Vec::new(), LogHead::default());
    let mut last = None;
    for page in pages {
        if (&page.chaincode, &page.log, page.from) != (&first.chaincode, &first.log, found.length) {
            return Err(unfit("one does not go on where the one before ended"));
        }
        let proven = page.verify(anchor)?;
        for entry in &proven.entries {
            found.append(entry.own_digest());
            events.push(entry_value(entry).map_err(FileError::Pages)?);
        }
        last = Some((&page.head, proven.block));
    }
    let Some((head, block)) = last else {
        return Err(FileError::Count(0));
    };
    if found.length < head.length {
        return Err(unfit("entries are missing at its end"));
    }
    if found != *head {
        return Err(unfit("they are not the entries of the last one's list"));
    }
    let id = first.log.strip_prefix(log_of("").as_slice());
    let id = id.and_then(|id| std::str::from_utf8(id).ok());
    Ok(json!({
        "chaincode": first.chaincode,
        "id": id.ok_or_else(|| unfit("it is not the list of a container or service"))?,
        "events": events,
        "as_of_height": block.header.height,
        "as_of_time_nano": block.header.time_nano,
        "block": block.header.digest(),
        "endorsed_by": block.endorsed_by,
        "voters": block.voters,
    }))
}

fn checkpoint_claim(block: &FinalHeader) -> Value {
    json!({
        "height": block.header.height,
        "block": block.header.digest(),
        "block_time_nano": block.header.time_nano,
        "state_root": block.header.state_root,
        "endorsed_by": block.endorsed_by,
        "voters": block.voters,
    })
}

fn evidence_claim(guilt: &Guilt) -> Value {
    json!({
        "guilty": guilt.member.to_string(),
        "what": guilt.what,
        "statements": [guilt.statements.0, guilt.statements.1],
    })
}
