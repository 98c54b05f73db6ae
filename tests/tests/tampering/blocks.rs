//! Edits of what belongs to one block or one log, and of what a peer has kept: found where it is read or by the
//! background check, kept aside, and mended in place.

use crate::edits::{Kinds, edit};
use crate::stage::{Records, Stage, stop};
use e2l_peer::Incident;
use e2l_store::{Intruder, RawRecord};
use e2l_tests::wait_until;
use fastrand::Rng;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Columns and whether their records have checksums that an intruder can make anew. Of `meta`, where forged records
/// of what happened cannot be known for what they are, only what a peer keeps.
const COLUMNS: [(&str, bool); 8] = [
    ("headers", true),
    ("blocks", true),
    ("transactions", true),
    ("votes", true),
    ("batches", true),
    ("tx_index", false),
    ("logs", false),
    ("meta", false),
];
/// What a peer keeps in `meta` beside what a start relies on. Certificates come again with every vote, and may have
/// been written anew before the background check came by.
const KEPT: [&[u8]; 4] = [b"incident/", b"evidence/", b"quarantine/", b"certificate/"];
/// Edits before the files are opened again.
const AT_ONCE: u64 = 60;
/// How long mending may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an edit must have damaged.
#[derive(Default)]
struct Expected {
    /// Heights whose records are others, or missing.
    blocks: BTreeSet<u64>,
    /// Heights with a vote that is another.
    votes: BTreeSet<u64>,
    /// Index records that are others, or missing.
    indexes: usize,
    /// Log records, likewise.
    logs: usize,
    /// Records of what a peer keeps that are others.
    kept: usize,
    /// Every value that is not a true one, by column and key.
    altered: HashSet<RawRecord>,
}

/// Makes at least so many edits; returns how many, and how often the files were opened.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64, kinds: &mut Kinds) -> (u64, u64) {
    let (mut made, mut rounds) = (0, 0);
    while made < edits {
        rounds += 1;
        stage.renew();
        let intruder = stage.intruder();
        // One column alone, or all at once: damage in one may hide behind damage in another.
        let alone = random.bool().then(|| random.usize(..COLUMNS.len()));
        for _ in 0..AT_ONCE {
            let at = alone.unwrap_or_else(|| random.usize(..COLUMNS.len()));
            let (column, forge) = COLUMNS[at];
            let records = editable(stage, &intruder, column);
            if records.is_empty() {
                continue;
            }
            let edited = edit(&intruder, &records, stage.older_records(column), random, forge);
            kinds.count(column, edited.kind);
            made += 1;
        }
        let expected = Expected::of(&stage.records, &intruder);
        drop(intruder);
        find_and_mend(stage, &expected);
    }
    (made, rounds)
}

/// The newest block, the genesis and what a start relies on are looked at when the peer is started: see `start`.
fn editable(stage: &Stage, intruder: &Intruder, column: &str) -> Vec<RawRecord> {
    let of_block = matches!(column, "headers" | "blocks" | "transactions" | "votes");
    let is_here = |record: &RawRecord| match column {
        "meta" => is_kept(&record.key),
        _ if of_block => height_of(&record.key).is_some_and(|height| height > 0 && height < stage.height),
        _ => true,
    };
    intruder
        .records(column)
        .unwrap()
        .into_iter()
        .filter(is_here)
        .collect()
}

fn is_kept(key: &[u8]) -> bool {
    KEPT.iter().any(|kind| key.starts_with(kind))
}

fn height_of(key: &[u8]) -> Option<u64> {
    key.first_chunk::<8>().copied().map(u64::from_be_bytes)
}

impl Expected {
    /// What differs in the end: an edit may undo another.
    fn of(truth: &Records, intruder: &Intruder) -> Self {
        let mut expected = Self::default();
        for (column, _) in COLUMNS {
            let found: HashMap<Vec<u8>, RawRecord> = intruder
                .records(column)
                .unwrap()
                .into_iter()
                .map(|record| (record.key.clone(), record))
                .collect();
            for record in &truth[column] {
                match found.get(&record.key) {
                    Some(found) if found == record => {}
                    found => expected.add(record, found),
                }
            }
        }
        expected
    }

