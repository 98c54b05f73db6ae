//! An actor's peer loses or is given other files: parts of its ledger, all of it, an older copy, its Raft log. It serves
//! no lie, is whole again, says what happened, and the others notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_store::{Intruder, RawRecord};
use e2l_tests::{Members, Network, PATIENCE, TestCollector, copy_dir, event, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const VICTIM: &str = "user";

struct Stage {
    network: Network,
    runtime: tokio::runtime::Runtime,
    collector: TestCollector,
    events: u64,
}

impl Stage {
    fn set(settings: &str) -> Self {
        let network = Network::start_with(1, settings);
        let collector = Members::of(&network).unwrap().collector(1, "provider").unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut stage = Self {
            network,
            runtime,
            collector,
            events: 0,
        };
        stage.submit(12);
        stage.network.wait_for_agreement(stage.events);
        stage
    }

    /// One block each.
    fn submit(&mut self, blocks: u64) {
        for _ in 0..blocks {
            let name = format!("web-{}", self.events);
            self.runtime
                .block_on(self.collector.submit(vec![event(&name, "start")]))
                .unwrap();
            self.events += 1;
        }
    }

    /// Orders on until the victim's Raft log begins above where an older copy of it ends.
    fn outgrow(&mut self, old: &Path) {
        let entries = |data: &Path| {
            let intruder = Intruder::open(&data.join("raft")).unwrap();
            intruder.records("entries").unwrap()
        };
        let end = entries(old).pop().unwrap().key;
        for _ in 0..10 {
            self.submit(12);
            self.network.wait_for_agreement(self.events);
            self.network.stop_peer(VICTIM);
            let begins_above = entries(&self.data()).first().is_none_or(|first| first.key > end);
            self.network.start_peer(VICTIM);
            if begins_above {
                return;
            }
        }
        panic!("the Raft log is not cut");
    }

    fn data(&self) -> PathBuf {
        self.network.root().join("actors").join(VICTIM).join("peer/data")
    }

    fn intruder(&self) -> Intruder {
        Intruder::open(&self.data().join("ledger")).unwrap()
    }

    /// Stops the victim, lets `tamper` at its files, starts it again, and expects it whole.
    /// `incident` is what it says was damaged; with none it must say nothing: what is left is enough.
    fn survives<'a>(
        &mut self,
        what: &str,
        incident: impl Into<Option<&'a str>>,
        tamper: impl FnOnce(&mut Self),
    ) {
        println!("{what}");
        let incident = incident.into();
        self.network.stop_peer(VICTIM);
        tamper(self);
        let since = now_nano();
        self.network.start_peer(VICTIM);
        self.is_whole(what, incident, since);
    }

    /// Incidents that were found since a moment.
    fn incidents(&self, since_nano: i64) -> Vec<Value> {
        let mut incidents = self
            .network
            .json(VICTIM, &["incidents"])
            .as_array()
            .unwrap()
            .clone();
        incidents.retain(|incident| incident["found_nano"].as_i64() >= Some(since_nano));
        incidents
    }

    /// The victim says what was damaged and mended, takes part, and shows the truth.
    fn is_whole(&mut self, what: &str, incident: Option<&str>, since: i64) {
        // Nothing that it shows meanwhile is a lie.
        let shown = self.network.e2l(
            VICTIM,
            &["events", "--no-verify", "--limit", "1000000", "-o", "json"],
        );
        let shown: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        let truth = self.network.events("provider");
        for event in &shown {
            let known = truth.iter().any(|known| content(known) == content(event));
            assert!(known, "{what}: a lie was served: {event}");
        }
        if let Some(incident) = incident {
            wait_until(
                &format!("{what}: an incident about {incident}, mended"),
                PATIENCE,
                || {
                    let incidents = self.incidents(since);
                    incidents
                        .iter()
                        .filter(|found| found["what"].as_str().unwrap().contains(incident))
                        .any(|found| found["repaired_from"].is_string())
                        .then_some(())
                },
            );
        }
        self.submit(2);
        let view = self.network.wait_for_agreement(self.events);
        if incident.is_none() {
            self.a_pass_ends();
            let incidents = self.incidents(since);
            assert!(incidents.is_empty(), "{what}: nothing is lost: {incidents:?}");
        }
        assert_eq!(view.transactions, self.events, "{what}");
        let shown = self.network.events(VICTIM);
        let truth = self.network.events("provider");
        assert!(shown.iter().map(content).eq(truth.iter().map(content)), "{what}");
        let audit = self.network.e2l(VICTIM, &["audit", "--of", VICTIM]);
        assert!(
            audit.status.success(),
            "{what}: {}",
            String::from_utf8_lossy(&audit.stderr)
        );
    }

    /// Stops the victim, lets `tamper` at its files, and expects that it refuses to start and says how to come back;
    /// then does what it says.
    fn refuses_and_rejoins(&mut self, what: &str, tamper: impl FnOnce(&mut Self)) {
        println!("{what}");
        self.network.stop_peer(VICTIM);
        tamper(self);
        let since = now_nano();
        let known = self.network.peer_log(VICTIM).len();
        let log = self.network.try_start_peer(VICTIM, &[]).expect_err(what);
        let said = &log[known..];
        assert!(
            said.contains("--rejoin"),
            "{what}: it must say how to come back: {said}"
        );
        self.network.try_start_peer(VICTIM, &["--rejoin"]).unwrap();
        self.is_whole(what, Some("Raft log"), since);
        self.votes_again(what);
    }

    /// Waits until the background check has been everywhere, from now on.
    fn a_pass_ends(&self) {
        let reader = Members::of(&self.network).unwrap().reader(VICTIM).unwrap();
        let ended = || self.runtime.block_on(reader.status()).unwrap().scrub_pass_nano;
        let before = ended();
        wait_until("a pass of the background check", PATIENCE, || {
            (ended() > before).then_some(())
        });
    }

    fn votes_again(&self, what: &str) {
        wait_until(&format!("{what}: it votes again"), PATIENCE, || {
            let status = self.network.json(VICTIM, &["peer", "status"]);
            let status = status.get(0).unwrap_or(&status).to_string();
            (!status.contains("does not vote")).then_some(())
        });
    }
}

