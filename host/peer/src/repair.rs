//! What is damaged is never served: it is kept aside, what is true is fetched from another peer (or made anew from
//! what holds), checked and written, and the incident is recorded.

use crate::catch_up::{keep_endorsements, proven_block};
use crate::incident_log::IncidentLog;
use crate::links::{Link, Links, next_within};
use crate::node::Node;
use crate::soundness::{check_block, sound_block, vote_holds};
use crate::votes_in::now_nano;
use e2l_ledger::proof::FinalHeaderProof;
use e2l_ledger::{Block, Digest, StateKey};
use e2l_store::{StoreError, View};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause before all peers are asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for a block.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// References of a log asked for at once. An honest peer sends so many, unless its log ends.
const REFERENCES: u32 = 16 * 1024;
/// Stands in an incident for whoever repaired what nobody can.
const NOBODY: &str = "nobody";

/// What is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// A block's records or endorsements.
    Block(u64),
    /// Where the transactions and batches of a block that holds are said to stand.
    Index(u64),
    /// What the entries of a log refer to: the state key of its head.
    Log(StateKey),
    /// A record about what happened, by its full name.
    Record(String),
    /// Where a transaction is said to stand, while no index says in which block it is.
    Lookup(Digest),
}

impl Damaged {
    /// Height of the block that it belongs to; 0 where there is none.
    pub fn height(&self) -> u64 {
        match self {
            Self::Block(height) | Self::Index(height) => *height,
            Self::Log(_) | Self::Record(_) | Self::Lookup(_) => 0,
        }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(height) => write!(f, "block {height}"),
            Self::Index(height) => write!(f, "index of block {height}"),
            Self::Log(key) => write!(f, "log {}", String::from_utf8_lossy(key.local())),
            Self::Record(name) => write!(f, "record {name}"),
            Self::Lookup(id) => write!(f, "index entry of transaction {id}"),
        }
    }
}

/// Damage that was found.
#[derive(Debug, Clone)]
pub struct Damage {
    /// What is damaged.
    pub what: Damaged,
    /// How it was found: `read` or `scrub`.
    pub found_by: &'static str,
    /// What does not hold.
    pub why: String,
}

impl Damage {
    /// Damage to a record about what happened.
    pub fn to_record(name: String, found_by: &'static str, why: &str) -> Self {
        Self {
            what: Damaged::Record(name),
            found_by,
            why: why.to_owned(),
        }
    }
}

/// Repairs damage, each once at a time.
pub struct Repairer {
    node: Arc<Node>,
    links: Arc<Links>,
    under_way: Mutex<HashSet<Damaged>>,
    incidents: IncidentLog,
}

impl Repairer {
    /// Repairs a node's store from the peers behind `links`.
    pub fn new(node: Arc<Node>, links: Arc<Links>) -> Arc<Self> {
        Arc::new(Self {
            node,
            links,
            under_way: Mutex::default(),
            incidents: IncidentLog::default(),
        })
    }

    /// Repairs what is reported, until the process ends.
    pub async fn run(self: Arc<Self>, mut reports: mpsc::Receiver<Damage>) {
        while let Some(damage) = reports.recv().await {
            if !self.under_way.lock().insert(damage.what.clone()) {
                continue;
            }
            let this = self.clone();
            tokio::spawn(async move {
                let repaired = this.repair(&damage).await;
                match repaired {
                    // Files that cannot be read or written anew are replaced as a whole. Records that do not hold are
                    // damage of their own, as those of a neighbour.
                    Err(error @ StoreError::Read { .. }) if error.is_damage() => {
                        this.node.must_restore(&error.to_string());
                    }
                    Err(error) => this
                        .node
                        .alarms
                        .raise(format!("{} cannot be repaired: {error}", damage.what)),
                    Ok(()) => {}
                }
                this.under_way.lock().remove(&damage.what);
            });
        }
    }

