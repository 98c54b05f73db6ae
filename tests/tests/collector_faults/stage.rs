//! An engine, a ledger, a collector between them, and containers that live and die.

use crate::check::Ledger;
use crate::truth::{Life, Truth};
use e2l_event::{Event, EventKind, Observation};
use e2l_tests::{CollectorProcess, HostClock, Members, Network, PrivateEngine, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// How long two busy cores may take for what takes free ones seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// The collector, as gaps name it.
const COLLECTOR: &str = "provider/collector/collector-1";
/// Most containers at the same time.
const MOST: usize = 6;

/// See the module.
pub struct Stage {
    // In the order in which they must go.
    pub collector: Option<CollectorProcess>,
    _spool: SmallDisk,
    pub network: Network,
    pub engine: PrivateEngine,
    members: Members,
    runtime: Runtime,
    pub truth: Truth,
    pub random: fastrand::Rng,
    events: usize,
    inferred: usize,
    /// How often what was asserted was on the ledger.
    counted: BTreeMap<String, usize>,
}

impl Stage {
    /// `None` after counting `test` as skipped.
    pub fn set(test: &str, seed: u64) -> Option<Self> {
        let engine = PrivateEngine::start(test)?;
        let network = Network::start(1);
        let home = network.collector_home(1);
        // Often, so that a comparison that finds what is not so is found.
        network.configure_collector(1, |text| format!("reconcile_every_s = 2\n{text}"));
        let spool = SmallDisk::mount(&home.join("spool"));
        let mut stage = Self {
            collector: None,
            _spool: spool,
            members: Members::of(&network).unwrap(),
            network,
            engine,
            runtime: Runtime::new().unwrap(),
            truth: Truth::default(),
            random: fastrand::Rng::with_seed(seed),
            events: 0,
            inferred: 0,
            counted: BTreeMap::new(),
        };
        stage.start_collector();
        Some(stage)
    }

    pub fn start_collector(&mut self) {
        let socket = self.engine.socket();
        self.collector = Some(CollectorProcess::of_engine(&self.network, 1, &socket));
    }

    /// On a host whose clock is this one.
    pub fn start_collector_with(&mut self, clock: &HostClock) {
        let socket = self.engine.socket();
        self.collector = Some(CollectorProcess::with_clock(&self.network, 1, &socket, clock));
    }

    pub fn kill_collector(&mut self) {
        self.collector.take().expect("it runs").kill();
    }

    /// The disk of the spool.
    pub fn spool(&self) -> PathBuf {
        self.network.collector_home(1).join("spool")
    }

    /// Containers are created, started, killed, paused and removed.
    pub fn churn(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    fn step(&mut self) {
        let there = self.truth.there();
        let alive = there.iter().filter(|(_, runs)| *runs).count();
        if there.len() < 2 || (there.len() < MOST && self.random.bool()) {
            let code = self.random.u8(0..4);
            if alive < 2 || self.random.bool() {
                self.create(&["/bin/sleep", "3600"]);
            } else {
                self.create(&["/bin/sh", "-c", &format!("exit {code}")]);
            }
            return;
        }
        let (id, runs) = there[self.random.usize(0..there.len())].clone();
        match (runs, self.random.u8(0..4)) {
            (true, 0) => self.pause(&id),
            (true, 1) => drop(self.engine.run(&["restart", "-t", "0", &id])),
            (true, _) => drop(self.engine.run(&["kill", &id])),
            (false, 0 | 1) => self.start(&id),
            (false, _) => return self.remove(&id),
        }
        self.settle(&id);
    }

    /// Creates and starts a container with labels that lie.
    pub fn create(&mut self, command: &[&str]) -> String {
        let before = now_nano();
        let fixed = [
            "create",
            "--network",
            "none",
            "--stop-signal",
            "KILL",
            "--label",
            "exitCode=99",
        ];
        let id = self
            .engine
            .run(&[&fixed[..], &[self.engine.image()], command].concat());
        let life = Life {
            created: (before, now_nano()),
            ends_by_itself: command[0] == "/bin/sh",
            ..Life::default()
        };
        self.truth.lives.insert(id.clone(), life);
        self.start(&id);
        self.settle(&id);
        id
    }

    /// Starts a container, and waits for its end where that comes by itself: who kills it a moment later does not know which
    /// of both has ended it.
    fn start(&self, id: &str) {
        self.engine.run(&["start", id]);
        if self.truth.lives[id].ends_by_itself {
            self.wait_until_it_ended(id);
        }
    }

    pub fn remove(&mut self, id: &str) {
        let before = now_nano();
        self.engine.run(&["rm", id]);
        self.truth.lives.get_mut(id).unwrap().removed = Some((before, now_nano()));
    }

    fn pause(&mut self, id: &str) {
        for action in ["pause", "unpause"] {
            let before = now_nano();
            self.engine.run(&[action, id]);
            let life = self.truth.lives.get_mut(id).unwrap();
            life.pauses.push((action, before, now_nano()));
        }
    }

    fn wait_until_it_ended(&self, id: &str) {
        wait_until("a container ends", PATIENCE, || {
            (self.state(id)["Status"] == "exited").then_some(())
        });
    }

    /// What its command has done is done: the engine answers a command before it has noted an end.
    fn settle(&mut self, id: &str) {
        let state = wait_until("a container's state is clear", PATIENCE, || {
            let state = self.state(id);
            let clear = ["running", "exited", "created"].map(Value::from);
            clear.contains(&state["Status"]).then_some(state)
        });
        self.truth.note(id, &state);
    }

    pub fn state(&self, id: &str) -> Value {
        self.engine.inspect(id).expect("the container is there")
    }

    /// Notes what became of every container.
    pub fn settle_all(&mut self) {
        for (id, _) in self.truth.there() {
            self.settle(&id);
        }
    }

    /// Ids of the containers that run.
    pub fn alive(&self) -> Vec<String> {
        let there = self.truth.there().into_iter();
        there.filter_map(|(id, runs)| runs.then_some(id)).collect()
    }

    /// Makes sure that one runs, and returns it.
    pub fn one_alive(&mut self) -> String {
        match self.alive().first() {
            Some(id) => id.clone(),
            None => self.create(&["/bin/sleep", "3600"]),
        }
    }

    /// Every event on the ledger, in its order.
    pub fn ledger(&self) -> Vec<Event> {
        let sent = self.runtime.block_on(self.members.events("developer")).unwrap();
        sent.iter()
            .map(|sent| Event::decode(&sent.event).unwrap())
            .collect()
    }

    /// Checks the ledger once it has an event that came after everything else.
    pub fn check(&mut self, round: &str) {
        self.settle_all();
        let last = self
            .engine
            .run(&["create", self.engine.image(), "/bin/sleep", "1"]);
        self.engine.run(&["rm", &last]);
        let truth = &self.truth;
        let mut missing = Vec::new();
        let events = wait_until(&format!("{round}: everything is on the ledger"), PATIENCE, || {
            let events = self.ledger();
            let ledger = Ledger {
                events: &events,
                collector: COLLECTOR,
            };
            let removed = |event: &Event| event.actor_id == last && event.action == "destroy";
            let now_missing = ledger.missing(truth);
            let done = events.iter().any(removed) && now_missing.is_empty();
            if !done && now_missing != missing {
                println!("{round}: waiting for {now_missing:?}");
                missing = now_missing;
            }
            done.then_some(events)
        });
        let ledger = Ledger {
            events: &events,
            collector: COLLECTOR,
        };
        let wrong = ledger.wrong(truth);
        assert!(wrong.is_empty(), "{round}: {}", wrong.join("\n"));
        let of_containers = |event: &&Event| event.kind == EventKind::Container;
        let inferred = |event: &&Event| event.observation == Observation::Inferred;
        self.events = events.iter().filter(of_containers).count();
        self.inferred = events.iter().filter(inferred).count();
    }

    /// Asserts that one more gap with this reason was recorded.
    pub fn assert_gap(&mut self, reason: &str) {
        self.assert_more(&format!("gap: {reason}"), 1, |ledger| ledger.count_of(reason));
    }

    /// Asserts that so many more steps of the host's clock by about so many seconds were recorded.
    pub fn assert_clock_stepped(&mut self, seconds: i64, times: usize) {
        self.assert_more(&format!("step of {seconds} s"), times, |ledger| {
            ledger.count_of_steps(seconds)
        });
    }

    /// Asserts that something is on the ledger so many times more than when it was asked for last.
    fn assert_more(&mut self, what: &str, times: usize, count: impl Fn(&Ledger<'_>) -> usize) {
        let before = self.counted.get(what).copied().unwrap_or_default();
        let now = wait_until(&format!("{times} more {what}, of {before}"), PATIENCE, || {
            let events = self.ledger();
            let ledger = Ledger {
                events: &events,
                collector: COLLECTOR,
            };
            Some(count(&ledger)).filter(|now| *now >= before + times)
        });
        self.counted.insert(what.to_owned(), now);
    }

    pub fn summary(&self) -> String {
        let resident = self.collector.as_ref().map_or(0, CollectorProcess::resident_kib);
        format!(
            "{} events of containers on the ledger, {} of them inferred; the collector holds {resident} KiB",
            self.events, self.inferred
        )
    }
}

/// A file system in memory. Dropping it removes it.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(mounted.success());
        Self {
            path: path.to_owned(),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// Nanoseconds since the Unix epoch.
pub fn now_nano() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}