/// Now, in nanoseconds since the Unix epoch.
fn now_nano() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

/// An event without what each peer knows for itself: who has endorsed it by now.
fn content(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    fields.remove("endorsed_by");
    fields.remove("finality");
    event
}

fn delete_all(intruder: &Intruder, column: &str, keep: impl Fn(&RawRecord) -> bool) {
    for record in intruder.records(column).unwrap() {
        if !keep(&record) {
            intruder.delete(&record).unwrap();
        }
    }
}

/// Removes the newest blocks.
fn delete_newest(intruder: &Intruder, count: u64) {
    delete_above(intruder, newest_height(intruder) - count);
}

fn newest_height(intruder: &Intruder) -> u64 {
    let newest = intruder.records("headers").unwrap().pop().unwrap();
    u64::from_be_bytes(*newest.key.first_chunk().unwrap())
}

fn delete_above(intruder: &Intruder, height: u64) {
    let end = (height + 1).to_be_bytes();
    for column in Intruder::BLOCK_COLUMNS {
        delete_all(intruder, column, |record| record.key.as_slice() < end.as_slice());
    }
}

fn replace(target: &Path, by: &Path) {
    fs::remove_dir_all(target).unwrap();
    copy_dir(by, target);
}

/// Flips a bit in the middle of the largest file of a kind.
fn flip(dir: &Path, suffix: &str) {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.to_string_lossy().ends_with(suffix));
    let largest = files
        .max_by_key(|path| path.metadata().unwrap().len())
        .expect(suffix);
    let file = fs::File::options().read(true).write(true).open(&largest).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).unwrap();
}

