//! Opens a peer's ledger and compares its state with the last header. A damaged one is set aside, whole, and a new
//! one is begun, to be restored from the other peers.

use crate::incident::Incident;
use crate::node::Node;
use crate::options::PeerOptions;
use crate::pool::Pool;
use crate::proofs;
use crate::votes_in::now_nano;
use anyhow::{Context, Result, anyhow, bail};
use e2l_consensus::{LogStanding, begin_rejoining, marker_index};
use e2l_execution::{Components, ExecutionError, Executor};
use e2l_identity::CurrentIdentity;
use e2l_ledger::{Genesis, Vote};
use e2l_runtime::Runtime;
use e2l_store::{LedgerStore, StoreError, condemned, set_aside, wait_until_closed};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a damaged database may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// End of the names of ledgers that were set aside.
const LEDGER_ASIDE: &str = "-ledger";

/// What the ledger is opened with.
pub struct Opening<'a> {
    /// The peer's settings.
    pub options: &'a PeerOptions,
    /// The network's genesis.
    pub genesis: &'a Genesis,
    /// Who this peer is.
    pub identity: Arc<CurrentIdentity>,
    /// The engine.
    pub runtime: Arc<Runtime>,
    /// The chaincodes' components.
    pub components: Arc<dyn Components>,
}

/// An open ledger whose state is the endorsed one.
pub struct OpenLedger {
    /// The parts of the peer that rest on it.
    pub node: Arc<Node>,
    /// Ready to execute the next block.
    pub executor: Executor,
    /// Why it must be restored before it is used.
    pub restoring: Option<String>,
}

/// Where damaged databases go.
fn aside(options: &PeerOptions) -> PathBuf {
    options.data_dir.join("damaged")
}

impl Opening<'_> {
    /// Opens the ledger, or begins a new one if it is damaged.
    ///
    /// # Errors
    /// Whatever no restore mends: another network's ledger, another process that has it open, a missing component.
    pub fn open(&self) -> Result<OpenLedger> {
        let dir = self.options.data_dir.join("ledger");
        let why = match self.lost(&dir) {
            Some(why) => why,
            None => match self.try_open() {
                Err(error) if error.is_damage() => error.to_string(),
                Err(error) => return Err(error.into()),
                Ok(open) => match unendorsed(&open.node)? {
                    None => return Ok(open),
                    Some(why) => why,
                },
            },
        };
        if !wait_until_closed(CLOSING) {
            bail!("the damaged ledger in {} cannot be closed: {why}", dir.display());
        }
        let why = self.set_aside(&dir, why)?;
        tracing::error!(%why, "the ledger is damaged: a new one is begun");
        let store = LedgerStore::open(&dir, &self.options.store.options())?;
        store.initialize(self.genesis)?;
        store.set_restoring(Some(&why))?;
        drop(store);
        Ok(self.try_open()?)
    }

    /// What can be said before anything is opened.
    fn lost(&self, dir: &Path) -> Option<String> {
        let gone = !dir.join("CURRENT").exists() && self.options.data_dir.join("raft/CURRENT").exists();
        condemned(dir).or_else(|| gone.then(|| "it is gone, and the Raft log is here".to_owned()))
    }

    /// Moves what is there of the ledger aside; returns `why` and where it is.
    fn set_aside(&self, dir: &Path, why: String) -> Result<String, StoreError> {
        if !dir.exists() {
            return Ok(why);
        }
        let kept = set_aside(
            dir,
            &aside(self.options),
            &format!("{:020}{LEDGER_ASIDE}", now_nano()),
        )?;
        Ok(format!("{why} (set aside in {})", kept.display()))
    }

    /// A ledger that was begun anew takes over what this peer has signed and found before.
    fn carry_over(&self, store: &LedgerStore) -> Result<(), StoreError> {
        // There is none, unless a ledger was set aside.
        let Ok(entries) = std::fs::read_dir(aside(self.options)) else {
            return Ok(());
        };
        let old = entries.filter_map(|entry| Some(entry.ok()?.path()));
        for dir in old.filter(|path| path.to_string_lossy().ends_with(LEDGER_ASIDE)) {
            let records = store.carry_over(&dir)?;
            tracing::info!(from = %dir.display(), records, "what was signed and found before is taken over");
        }
        Ok(())
    }

    fn try_open(&self) -> Result<OpenLedger, ExecutionError> {
        let dir = self.options.data_dir.join("ledger");
        let store = LedgerStore::open(&dir, &self.options.store.options())?;
        store.initialize(self.genesis)?;
        let restoring = store.restoring()?;
        if restoring.is_some() || store.tip()?.height == 0 {
            self.carry_over(&store)?;
        }
        let pool = Pool::new(self.options.pool.clone());
        let node = Node::new(self.genesis, self.identity.clone(), store, pool)?;
        let mut executor = Executor::new(
            &node.store,
            self.runtime.clone(),
            self.components.clone(),
            node.signatures.clone(),
        )?;
        executor.prepare(&node.config(), &node.newest().view)?;
        Ok(OpenLedger {
            node,
            executor,
            restoring,
        })
    }
}

