use super::{MemoryLedger, Wires, eventually};
use bytes::Bytes;
use e2l_consensus::{RaftNode, RaftOptions};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Three nodes of one process, with logs on disk.
pub struct Group {
    directory: tempfile::TempDir,
    wires: Arc<Wires>,
    ledgers: BTreeMap<u64, Arc<MemoryLedger>>,
    nodes: BTreeMap<u64, Arc<RaftNode>>,
}

/// Entries after which the log is purged here, and how many are kept.
pub const PURGE_AFTER: u64 = 20;
const KEEP: u64 = 5;

impl Group {
    /// Founds a group and waits for its leader.
    pub async fn found() -> Self {
        let ids = [1, 2, 3];
        let ledgers: BTreeMap<_, _> = ids.map(|id| (id, MemoryLedger::new(&ids))).into();
        let all: Vec<_> = ledgers.values().cloned().collect();
        for ledger in &all {
            ledger.knows(&all);
        }
        let mut group = Self {
            directory: tempfile::tempdir().unwrap(),
            wires: Arc::default(),
            ledgers,
            nodes: BTreeMap::new(),
        };
        for id in ids {
            group.start(id).await;
        }
        group.nodes[&1].initialize().await.unwrap();
        group.leader().await;
        group
    }

    pub async fn start(&mut self, id: u64) {
        let mut options = RaftOptions::new(id, self.directory.path().join(id.to_string()));
        options.purge_after = PURGE_AFTER;
        options.keep = KEEP;
        let ledger = self.ledgers[&id].clone();
        let node = RaftNode::start(options, ledger, self.wires.end(id))
            .await
            .unwrap();
        let node = Arc::new(node);
        self.wires.plug(id, &node);
        self.nodes.insert(id, node);
    }

    /// Takes a node away: nothing reaches it or leaves it, and its log is closed.
    pub async fn stop(&mut self, id: u64) {
        self.wires.unplug(id);
        self.nodes.remove(&id).unwrap().shutdown().await;
    }

    pub fn ids(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    pub fn ledger(&self, id: u64) -> &Arc<MemoryLedger> {
        &self.ledgers[&id]
    }

    /// The node that leads and that a majority of the running ones follows.
    pub async fn leader(&self) -> u64 {
        let mut found = 0;
        for _ in 0..1500 {
            for (id, node) in &self.nodes {
                if node.leadership().borrow().is_leader() && node.linearizable().await.is_ok() {
                    found = *id;
                }
            }
            if found > 0 {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("nobody leads");
    }

    /// Proposes at whoever leads, until it is applied there.
    pub async fn propose(&self, text: &str) {
        for _ in 0..20 {
            let leader = self.leader().await;
            let payload = Bytes::copy_from_slice(text.as_bytes());
            if self.nodes[&leader].propose(payload).await.is_ok() {
                return;
            }
        }
        panic!("no leader takes {text}");
    }

    /// Proposes once, at a node; its outcome does not matter.
    pub fn propose_at(&self, id: u64, text: &str) {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        tokio::spawn(self.nodes[&id].propose(payload));
    }

    /// Waits until all running nodes have the same `count` proposals, and returns them.
    pub async fn agreed(&self, count: usize) -> Vec<Bytes> {
        let ids = self.ids();
        eventually(&format!("{count} proposals everywhere"), || async {
            ids.iter().all(|id| self.ledgers[id].proposals().len() == count)
        })
        .await;
        let first = self.ledgers[&ids[0]].proposals();
        for id in &ids {
            assert_eq!(self.ledgers[id].proposals(), first, "node {id} has another order");
        }
        first
    }
}