#[test]
fn a_peer_whose_ledger_was_damaged_or_replaced_is_whole_again() {
    let mut stage = Stage::set("");
    let newest = |intruder: &Intruder| intruder.records("headers").unwrap().pop().unwrap();

    for column in ["tx_index", "batches"] {
        stage.survives(&format!("column {column} is gone"), "index", |stage| {
            stage.intruder().drop_column(column).unwrap();
        });
    }
    stage.survives("an index entry points elsewhere", "index", |stage| {
        let intruder = stage.intruder();
        let records = intruder.records("tx_index").unwrap();
        let mut edited = records[0].clone();
        edited.value = records[1].value.clone();
        intruder.put(&edited).unwrap();
    });
    stage.survives("column logs is gone", "log", |stage| {
        stage.intruder().drop_column("logs").unwrap();
    });
    stage.survives("two entries of logs change places", "log", |stage| {
        let intruder = stage.intruder();
        let mut records = intruder.records("logs").unwrap();
        let value = records[0].value.clone();
        records[0].value = std::mem::replace(&mut records[1].value, value);
        intruder.put(&records[0]).unwrap();
        intruder.put(&records[1]).unwrap();
    });
    // The two are of two lists, of which the one can be mended before the other is found.
    stage.a_pass_ends();
    // Endorsements of the newest block are of all below it.
    stage.survives("all endorsements of old blocks are gone", None, |stage| {
        let intruder = stage.intruder();
        let newest = newest(&intruder);
        delete_all(&intruder, "votes", |record| record.key.starts_with(&newest.key));
    });
    stage.survives("every vote has a wrong signature", "ledger", |stage| {
        let intruder = stage.intruder();
        for mut record in intruder.records("votes").unwrap() {
            let last = record.value.len() - 1;
            record.value[last] ^= 1;
            intruder.put_with_checksum(&record).unwrap();
        }
    });
    for column in ["transactions", "blocks", "headers", "state", "meta"] {
        stage.survives(&format!("column {column} is gone"), "ledger", |stage| {
            stage.intruder().drop_column(column).unwrap();
        });
    }
    let known = stage.incidents(0).len();
    stage.survives("a value of the state is another", "ledger", |stage| {
        let intruder = stage.intruder();
        let mut record = intruder.records("state").unwrap().pop().unwrap();
        record.value[0] ^= 1;
        intruder.put(&record).unwrap();
    });
    assert!(
        stage.incidents(0).len() > known,
        "a new ledger has the incidents of the old one"
    );
    stage.survives("the newest blocks are gone", "ledger", |stage| {
        let intruder = stage.intruder();
        for column in Intruder::BLOCK_COLUMNS {
            let newest = newest(&intruder);
            delete_all(&intruder, column, |record| !record.key.starts_with(&newest.key));
        }
    });
    stage.survives(
        "the newest blocks and the record of the newest are gone",
        "ledger",
        |stage| {
            let intruder = stage.intruder();
            delete_newest(&intruder, 5);
            delete_all(&intruder, "meta", |record| record.key != b"tip");
        },
    );
    let older = stage.network.root().join("older");
    stage.network.stop_peer(VICTIM);
    copy_dir(&stage.data().join("ledger"), &older);
    stage.network.start_peer(VICTIM);
    stage.submit(5);
    stage.network.wait_for_agreement(stage.events);
    stage.survives(
        "the newest blocks are gone, and the record names an older one",
        "ledger",
        |stage| {
            let older = Intruder::open(&older).unwrap();
            let meta = older.records("meta").unwrap();
            let tip = meta.iter().find(|record| record.key == b"tip").unwrap();
            let intruder = stage.intruder();
            delete_above(&intruder, newest_height(&older));
            intruder.put(tip).unwrap();
        },
    );
    stage.survives("the whole ledger is gone", "ledger", |stage| {
        fs::remove_dir_all(stage.data().join("ledger")).unwrap();
    });
    stage.survives("a bit of a data file flips", "ledger", |stage| {
        flip(&stage.data().join("ledger"), ".log")
    });
    stage.survives("the list of files is damaged", "ledger", |stage| {
        let files = fs::read_dir(stage.data().join("ledger")).unwrap();
        let manifest = files.map(|entry| entry.unwrap().path());
        let manifest = manifest
            .into_iter()
            .find(|path| path.to_string_lossy().contains("MANIFEST-"));
        fs::write(manifest.unwrap(), b"nothing of use").unwrap();
    });

    // Nobody else had anything to repair: no false alarm.
    for actor in ["provider", "developer"] {
        assert_eq!(
            stage.network.json(actor, &["incidents"]),
            Value::Array(Vec::new()),
            "{actor}"
        );
    }
}

