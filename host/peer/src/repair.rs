//! Blocks are checked against their endorsements before they are served. A damaged one is never served: its
//! records are kept aside, the true block is fetched from another peer, checked and written, and the incident is
//! recorded.

use crate::catch_up::proven_block;
use crate::chain::leader_certificate;
use crate::incident::Incident;
use crate::links::{Link, Links};
use crate::node::Node;
use crate::proofs::{self, NoProof};
use crate::votes_in::now_nano;
use e2l_ledger::Block;
use e2l_ledger::proof::FinalHeaderProof;
use e2l_store::StoreError;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause before all peers are asked again for a block.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a block is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// Its records are not what its endorsers signed.
    #[error("block {height} in this peer's database is damaged: {why}")]
    Damaged {
        /// Its height.
        height: u64,
        /// What does not hold.
        why: String,
    },
    /// It cannot be proven now.
    #[error(transparent)]
    Unproven(NoProof),
}

impl From<NoProof> for Unsound {
    fn from(error: NoProof) -> Self {
        match error {
            NoProof::Store(error) => error.into(),
            NoProof::Inconsistent { height, .. } => Self::Damaged {
                height,
                why: error.to_string(),
            },
            other => Self::Unproven(other),
        }
    }
}

impl From<StoreError> for Unsound {
    fn from(error: StoreError) -> Self {
        match (error.damaged_height(), &error) {
            (
                Some(height),
                StoreError::Corrupt {
                    column, record, why, ..
                },
            ) => Self::Damaged {
                height,
                why: format!("{column} record `{record}`: {why}"),
            },
            _ => Self::Unproven(NoProof::Store(error)),
        }
    }
}

/// A final block as its endorsers signed it, with the proof; `None` above the newest height.
///
/// # Errors
/// See [`Unsound`].
pub fn sound_block(node: &Node, height: u64) -> Result<Option<(Block, FinalHeaderProof)>, Unsound> {
    let damaged = |why: String| Unsound::Damaged { height, why };
    // The newest view: one that is held longer would not see a repair.
    let view = node.store.view();
    let block = match view.block(height) {
        Ok(Some(block)) => block,
        Ok(None) => return Ok(None),
        Err(error @ StoreError::Read { .. }) => return Err(damaged(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let proof = proofs::final_header(node, height)?;
    let proven = proof
        .verify(&node.anchor)
        .map_err(|error| damaged(error.to_string()))?;
    if proven.header != block.header {
        return Err(damaged("its header is not the one that was endorsed".to_owned()));
    }
    if !block.is_complete() {
        return Err(damaged(
            "its content is not what its header commits to".to_owned(),
        ));
    }
    check_leader(node, &block).map_err(damaged)?;
    Ok(Some((block, proof)))
}

/// No root covers the leader's signature. A certificate that is nowhere to be found proves nothing either way.
fn check_leader(node: &Node, block: &Block) -> Result<(), String> {
    let proposal = &block.proposal;
    let Ok(Some(certificate)) = leader_certificate(node, proposal) else {
        return Ok(());
    };
    let checked = node
        .signatures
        .verify(&proposal.header.digest(), &proposal.signature, &certificate);
    checked.map_err(|error| format!("the leader's signature: {error}"))
}

/// Damage that was found.
#[derive(Debug)]
pub struct Damage {
    /// Height of the block.
    pub height: u64,
    /// How it was found: `read` or `scrub`.
    pub found_by: &'static str,
    /// What does not hold.
    pub why: String,
}

/// Repairs damaged blocks, each once at a time.
pub struct Repairer {
    node: Arc<Node>,
    links: Arc<Links>,
    under_way: Mutex<BTreeSet<u64>>,
}

impl Repairer {
    /// Repairs a node's store from the peers behind `links`.
    pub fn new(node: Arc<Node>, links: Arc<Links>) -> Arc<Self> {
        Arc::new(Self {
            node,
            links,
            under_way: Mutex::default(),
        })
    }

    /// Repairs what is reported, until the process ends.
    pub async fn run(self: Arc<Self>, mut reports: mpsc::Receiver<Damage>) {
        while let Some(damage) = reports.recv().await {
            if !self.under_way.lock().insert(damage.height) {
                continue;
            }
            let this = self.clone();
            tokio::spawn(async move {
                let height = damage.height;
                if let Err(error) = this.repair(damage).await {
                    this.node
                        .alarm(format!("block {height} cannot be repaired: {error}"));
                }
                this.under_way.lock().remove(&height);
            });
        }
    }

    async fn repair(
        &self,
        Damage {
            height,
            found_by,
            why,
        }: Damage,
    ) -> Result<(), StoreError> {
        // Several readers may have found the same damage, and the first report has seen to it.
        if matches!(sound_block(&self.node, height), Ok(Some(_))) {
            return Ok(());
        }
        let found_nano = now_nano();
        let name = format!("{found_nano:020}-{height}");
        self.node.alarm(format!(
            "block {height} is damaged: {why}; it is not served until it is repaired"
        ));
        let quarantined = self.node.store.quarantine_block(height, &name)?;
        let mut incident = Incident {
            found_nano,
            height,
            found_by: found_by.to_owned(),
            why,
            quarantined,
            repaired_from: None,
            repaired_nano: None,
        };
        self.record(&name, &incident)?;
        loop {
            for link in self.links.iter() {
                match self.fetch(link, height).await {
                    Ok(block) => {
                        self.node.store.rewrite_block(&block)?;
                        self.node.repaired(&block);
                        incident.repaired_from = Some(link.actor.clone());
                        incident.repaired_nano = Some(now_nano());
                        self.record(&name, &incident)?;
                        tracing::warn!(height, from = %link.actor, "a damaged block was repaired");
                        return Ok(());
                    }
                    Err(why) => tracing::warn!(height, peer = %link.actor, %why, "no repair from this peer"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The block as another peer has it, with proof.
    async fn fetch(&self, link: &Link, height: u64) -> Result<Block, String> {
        let say = |status: tonic::Status| status.message().to_owned();
        let mut blocks = link.fetch_blocks(height, 1).await.map_err(say)?;
        let reply = blocks.message().await.map_err(say)?;
        let reply = reply.ok_or_else(|| "it has no such block".to_owned())?;
        let block = proven_block(&self.node, &reply)?;
        if block.header.height == height {
            return Ok(block);
        }
        Err(format!("it sent block {}", block.header.height))
    }

    fn record(&self, name: &str, incident: &Incident) -> Result<(), StoreError> {
        // A struct of numbers and texts always has a JSON form.
        let record = serde_json::to_vec(incident).unwrap_or_default();
        self.node.store.save_incident(name, &record)
    }
}
