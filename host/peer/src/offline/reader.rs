//! Reads a stopped peer's ledger, record by record.

use super::read_genesis;
use crate::node::know_configs;
use crate::proofs::{changed_by, final_header_with};
use e2l_client::pipe::{Frame, write_frame};
use e2l_ledger::proof::{Anchor, FinalHeaderProof};
use e2l_ledger::{Canonical, Certificate, Digest, Domain, SignedVote, StateMap, Vote};
use e2l_store::{LedgerStore, StoreError, StoreOptions, View, copy_for_reading};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why nothing can be said about a ledger.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The genesis.
    #[error("the genesis {path} cannot be used: {why}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine, or a component that is not here.
    #[error(transparent)]
    Execution(#[from] e2l_execution::ExecutionError),
    /// A pipe or a temporary directory.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What comes through the pipe.
    #[error(transparent)]
    Frame(#[from] e2l_client::pipe::FrameError),
}

/// Writes all blocks of the ledger in `data_dir` with their proofs to `pipe`, and then what does not hold of its state,
/// indexes and logs. The files are not changed.
///
/// # Errors
/// A peer has the ledger open, or it cannot be copied; the genesis cannot be used. That the ledger is damaged is no
/// error but a finding.
pub fn read_ledger(data_dir: &Path, genesis: &Path, pipe: &mut impl Write) -> Result<(), OfflineError> {
    let genesis = read_genesis(genesis)?;
    let copy = tempfile::tempdir()?;
    let dir = copy.path().join("ledger");
    copy_for_reading(&data_dir.join("ledger"), &dir)?;
    let read = LedgerStore::open(&dir, &StoreOptions::default())
        .and_then(|store| store.initialize(&genesis).map(|()| store))
        .map_err(Stop::from)
        .and_then(|store| {
            let anchor = Anchor::checked(&genesis);
            know_configs(&anchor, &store.view())?;
            Reader { store, anchor }.read(pipe)
        });
    let last = match read {
        Ok(()) => Frame::End,
        Err(Stop::Finding(why)) => Frame::Finding(why),
        Err(Stop::Failed(error)) => return Err(error),
    };
    write_frame(pipe, &last)?;
    Ok(pipe.flush()?)
}

enum Stop {
    Finding(String),
    Failed(OfflineError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        if error.is_damage() || matches!(error, StoreError::OtherGenesis { .. }) {
            return Self::Finding(error.to_string());
        }
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

struct Reader {
    store: LedgerStore,
    anchor: Anchor,
}

impl Reader {
    fn read(&self, pipe: &mut impl Write) -> Result<(), Stop> {
        let view = self.store.view();
        self.check_state(&view)?;
        write_frame(pipe, &Frame::Height(view.height()))?;
        for height in 1..=view.height() {
            let missing = || Stop::Finding(format!("block {height} is missing"));
            let block = view.block(height)?.ok_or_else(missing)?;
            if let Some(fault) = view.index_fault(&block)? {
                return Err(Stop::Finding(format!("index of block {height}: {fault}")));
            }
            let Some(proof) = self.proof(&view, height)? else {
                // What came last before a crash may lack them; what lies below may not.
                if height == view.height() {
                    continue;
                }
                let why = format!("block {height}: its files hold no endorsements that make it final");
                return Err(Stop::Finding(why));
            };
            write_frame(pipe, &Frame::Block(block.encode()))?;
            write_frame(pipe, &Frame::Proof(proof.encode()))?;
            if let Some(change) = changed_by(&self.anchor, proof) {
                write_frame(pipe, &Frame::ConfigChange(change.encode()))?;
            }
        }
        for log in view.logs_after(None, usize::MAX)? {
            view.check_log(&log)?;
        }
        Ok(())
    }

    fn check_state(&self, view: &View) -> Result<(), Stop> {
        let mut leaves = Vec::new();
        view.for_each_state(|key, value| leaves.push((key.hash(), Some(Domain::Value.hash(value)))))?;
        let header = self.store.tip()?.header;
        let found = StateMap::default().update(leaves);
        if found == header.state_root {
            return Ok(());
        }
        Err(Stop::Finding(format!(
            "the state hashes to {found}, the header of height {} says {}",
            header.height, header.state_root
        )))
    }

    fn proof(&self, view: &View, height: u64) -> Result<Option<FinalHeaderProof>, Stop> {
        let config = self.anchor.config_at(height);
        let required = config.finality.required(config.voters().count());
        let found = final_header_with(view, required, height, |height, digest| {
            self.endorsements(height, digest)
        })?;
        Ok(found)
    }

    /// Votes with their certificates, as stored: the auditor checks them.
    fn endorsements(
        &self,
        height: u64,
        header: &Digest,
    ) -> Result<BTreeMap<String, (SignedVote, Vec<u8>)>, StoreError> {
        let mut found = BTreeMap::new();
        for (actor, vote) in self.store.votes(height)? {
            let names_it =
                matches!(&vote.vote, Vote::Endorsement(endorsement) if endorsement.header == *header);
            if !names_it {
                continue;
            }
            let der = self.store.certificate(&vote.signature.certificate)?;
            if let Some(certificate) = der.and_then(|der| Certificate::parse(&der).ok()) {
                found.insert(actor, (vote, certificate.der().to_vec()));
            }
        }
        Ok(found)
    }
}