    fn add(&mut self, truth: &RawRecord, found: Option<&RawRecord>) {
        let height = height_of(&truth.key);
        match truth.column.as_str() {
            "headers" | "blocks" | "transactions" => self.blocks.extend(height),
            // A vote that is lost is one more than needed, if the others prove the height.
            "votes" => self.votes.extend(height.filter(|_| found.is_some())),
            "batches" | "tx_index" => self.indexes += 1,
            "logs" => self.logs += 1,
            _ => self.kept += usize::from(found.is_some()),
        }
        self.altered.extend(found.cloned());
    }
}

fn find_and_mend(stage: &Stage, expected: &Expected) {
    let open = stage.open();
    assert_eq!(open.restoring, None, "damage to single records needs no restore");
    let mender = stage.mender(open);
    let known = mender.incidents().unwrap().len();
    let read = stage.truth.compare(&mender, stage.height);
    assert!(
        expected.blocks.is_subset(&read.damaged),
        "served: {:?} of {:?}",
        read.damaged,
        expected.blocks
    );
    assert!(
        mender.scrub_until_clean(PATIENCE),
        "not mended: {:?}, {:?}",
        mender.fatal(),
        mender.standing()
    );
    let read = stage.truth.compare(&mender, stage.height);
    assert!(
        read.refused.is_empty(),
        "mended, and not served: {:?}",
        read.refused
    );
    // What was damaged through something else can be noted as mended a moment after all of it holds.
    wait_until("every incident is closed", PATIENCE, || {
        let incidents = mender.incidents().unwrap();
        incidents
            .iter()
            .all(|incident| incident.repaired_from.is_some())
            .then_some(())
    });
    expected.check_incidents(&mender.incidents().unwrap(), known);
    stop(mender);
    expected.check_records(&stage.records, &stage.intruder());
}

impl Expected {
    /// Everything that was damaged is in an incident that says from whom it was mended.
    fn check_incidents(&self, incidents: &[Incident], known: usize) {
        let about = |what: &str| incidents.iter().any(|incident| incident.what.starts_with(what));
        for incident in incidents {
            assert!(incident.repaired_from.is_some(), "{incident:?}");
        }
        let blocks = || {
            incidents
                .iter()
                .filter(|incident| incident.what.starts_with("block"))
        };
        for height in self.blocks.union(&self.votes) {
            let covers = |incident: &Incident| (incident.height..=incident.last_height).contains(height);
            assert!(blocks().any(covers), "no incident about block {height}");
        }
        assert!(
            self.indexes == 0 || about("index") || blocks().count() > 0,
            "no incident of an index"
        );
        assert!(self.logs == 0 || about("log"), "no incident about a log");
        assert!(
            self.kept == 0 || about("record") || blocks().count() > 0,
            "no incident about a record"
        );
        let damaged = self.blocks.len() + self.votes.len() + self.indexes + self.logs + self.kept;
        assert!(
            damaged == 0 || incidents.len() + self.kept > known,
            "nothing was noted"
        );
    }

    /// Every record is what it was, byte for byte, and what stood in its place is kept aside.
    fn check_records(&self, truth: &Records, intruder: &Intruder) {
        let meta = intruder.records("meta").unwrap();
        let aside: HashSet<&[u8]> = meta
            .iter()
            .filter(|record| record.key.starts_with(b"quarantine/"))
            .map(|record| &record.value[8..])
            .collect();
        for (column, _) in COLUMNS {
            let found: HashSet<RawRecord> = intruder.records(column).unwrap().into_iter().collect();
            for altered in self.altered.iter().filter(|altered| altered.column == column) {
                assert!(
                    !found.contains(altered),
                    "an altered record of {column} is still there"
                );
                let is_certificate = altered.key.starts_with(b"certificate/");
                assert!(
                    is_certificate || aside.contains(altered.value.as_slice()),
                    "an altered record of {column} was thrown away: {:02x?}",
                    altered.key
                );
            }
            if !matches!(column, "votes" | "meta") {
                let known: HashSet<RawRecord> = truth[column].iter().cloned().collect();
                assert!(found == known, "column {column} is not what it was");
            }
        }
    }
}