#[test]
fn a_peer_whose_files_are_older_than_what_it_said_does_not_vote_before_it_has_caught_up() {
    let mut stage = Stage::set("[raft]\npurge_after = 8\nkeep = 4\n");
    stage.network.stop_peer(VICTIM);
    let old = stage.network.root().join("old");
    copy_dir(&stage.data(), &old);
    stage.network.start_peer(VICTIM);
    stage.outgrow(&old);

    // Without the entries in between Raft could not go on.
    let ledger = old.join("ledger");
    stage.survives("an older copy of the ledger", "ledger", |stage| {
        replace(&stage.data().join("ledger"), &ledger)
    });
    let everything = old.clone();
    stage.survives("an older copy of everything", "Raft log", |stage| {
        replace(&stage.data(), &everything)
    });
    stage.votes_again("an older copy of everything");
    stage.survives("everything is gone", "Raft log", |stage| {
        fs::remove_dir_all(stage.data()).unwrap()
    });
    stage.votes_again("everything is gone");

    let raft = old.join("raft");
    stage.refuses_and_rejoins("an older copy of the Raft log", |stage| {
        replace(&stage.data().join("raft"), &raft)
    });
    stage.refuses_and_rejoins("the Raft log is gone", |stage| {
        fs::remove_dir_all(stage.data().join("raft")).unwrap()
    });
    stage.refuses_and_rejoins("a Raft entry is damaged", |stage| {
        let intruder = Intruder::open(&stage.data().join("raft")).unwrap();
        let mut record = intruder.records("entries").unwrap().pop().unwrap();
        let last = record.value.len() - 1;
        record.value[last] ^= 1;
        intruder.put(&record).unwrap();
    });
    stage.refuses_and_rejoins("the vote is gone", |stage| {
        let intruder = Intruder::open(&stage.data().join("raft")).unwrap();
        delete_all(&intruder, "meta", |record| record.key != b"vote");
    });
    // What it has promised since counts again: the others go on with it alone.
    stage.network.kill_peer("developer");
    stage.network.wait_for_leader();
    stage.submit(3);
    stage.network.start_peer("developer");
    stage.network.wait_for_agreement(stage.events);
}

#[test]
fn a_peer_whose_vote_alone_is_an_older_one_is_told_so() {
    let mut stage = Stage::set("");
    let raft = stage.data().join("raft");
    let vote = || {
        let records = Intruder::open(&raft).unwrap().records("meta").unwrap();
        records.into_iter().find(|record| record.key == b"vote").unwrap()
    };
    stage.network.stop_peer(VICTIM);
    let old = vote();
    stage.network.start_peer(VICTIM);
    // An election that the others see it take part in.
    let leader = stage.network.wait_for_leader();
    if leader != VICTIM {
        stage.network.kill_peer(&leader);
        stage.network.wait_for_leader();
        stage.network.start_peer(&leader);
    }
    stage.submit(1);
    stage.network.wait_for_agreement(stage.events);
    stage.network.stop_peer(VICTIM);
    assert_ne!(vote(), old, "it has voted since");
    Intruder::open(&raft).unwrap().put(&old).unwrap();
    let since = now_nano();
    stage.network.start_peer(VICTIM);
    stage.is_whole("an older vote", Some("Raft log"), since);
    let incidents = format!("{:?}", stage.incidents(since));
    assert!(incidents.contains("its vote is of term"), "{incidents}");
    stage.votes_again("an older vote");
}
