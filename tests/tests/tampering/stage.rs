//! A peer's files as they are after an ordinary run, and the truth about them.

use e2l_ledger::{Block, Canonical, Digest, StateKey};
use e2l_peer::PeerOptions;
use e2l_peer::inside::{OpenLedger, open_ledger, sound_block};
use e2l_store::{Intruder, RawRecord, wait_until_closed};
use e2l_tests::{Members, Network, event};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Blocks of the ledger.
const BLOCKS: u64 = 40;
/// Events of a block.
const EVENTS: usize = 4;
/// How long databases may take to close.
const CLOSING: Duration = Duration::from_secs(20);

/// The files, and what they say.
pub struct Stage {
    _network: Network,
    directory: tempfile::TempDir,
    options: PeerOptions,
    /// Height of the newest block.
    pub height: u64,
    /// Every block; number 1 first.
    pub blocks: Vec<Block>,
}

impl Stage {
    /// Runs a network for a moment and stops it.
    pub fn set() -> Self {
        let mut network = Network::start(1);
        let members = Members::of(&network).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let height = runtime.block_on(async {
            let mut collector = members.collector(1, "provider").unwrap();
            for block in 0..BLOCKS {
                let events =
                    (0..EVENTS).map(|number| event(&format!("web-{}", block % 7), &format!("exec-{number}")));
                collector.submit(events.collect()).await.unwrap();
            }
            members.settled(&Network::actors(), BLOCKS).await.unwrap()
        });
        for actor in Network::actors() {
            network.stop_peer(actor);
        }
        let home = network.root().join("actors/user/peer");
        let mut options = PeerOptions::load(&home.join("peer.toml")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        copy(&options.data_dir, &directory.path().join("pristine"));
        options.data_dir = directory.path().join("scratch");
        let mut stage = Self {
            _network: network,
            directory,
            options,
            height,
            blocks: Vec::new(),
        };
        stage.renew();
        let open = stage.open();
        let read = |height| open.node.store.view().block(height).unwrap().unwrap();
        stage.blocks = (1..=height).map(read).collect();
        close(open);
        stage
    }

    /// The files as they were.
    pub fn pristine(&self) -> PathBuf {
        self.directory.path().join("pristine")
    }

    /// A copy of them, to be edited.
    pub fn scratch(&self) -> PathBuf {
        self.options.data_dir.clone()
    }

    /// The peer's settings, with the copy as its files.
    pub fn options(&self) -> &PeerOptions {
        &self.options
    }

    /// Makes the copy anew.
    pub fn renew(&self) {
        let _ = std::fs::remove_dir_all(self.scratch());
        copy(&self.pristine(), &self.scratch());
    }

    /// Opens the copy as a peer does when it is started.
    pub fn open(&self) -> OpenLedger {
        open_ledger(&self.options).unwrap()
    }

    /// Edits the copy's ledger.
    pub fn intruder(&self) -> Intruder {
        Intruder::open(&self.scratch().join("ledger")).unwrap()
    }

    /// The records of a column as they were.
    pub fn true_records(&self, column: &str) -> Vec<RawRecord> {
        // Opened in a copy of its own: opening writes.
        let copy_of_it = self.directory.path().join("compare");
        let _ = std::fs::remove_dir_all(&copy_of_it);
        copy(&self.pristine(), &copy_of_it);
        let intruder = Intruder::open(&copy_of_it.join("ledger")).unwrap();
        intruder.records(column).unwrap()
    }

    /// No false alarm: files that nobody edited hold in every way.
    pub fn nothing_is_wrong_without_edits(&self) {
        self.renew();
        let mut open = self.open();
        assert_eq!(open.restoring, None);
        open.compare_log(&self.options, false).unwrap();
        let view = open.node.store.view();
        for (height, block) in (1..).zip(&self.blocks) {
            let (found, proof) = sound_block(&open.node, height).unwrap().unwrap();
            assert_eq!(found.encode(), block.encode());
            proof.verify(&open.node.anchor).unwrap();
            assert_eq!(view.index_fault(block).unwrap(), None);
        }
        for log in logs(&open) {
            view.check_log(&log).unwrap();
        }
        drop(view);
        close(open);
    }

    /// Ids of all transactions.
    pub fn transactions(&self) -> Vec<Digest> {
        let results = self.blocks.iter().flat_map(|block| &block.results);
        results.map(|result| result.id).collect()
    }
}

/// All logs.
pub fn logs(open: &OpenLedger) -> Vec<StateKey> {
    open.node.store.view().logs_after(None, usize::MAX).unwrap()
}

/// Lets the databases close.
pub fn close(open: OpenLedger) {
    drop(open);
    assert!(wait_until_closed(CLOSING), "a database stays open");
}

/// Copies a directory.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Stage {
    /// What the entries of logs refer to, as another peer has it.
    pub fn true_references(&self, logs: &[StateKey]) -> Vec<Vec<Vec<u8>>> {
        let copy_of_it = self.directory.path().join("other");
        let _ = std::fs::remove_dir_all(&copy_of_it);
        copy(&self.pristine(), &copy_of_it);
        let options = e2l_store::StoreOptions::default();
        let store = e2l_store::LedgerStore::open(&copy_of_it.join("ledger"), &options).unwrap();
        let view = store.view();
        logs.iter()
            .map(|log| view.log_references(log, 0, usize::MAX).unwrap())
            .collect()
    }
}
