//! A peer's files as they are after an ordinary run, the two other peers that still run, and the truth about it all.

use crate::edits::Older;
use crate::reading::Truth;
use e2l_ledger::Vote;
use e2l_peer::PeerOptions;
use e2l_peer::inside::{Mender, OpenLedger, open_ledger};
use e2l_store::{Intruder, RawRecord, wait_until_closed};
use e2l_tests::{Members, Network, PATIENCE, TestCollector, copy_dir, event, wait_until};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Blocks of the ledger.
const BLOCKS: u64 = 40;
/// Events of a block.
const EVENTS: usize = 4;
/// Containers that they are about.
pub const CONTAINERS: u64 = 7;
/// How long databases may take to close.
const CLOSING: Duration = Duration::from_secs(20);
/// Whose files are edited.
const VICTIM: &str = "user";
/// Both columns of a Raft log.
const RAFT_COLUMNS: [&str; 2] = ["entries", "meta"];

/// Records of the columns of one database.
pub type Records = HashMap<&'static str, Vec<RawRecord>>;

/// The files, and what they say.
pub struct Stage {
    _network: Network,
    directory: tempfile::TempDir,
    options: PeerOptions,
    /// Height of the newest block.
    pub height: u64,
    /// What two other peers say.
    pub truth: Truth,
    /// The ledger's records as they were.
    pub records: Records,
    /// The Raft log's.
    pub raft_records: Records,
    older: HashMap<&'static str, Older>,
    /// What the other peers have with this peer's signature.
    pub own_votes: Vec<Vote>,
}

impl Stage {
    /// Runs a network for a while, and stops one of its peers.
    pub fn set() -> Self {
        let mut network = Network::start(1);
        let members = Members::of(&network).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut collector = members.collector(1, VICTIM).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let data = network.root().join("actors").join(VICTIM).join("peer/data");

        runtime.block_on(fill(&mut collector, 0..BLOCKS / 2));
        runtime.block_on(contradict(&mut collector));
        network.wait_for_agreement(BLOCKS / 2 * EVENTS as u64);
        network.stop_peer(VICTIM);
        copy_dir(&data, &directory.path().join("older"));
        // One repair, so that there are an incident and records that are kept aside.
        damage(&data, 3);
        network.start_peer(VICTIM);
        wait_until("a repair", PATIENCE, || {
            let incidents = network.json(VICTIM, &["incidents"]);
            incidents
                .to_string()
                .contains("\"repaired_from\":\"")
                .then_some(())
        });
        runtime.block_on(fill(&mut collector, BLOCKS / 2..BLOCKS));
        let height = runtime
            .block_on(members.settled(&Network::actors(), BLOCKS))
            .unwrap();
        network.stop_peer(VICTIM);
        copy_dir(&data, &directory.path().join("pristine"));

        let home = network.root().join("actors").join(VICTIM).join("peer");
        let mut options = PeerOptions::load(&home.join("peer.toml")).unwrap();
        options.data_dir = directory.path().join("scratch");
        let older = records_of(&directory, "older", "ledger", &Intruder::COLUMNS);
        let mut stage = Self {
            truth: runtime.block_on(Truth::of(&members, &collector.member(), height)),
            records: records_of(&directory, "pristine", "ledger", &Intruder::COLUMNS),
            raft_records: records_of(&directory, "pristine", "raft", &RAFT_COLUMNS),
            older: older
                .into_iter()
                .map(|(name, records)| (name, by_key(records)))
                .collect(),
            own_votes: Vec::new(),
            _network: network,
            directory,
            options,
            height,
        };
        stage.renew();
        let mender = stage.mender(stage.open());
        stage.own_votes = mender.own_votes();
        assert!(
            stage.own_votes.len() >= 2,
            "the others know what this peer has signed"
        );
        stop(mender);
        stage
    }

    /// The files as they were.
    pub fn pristine(&self) -> PathBuf {
        self.directory.path().join("pristine")
    }

    /// The files as they were some blocks earlier.
    pub fn older(&self) -> PathBuf {
        self.directory.path().join("older")
    }

    /// A copy of them, to be edited.
    pub fn scratch(&self) -> PathBuf {
        self.options.data_dir.clone()
    }

    /// The peer's settings, with the copy as its files.
    pub fn options(&self) -> &PeerOptions {
        &self.options
    }

    /// Older values of a column's records.
    pub fn older_records(&self, column: &str) -> &Older {
        &self.older[column]
    }

    /// Makes the copy anew.
    pub fn renew(&self) {
        let _ = std::fs::remove_dir_all(self.scratch());
        copy_dir(&self.pristine(), &self.scratch());
    }

    /// Opens the copy as a peer does when it is started.
    pub fn open(&self) -> OpenLedger {
        open_ledger(&self.options).unwrap()
    }

    /// Starts what reads, checks and repairs a ledger.
    pub fn mender(&self, open: OpenLedger) -> Mender {
        Mender::start(&self.options, open).unwrap()
    }

    /// Edits the copy's ledger.
    pub fn intruder(&self) -> Intruder {
        Intruder::open(&self.scratch().join("ledger")).unwrap()
    }
}

async fn fill(collector: &mut TestCollector, blocks: std::ops::Range<u64>) {
    for block in blocks {
        let name = format!("web-{}", block % CONTAINERS);
        let events = (0..EVENTS).map(|number| event(&name, &format!("exec-{number}")));
        collector.submit(events.collect()).await.unwrap();
    }
}

/// Signs another batch under the last number: the peer keeps both as evidence.
async fn contradict(collector: &mut TestCollector) {
    let mut liar = collector.clone();
    let calls = vec![liar.create_event(event("web-0", "a lie"))];
    let mut header = liar.header(&calls);
    header.sequence -= 1;
    let batch = liar.sign(header, calls);
    let answer = liar.client.submit(TestCollector::encode(batch)).await;
    assert!(answer.is_err(), "a contradiction is refused");
}

fn damage(data: &Path, height: u64) {
    let intruder = Intruder::open(&data.join("ledger")).unwrap();
    let records = intruder.records("transactions").unwrap();
    let mut record = records
        .into_iter()
        .find(|record| record.key.starts_with(&height.to_be_bytes()))
        .unwrap();
    let last = record.value.len() - 1;
    record.value[last] ^= 1;
    intruder.put(&record).unwrap();
}

/// Opened in a copy of its own: opening writes.
fn records_of(directory: &tempfile::TempDir, of: &str, database: &str, columns: &[&'static str]) -> Records {
    let compare = directory.path().join("compare");
    let _ = std::fs::remove_dir_all(&compare);
    copy_dir(&directory.path().join(of), &compare);
    let intruder = Intruder::open(&compare.join(database)).unwrap();
    let read = columns
        .iter()
        .map(|column| (*column, intruder.records(column).unwrap()));
    read.collect()
}

fn by_key(records: Vec<RawRecord>) -> Older {
    records
        .into_iter()
        .map(|record| (record.key, record.value))
        .collect()
}

/// Lets the databases close.
pub fn close(open: OpenLedger) {
    drop(open);
    assert!(wait_until_closed(CLOSING), "a database stays open");
}

/// Ends what runs, and lets the databases close.
pub fn stop(mender: Mender) {
    mender.stop();
    assert!(wait_until_closed(CLOSING), "a database stays open");
}
