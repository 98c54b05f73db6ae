//! What is damaged is never served: it is kept aside, what is true is fetched from another peer (or made anew from
//! what holds), checked and written, and the incident is recorded.

use crate::catch_up::{keep_endorsements, proven_block};
use crate::incident::Incident;
use crate::links::{Link, Links};
use crate::node::Node;
use crate::soundness::sound_block;
use crate::votes_in::now_nano;
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
/// References of a log asked for at once.
const REFERENCES: u32 = 16 * 1024;

/// What is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// A block's records or endorsements.
    Block(u64),
    /// Where the transactions and batches of a block that holds are said to stand.
    Index(u64),
    /// What the entries of a log refer to: the state key of its head.
    Log(StateKey),
    /// Where a transaction is said to stand, while no index says in which block it is.
    Lookup(Digest),
}

impl Damaged {
    fn height(&self) -> u64 {
        match self {
            Self::Block(height) | Self::Index(height) => *height,
            Self::Log(_) | Self::Lookup(_) => 0,
        }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(height) => write!(f, "block {height}"),
            Self::Index(height) => write!(f, "index of block {height}"),
            Self::Log(key) => write!(f, "log {}", String::from_utf8_lossy(key.local())),
            Self::Lookup(id) => write!(f, "index entry of transaction {id}"),
        }
    }
}

/// Damage that was found.
#[derive(Debug)]
pub struct Damage {
    /// What is damaged.
    pub what: Damaged,
    /// How it was found: `read` or `scrub`.
    pub found_by: &'static str,
    /// What does not hold.
    pub why: String,
}

/// Damaged indexes of neighbouring blocks are one incident: an index that is gone as a whole is one.
struct IndexRun {
    name: String,
    incident: Incident,
    last: u64,
}

/// Repairs damage, each once at a time.
pub struct Repairer {
    node: Arc<Node>,
    links: Arc<Links>,
    under_way: Mutex<HashSet<Damaged>>,
    indexes: Mutex<Option<IndexRun>>,
}