/// What speaks against the newest header: one who edits a ledger can make all its hashes anew, and no signature.
fn unendorsed(node: &Node) -> Result<Option<String>, StoreError> {
    let header = node.newest().header;
    if header.height == 0 {
        return Ok(None);
    }
    let digest = header.digest();
    let votes = match node.store.votes(header.height) {
        Err(error) if error.is_damage() => Vec::new(),
        votes => votes?,
    };
    for (_, vote) in votes {
        let names_it = matches!(&vote.vote, Vote::Endorsement(endorsement) if endorsement.header == digest);
        let Some(certificate) = node
            .endorsers
            .get(&vote.signature.certificate)?
            .filter(|_| names_it)
        else {
            continue;
        };
        let config = node.anchor.config_at(header.height);
        let trusted = certificate.check(&config, header.time_nano).is_ok();
        let signed = node
            .signatures
            .verify(&vote.vote.digest(), &vote.signature, &certificate);
        if certificate.member() == node.me.member() && trusted && signed.is_ok() {
            return Ok(None);
        }
    }
    // One that this peer was not free to sign, as after a restore, is proven by the others.
    let proven = proofs::final_header(node, header.height)
        .ok()
        .and_then(|proof| proof.verify(&node.anchor).ok());
    if proven.is_some_and(|proven| proven.header == header) {
        return Ok(None);
    }
    Ok(Some(format!(
        "the newest header, of height {}, is neither endorsed by this peer nor proven by the others",
        header.height
    )))
}

impl OpenLedger {
    /// Compares the ledger with the Raft log, and reads where that stands. With `rejoin` the log is set aside and a
    /// new one begun.
    ///
    /// # Errors
    /// The log is damaged, or older than the ledger: it may have lost promises, and only the operator may say that
    /// this peer is to rejoin.
    pub fn compare_log(&mut self, options: &PeerOptions, rejoin: bool) -> Result<LogStanding> {
        let dir = options.data_dir.join("raft");
        if rejoin {
            self.begin_rejoin(options)?;
        }
        let applied = self.node.store.tip()?.raft_applied.unwrap_or_default();
        let applied = marker_index(&applied)?;
        let damaged = "this peer's Raft log is damaged: it may have voted and promised what it no longer knows, so it \
                       does not start; start it once with --rejoin (docs/operations/recovery.md)";
        if let Some(why) = condemned(&dir) {
            return Err(anyhow!(why).context(damaged));
        }
        let log = LogStanding::read(&dir).context(damaged)?;
        let reach = log.reach.unwrap_or(0);
        // A log on its way back begins where the ledger ends.
        if reach < applied && !log.rejoining && self.restoring.is_none() {
            bail!(
                "the Raft log in {} ends at entry {reach}, the ledger has applied entry {applied}: the log was lost or \
                 replaced by an older one, and with it what this peer has promised; start it once with --rejoin \
                 (docs/operations/recovery.md)",
                dir.display()
            );
        }
        if self.restoring.is_none()
            && let Some(purged) = log.purged.filter(|purged| *purged > applied)
        {
            let why = format!(
                "it has applied Raft entry {applied}, and this peer has removed entries up to {purged} as applied: it \
                 was replaced by an older one"
            );
            self.node.store.set_restoring(Some(&why))?;
            self.restoring = Some(why);
        }
        Ok(log)
    }

    fn begin_rejoin(&self, options: &PeerOptions) -> Result<()> {
        let (dir, now) = (options.data_dir.join("raft"), now_nano());
        let mut why = "the operator had this peer rejoin".to_owned();
        if dir.exists() {
            let kept = set_aside(&dir, &aside(options), &format!("{now:020}-raft"))?;
            why = format!("{why}; its old log is in {}", kept.display());
        }
        begin_rejoining(&dir)?;
        tracing::warn!(%why, "this peer rejoins the group");
        let incident = Incident::at_start("Raft log", why, now);
        let saved: Result<(), StoreError> = incident.save(&self.node.store, &format!("{now:020}-raft"));
        Ok(saved?)
    }
}