    async fn repair(self: &Arc<Self>, damage: &Damage) -> Result<(), StoreError> {
        match &damage.what {
            Damaged::Index(height) => self.repair_index(*height, damage),
            Damaged::Block(height) => self.repair_block(*height, damage).await,
            Damaged::Log(key) => self.repair_log(key, damage).await,
            Damaged::Record(name) => self.repair_record(name, damage),
            Damaged::Lookup(id) => self.repair_lookup(*id, damage).await,
        }
    }

    async fn repair_block(&self, height: u64, damage: &Damage) -> Result<(), StoreError> {
        // Several readers may have found the same damage, and the first report has seen to it.
        if check_block(&self.node, height).is_ok() {
            return Ok(());
        }
        let quarantined = self.node.store.quarantine_block(height, &case(damage))?;
        self.incidents.opened(&self.node, damage, quarantined)?;
        loop {
            for link in self.links.all() {
                match self.fetch_block(&link, height).await {
                    Ok((block, proof)) => {
                        let kept = self.write_block(&block, &proof, damage)?;
                        return self.incidents.closed(&self.node, &damage.what, &link.actor, kept);
                    }
                    Err(why) => tracing::warn!(height, peer = %link.actor, %why, "no repair from this peer"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The block as another peer has it, with proof.
    async fn fetch_block(&self, link: &Link, height: u64) -> Result<(Block, FinalHeaderProof), String> {
        let blocks = link.fetch_blocks(height, 1).await;
        let mut blocks = blocks.map_err(|status| status.message().to_owned())?;
        let reply = next_within(&mut blocks, BLOCK_TIMEOUT).await?;
        let reply = reply.ok_or_else(|| "it has no such block".to_owned())?;
        let (block, proof) = proven_block(&self.node, &reply)?;
        if block.header.height != height {
            return Err(format!("it sent block {}", block.header.height));
        }
        Ok((block, proof))
    }

    /// Writes a block and the endorsements of its proof over what is there; returns how many records of its indexes
    /// were kept aside.
    fn write_block(
        &self,
        block: &Block,
        proof: &FinalHeaderProof,
        damage: &Damage,
    ) -> Result<usize, StoreError> {
        let (node, height) = (&self.node, block.header.height);
        let kept = match node.store.view().index_fault(block)? {
            Some(_) => node.store.quarantine_indexes(block, &case(damage))?,
            None => 0,
        };
        node.store
            .discard_votes(height, |actor, vote| vote_holds(node, height, actor, vote))?;
        keep_endorsements(node, proof)?;
        node.store.rewrite_block(block)?;
        node.heights.repaired(block);
        // A file that is damaged may shine through what was written over it.
        match node.store.view().block(height) {
            Err(error @ StoreError::Read { .. }) => Err(error),
            _ => Ok(kept),
        }
    }

    /// A block that holds says itself where its transactions stand.
    fn repair_index(&self, height: u64, damage: &Damage) -> Result<(), StoreError> {
        let Ok(Some((block, _))) = sound_block(&self.node, height) else {
            return Ok(());
        };
        if self.node.store.view().index_fault(&block)?.is_none() {
            return Ok(());
        }
        let quarantined = self.node.store.quarantine_indexes(&block, &case(damage))?;
        self.incidents.opened(&self.node, damage, quarantined)?;
        self.node.store.rewrite_indexes(&block)?;
        let me = &self.node.me.member().actor;
        self.incidents.closed(&self.node, &damage.what, me, 0)
    }

    /// Only the blocks say where a transaction stands, if it does: they are read one after the other.
    async fn repair_lookup(self: &Arc<Self>, id: Digest, damage: &Damage) -> Result<(), StoreError> {
        self.incidents.opened(&self.node, damage, 0)?;
        let (this, case) = (self.clone(), case(damage));
        let searched = tokio::task::spawn_blocking(move || this.rewrite_lookup(&id, &case));
        // A search that was cut off, as at the process's end, has mended nothing.
        let Ok(searched) = searched.await else {
            return Ok(());
        };
        let kept = searched?;
        let me = &self.node.me.member().actor;
        self.incidents.closed(&self.node, &damage.what, me, kept)
    }

    /// Returns how many records were set aside.
    fn rewrite_lookup(&self, id: &Digest, case: &str) -> Result<usize, StoreError> {
        // What leads elsewhere leads to nothing, if no block has the transaction.
        let mut kept = self.node.store.set_index_entry_aside(id, case)?;
        for height in 1..=self.node.with_finality(|finality| finality.final_height()) {
            let Ok(Some((block, _))) = sound_block(&self.node, height) else {
                continue;
            };
            if block.results.iter().any(|result| result.id == *id) {
                // Under another name: what was set aside above may be written anew already, by the block's own repair.
                kept += self
                    .node
                    .store
                    .quarantine_indexes(&block, &format!("{case}-block"))?;
                self.node.store.rewrite_indexes(&block)?;
                break;
            }
        }
        Ok(kept)
    }

    async fn repair_log(&self, key: &StateKey, damage: &Damage) -> Result<(), StoreError> {
        if self.node.store.view().check_log(key).is_ok() {
            return Ok(());
        }
        self.incidents.opened(&self.node, damage, 0)?;
        loop {
            // It reads from blocks, which may have been what was damaged, and are mended by themselves.
            if self.node.store.view().check_log(key).is_ok() {
                let me = &self.node.me.member().actor;
                return self.incidents.closed(&self.node, &damage.what, me, 0);
            }
            for link in self.links.all() {
                let view = self.node.store.view();
                match self.fetch_log(&link, &view, key).await {
                    Ok(references) => {
                        if self.node.store.rewrite_log(&view, key, &references)? {
                            // The view from before still sees what was there.
                            let kept = self.node.store.quarantine_log(&view, key, &case(damage))?;
                            self.node.heights.renew_views();
                            // As for blocks: files that are damaged are replaced as a whole.
                            if let Err(error @ StoreError::Read { .. }) =
                                self.node.store.view().check_log(key)
                            {
                                return Err(error);
                            }
                            return self.incidents.closed(&self.node, &damage.what, &link.actor, kept);
                        }
                        tracing::warn!(peer = %link.actor, "its log is not the one that the state commits to");
                    }
                    Err(why) => tracing::warn!(peer = %link.actor, %why, "no repair from this peer"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What the entries of a log refer to at another peer, as many as this peer's view has.
    async fn fetch_log(&self, link: &Link, view: &View, key: &StateKey) -> Result<Vec<Vec<u8>>, String> {
        let length = view.log_head(key).map_err(|error| error.to_string())?.length;
        let mut references: Vec<Vec<u8>> = Vec::new();
        while (references.len() as u64) < length {
            let from = references.len() as u64;
            let limit = u32::try_from(length - from).unwrap_or(u32::MAX).min(REFERENCES);
            let reply = link.fetch_log(key, from, limit).await;
            let page = reply.map_err(|status| status.message().to_owned())?.references;
            if page.len() != limit as usize {
                let ends = from + page.len() as u64;
                return Err(format!("its log ends at {ends} of {length} entries"));
            }
            references.extend(page.iter().map(|reference| reference.to_vec()));
        }
        Ok(references)
    }

    /// A certificate that is still in memory is written anew. Of what else happened only this peer knew.
    fn repair_record(&self, name: &str, damage: &Damage) -> Result<(), StoreError> {
        let node = &self.node;
        let kept = node.store.set_record_aside(name, &case(damage))?;
        if !kept {
            return Ok(());
        }
        self.incidents.opened(node, damage, 1)?;
        let digest = name.strip_prefix("certificate/");
        let known = digest
            .and_then(|digest| digest.parse::<Digest>().ok())
            .and_then(|digest| node.endorsers.in_memory(&digest));
        let from: &str = match &known {
            Some(certificate) => {
                node.store
                    .save_certificate(&certificate.digest(), certificate.der())?;
                &node.me.member().actor
            }
            None => NOBODY,
        };
        self.incidents.closed(node, &damage.what, from, 0)
    }
}

/// Name of what is kept aside.
fn case(damage: &Damage) -> String {
    format!("{:020}-{}", now_nano(), damage.what.height())
}