impl Repairer {
    /// Repairs a node's store from the peers behind `links`.
    pub fn new(node: Arc<Node>, links: Arc<Links>) -> Arc<Self> {
        Arc::new(Self {
            node,
            links,
            under_way: Mutex::default(),
            indexes: Mutex::default(),
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
                let what = damage.what.clone();
                let repaired = match damage.what {
                    Damaged::Index(height) => this.repair_index(height, damage),
                    Damaged::Lookup(id) => this.clone().repair_lookup(id, damage).await,
                    Damaged::Block(height) => this.repair_block(height, damage).await,
                    Damaged::Log(ref key) => this.repair_log(&key.clone(), damage).await,
                };
                if let Err(error) = repaired {
                    this.node.alarm(format!("{what} cannot be repaired: {error}"));
                }
                this.under_way.lock().remove(&what);
            });
        }
    }

    async fn repair_block(&self, height: u64, damage: Damage) -> Result<(), StoreError> {
        // Several readers may have found the same damage, and the first report has seen to it.
        if matches!(sound_block(&self.node, height), Ok(Some(_))) {
            return Ok(());
        }
        let name = self.name(&damage);
        let quarantined = self.node.store.quarantine_block(height, &name)?;
        let mut incident = self.open_incident(&name, damage, quarantined)?;
        loop {
            for link in self.links.iter() {
                match self.fetch_block(link, height).await {
                    Ok(block) => {
                        self.node.store.rewrite_block(&block)?;
                        self.node.repaired(&block);
                        return self.close_incident(&name, &mut incident, &link.actor);
                    }
                    Err(why) => tracing::warn!(height, peer = %link.actor, %why, "no repair from this peer"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The block as another peer has it, with proof, whose endorsements are kept.
    async fn fetch_block(&self, link: &Link, height: u64) -> Result<Block, String> {
        let say = |status: tonic::Status| status.message().to_owned();
        let mut blocks = link.fetch_blocks(height, 1).await.map_err(say)?;
        let reply = blocks.message().await.map_err(say)?;
        let reply = reply.ok_or_else(|| "it has no such block".to_owned())?;
        let (block, proof) = proven_block(&self.node, &reply)?;
        if block.header.height != height {
            return Err(format!("it sent block {}", block.header.height));
        }
        self.node
            .store
            .discard_damaged_votes(height)
            .map_err(|error| error.to_string())?;
        keep_endorsements(&self.node, &proof).map_err(|error| error.to_string())?;
        Ok(block)
    }

    /// A block that holds says itself where its transactions stand.
    fn repair_index(&self, height: u64, damage: Damage) -> Result<(), StoreError> {
        let Ok(Some((block, _))) = sound_block(&self.node, height) else {
            return Ok(());
        };
        if self.node.store.view().index_fault(&block)?.is_none() {
            return Ok(());
        }
        self.node.store.rewrite_indexes(&block)?;
        let mut indexes = self.indexes.lock();
        let me = self.node.me().actor.clone();
        match &mut *indexes {
            Some(run) if run.last + 1 == height => {
                run.last = height;
                run.incident.what = format!("indexes of blocks {} to {height}", run.incident.height);
                run.incident.quarantined += 1;
                self.close_incident(&run.name, &mut run.incident, &me)
            }
            _ => {
                let name = self.name(&damage);
                let mut incident = self.open_incident(&name, damage, 0)?;
                self.close_incident(&name, &mut incident, &me)?;
                *indexes = Some(IndexRun {
                    name,
                    incident,
                    last: height,
                });
                Ok(())
            }
        }
    }

    /// Only the blocks say where a transaction stands, if it does: they are read one after the other.
    async fn repair_lookup(self: Arc<Self>, id: Digest, damage: Damage) -> Result<(), StoreError> {
        let name = self.name(&damage);
        let mut incident = self.open_incident(&name, damage, 0)?;
        let this = self.clone();
        let searched = tokio::task::spawn_blocking(move || this.rewrite_lookup(&id));
        // A search that was cut off, as at the process's end, has mended nothing.
        let Ok(searched) = searched.await else {
            return Ok(());
        };
        searched?;
        let me = self.node.me().actor.clone();
        self.close_incident(&name, &mut incident, &me)
    }

    fn rewrite_lookup(&self, id: &Digest) -> Result<(), StoreError> {
        for height in 1..=self.node.with_finality(|finality| finality.final_height()) {
            let Ok(Some((block, _))) = sound_block(&self.node, height) else {
                continue;
            };
            if block.results.iter().any(|result| result.id == *id) {
                self.node.store.forget_transaction(id)?;
                return self.node.store.rewrite_indexes(&block);
            }
        }
        // What led elsewhere led to nothing.
        self.node.store.forget_transaction(id)
    }

    async fn repair_log(&self, key: &StateKey, damage: Damage) -> Result<(), StoreError> {
        if self.node.store.view().check_log(key).is_ok() {
            return Ok(());
        }
        let name = self.name(&damage);
        let mut incident = self.open_incident(&name, damage, 0)?;
        loop {
            for link in self.links.iter() {
                let view = self.node.store.view();
                match self.fetch_log(link, &view, key).await {
                    Ok(references) => {
                        if self.node.store.rewrite_log(&view, key, &references)? {
                            self.node.renew_views();
                            return self.close_incident(&name, &mut incident, &link.actor);
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
            if page.is_empty() {
                return Err(format!("its log ends at {from} of {length} entries"));
            }
            let wanted = usize::try_from(length - from).unwrap_or(usize::MAX);
            references.extend(page.into_iter().take(wanted).map(|reference| reference.to_vec()));
        }
        Ok(references)
    }

    fn name(&self, damage: &Damage) -> String {
        format!("{:020}-{}", now_nano(), damage.what.height())
    }

    /// Raises the alarm and keeps the record.
    fn open_incident(&self, name: &str, damage: Damage, quarantined: usize) -> Result<Incident, StoreError> {
        let Damage { what, found_by, why } = damage;
        self.node.alarm(format!(
            "{what} is damaged: {why}; it is not served until it is repaired"
        ));
        let incident = Incident {
            found_nano: now_nano(),
            height: what.height(),
            what: what.to_string(),
            found_by: found_by.to_owned(),
            why,
            quarantined,
            repaired_from: None,
            repaired_nano: None,
        };
        incident.save(&self.node.store, name)?;
        Ok(incident)
    }

    fn close_incident(&self, name: &str, incident: &mut Incident, from: &str) -> Result<(), StoreError> {
        incident.repaired_from = Some(from.to_owned());
        incident.repaired_nano = Some(now_nano());
        incident.save(&self.node.store, name)?;
        tracing::warn!(what = %incident.what, from, "damage was repaired");
        Ok(())
    }
}
