//! Files of a peer are edited under it while it runs, and it is killed: it serves no lie meanwhile or after, and is
//! whole again once it has been started as its log says.
//!
//! `E2L_SEED` sets which edits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Members, Network, PATIENCE, TestCollector, copy_dir, event, wait_until};
use fastrand::Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const VICTIM: &str = "user";
/// Rounds, and edits in each.
const ROUNDS: u64 = 6;
const AT_ONCE: u64 = 5;
/// Kinds of files.
const FILES: [&str; 5] = ["sst", "log", "MANIFEST", "CURRENT", "OPTIONS"];

struct Stage {
    network: Network,
    runtime: tokio::runtime::Runtime,
    collector: TestCollector,
    events: u64,
    made: BTreeMap<String, u64>,
}

impl Stage {
    fn set() -> Self {
        let network = Network::start(1);
        let collector = Members::of(&network).unwrap().collector(1, "provider").unwrap();
        let mut stage = Self {
            network,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            collector,
            events: 0,
            made: BTreeMap::new(),
        };
        // What a peer has read from its log when it starts is in data files from then on.
        for _ in 0..3 {
            stage.submit(8);
            stage.network.wait_for_agreement(stage.events);
            stage.network.stop_peer(VICTIM);
            stage.network.start_peer(VICTIM);
        }
        stage
    }

    fn submit(&mut self, blocks: u64) {
        for _ in 0..blocks {
            let name = format!("web-{}", self.events % 5);
            self.runtime
                .block_on(self.collector.submit(vec![event(&name, "start")]))
                .unwrap();
            self.events += 1;
        }
    }

    fn data(&self) -> PathBuf {
        self.network.root().join("actors").join(VICTIM).join("peer/data")
    }

    /// Damages a file under the peer that has it open.
    fn edit(&mut self, older: &Path, random: &mut Rng) {
        let database = if random.bool() { "ledger" } else { "raft" };
        let kind = FILES[random.usize(..FILES.len())];
        let files = files(&self.data().join(database), kind);
        if files.is_empty() {
            return self.edit(older, random);
        }
        let choice = &files[random.usize(..files.len())];
        let edit = damage(choice, &files, &older.join(database), kind, random);
        println!("{edit} of {database} {kind} while the peer runs");
        *self.made.entry(edit.to_owned()).or_default() += 1;
    }

    /// Nothing that it shows is a lie. It may show nothing, or have ended.
    fn shows_no_lie(&self) {
        let truth = self.network.events("provider");
        let arguments = ["events", "--no-verify", "--limit", "1000000", "-o", "json"];
        let shown = self.network.e2l(VICTIM, &arguments);
        let shown: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        for event in &shown {
            let known = truth.iter().any(|known| content(known) == content(event));
            assert!(known, "a lie was served: {event}");
        }
    }

    /// Waits until the background check has been everywhere once more, or the peer has ended because it must.
    fn is_checked(&mut self) {
        let reader = Members::of(&self.network).unwrap().reader(VICTIM).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let ended = || {
            runtime
                .block_on(reader.status())
                .map(|status| status.scrub_pass_nano)
        };
        let before = ended().unwrap_or_default();
        wait_until("a pass of the background check, or an end", PATIENCE, || {
            let passed = ended().is_ok_and(|now| now > before);
            (passed || !self.network.is_running(VICTIM)).then_some(())
        });
    }

    /// Starts it as always, or as it says.
    fn restart(&mut self) {
        self.network.kill_peer(VICTIM);
        let known = self.network.peer_log(VICTIM).len();
        if let Err(log) = self.network.try_start_peer(VICTIM, &[]) {
            let said = &log[known..];
            assert!(said.contains("--rejoin"), "it must say how to come back: {said}");
            self.network.try_start_peer(VICTIM, &["--rejoin"]).unwrap();
        }
    }

    fn is_whole(&mut self) {
        self.shows_no_lie();
        self.submit(2);
        self.network.wait_for_agreement(self.events);
        let (shown, truth) = (self.network.events(VICTIM), self.network.events("provider"));
        assert!(shown.iter().map(content).eq(truth.iter().map(content)));
        let audit = self.network.e2l(VICTIM, &["audit", "--of", VICTIM]);
        assert!(
            audit.status.success(),
            "{}",
            String::from_utf8_lossy(&audit.stderr)
        );
        wait_until("it votes", PATIENCE, || {
            let status = self.network.json(VICTIM, &["peer", "status"]).to_string();
            (!status.contains("does not vote")).then_some(())
        });
    }
}

/// An event without what each peer knows for itself: who has endorsed it by now.
fn content(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    fields.remove("endorsed_by");
    fields.remove("finality");
    event
}

/// The files of a kind.
fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(&format!(".{kind}")) || name.starts_with(kind)
        })
        .collect();
    files.sort();
    files
}

/// Changes a file where it is, so that whoever has it open sees it; says how.
fn damage(file: &Path, like_it: &[PathBuf], older: &Path, kind: &str, random: &mut Rng) -> &'static str {
    // It may just have been removed by the peer itself.
    let Ok(open) = fs::File::options().read(true).write(true).open(file) else {
        return "deletion";
    };
    let length = open.metadata().unwrap().len();
    let put = |bytes: &[u8]| {
        open.write_all_at(bytes, 0).unwrap();
        open.set_len(bytes.len() as u64).unwrap();
    };
    match random.u8(..8) {
        0..3 if length > 0 => {
            let at = random.u64(..length);
            let mut byte = [0];
            open.read_exact_at(&mut byte, at).unwrap();
            byte[0] ^= 1 << random.u8(..8);
            open.write_all_at(&byte, at).unwrap();
            "bit flip"
        }
        3 if length > 0 => {
            open.set_len(random.u64(..length)).unwrap();
            "truncation"
        }
        4 if like_it.len() > 1 => {
            let other = like_it.iter().find(|other| *other != file).unwrap();
            put(&fs::read(other).unwrap_or_default());
            "swap"
        }
        5..7 => match files(older, kind).first() {
            Some(old) => {
                put(&fs::read(old).unwrap());
                "rollback"
            }
            None => {
                fs::remove_file(file).unwrap();
                "deletion"
            }
        },
        _ => {
            fs::remove_file(file).unwrap();
            "deletion"
        }
    }
}

#[test]
fn files_that_are_edited_under_a_running_peer_make_it_serve_no_lie() {
    let seed = std::env::var("E2L_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut random = Rng::with_seed(seed);
    let mut stage = Stage::set();
    let older = stage.network.root().join("older");
    copy_dir(&stage.data(), &older);
    stage.submit(4);
    stage.network.wait_for_agreement(stage.events);
    for round in 1..=ROUNDS {
        println!("seed {seed}, round {round}");
        for _ in 0..AT_ONCE {
            stage.edit(&older, &mut random);
            stage.shows_no_lie();
        }
        stage.submit(1);
        stage.is_checked();
        stage.shows_no_lie();
        stage.restart();
        stage.is_whole();
    }
    let made: u64 = stage.made.values().sum();
    println!("seed {seed}: {made} edits under a running peer: {:?}", stage.made);
    assert!(made >= 30, "{:?}", stage.made);
    // Nobody else had anything to repair: no false alarm.
    for actor in ["provider", "developer"] {
        let incidents = stage.network.json(actor, &["incidents"]);
        assert_eq!(incidents, Value::Array(Vec::new()), "{actor}");
    }
}
