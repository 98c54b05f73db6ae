//! An engine, a ledger, and a collector between them.

use crate::FOREVER;
use crate::expected::{Expected, Wrong, compare};
use crate::ledger::Ledger;
use e2l_event::Event;
use e2l_tests::{CollectorProcess, Members, Network, TestEngine, wait_until};
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// How long two busy cores may take for what takes free ones seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a mark may take to the ledger before another is set.
const ANOTHER_MARK: Duration = Duration::from_secs(3);
/// Exit code of what is killed.
const KILLED: i64 = 137;

/// See the module.
pub struct Scene<'a> {
    // In the order in which they must go.
    collector: Option<CollectorProcess>,
    network: Network,
    pub engine: &'a dyn TestEngine,
    members: Members,
    runtime: Runtime,
    expected: Vec<Expected>,
    alive: BTreeSet<String>,
}

impl<'a> Scene<'a> {
    pub fn set(engine: &'a dyn TestEngine) -> Self {
        let network = Network::start(1);
        // Often, so that a comparison that finds what is not so is found.
        network.configure_collector(1, |text| {
            format!("reconcile_every_s = 1\ninventory_every_s = 1\n{text}")
        });
        let mut scene = Self {
            collector: None,
            members: Members::of(&network).unwrap(),
            network,
            engine,
            runtime: Runtime::new().unwrap(),
            expected: Vec::new(),
            alive: BTreeSet::new(),
        };
        scene.start_collector();
        // What comes before its first subscription may be covered by a gap.
        scene.wait_for("it reads", |ledger| {
            ledger.statements("inventory").next().cloned()
        });
        scene
    }

    pub fn start_collector(&mut self) {
        let source = self.engine.source();
        self.collector = Some(CollectorProcess::of_source(&self.network, 1, &source));
    }

    pub fn kill_collector(&mut self) {
        self.collector.take().expect("it runs").kill();
    }

    /// Kills a container's process while the engine is killed, and starts the engine again.
    pub fn kill_engine(&mut self, id: &str) {
        let from = now_nano();
        let others: Vec<String> = self
            .alive()
            .into_iter()
            .filter(|other| *other != id)
            .map(str::to_owned)
            .collect();
        let process = self.engine.process_of(id);
        self.engine.kill();
        self.engine.kill_process(process);
        self.engine.restart();
        let mut dead = vec![id.to_owned()];
        if !self.engine.spares_containers() {
            dead.extend(others);
        }
        for id in dead {
            let state = wait_until("the engine knows of the end", PATIENCE, || {
                self.engine.state(&id).filter(|state| !state.alive)
            });
            // Who ends with the engine has the code that the engine says.
            self.note(&id, "die", from, state.exit_code.or(Some(KILLED)));
            self.alive.remove(&id);
        }
    }

    pub fn create(&mut self, labels: &[&str], command: &[&str]) -> String {
        let from = now_nano();
        let id = self.engine.create(labels, command);
        self.note(&id, "create", from, None);
        id
    }

    pub fn create_and_start(&mut self) -> String {
        let id = self.create(&["exitCode=99"], &FOREVER);
        self.start(&id);
        id
    }

    pub fn start(&mut self, id: &str) {
        let from = now_nano();
        self.engine.start(id);
        self.note(id, "start", from, None);
        self.alive.insert(id.to_owned());
    }

    pub fn exec(&mut self, id: &str, code: u8) {
        let from = now_nano();
        self.engine.exec(id, code);
        self.note(id, "exec_start", from, None);
        self.note(id, "exec_die", from, None);
    }

    pub fn pause(&mut self, id: &str) {
        let from = now_nano();
        self.engine.pause(id);
        self.note(id, "pause", from, None);
    }

    pub fn unpause(&mut self, id: &str) {
        let from = now_nano();
        self.engine.unpause(id);
        self.note(id, "unpause", from, None);
    }

    pub fn end(&mut self, id: &str) {
        let from = now_nano();
        self.engine.end(id);
        self.note(id, "die", from, Some(KILLED));
        self.alive.remove(id);
    }

    pub fn remove(&mut self, id: &str) {
        let from = now_nano();
        self.engine.remove(id);
        self.note(id, "destroy", from, None);
    }

    /// Ids of the containers that run, in order.
    pub fn alive(&self) -> Vec<&str> {
        self.alive.iter().map(String::as_str).collect()
    }

    fn note(&mut self, id: &str, action: &'static str, from: i64, code: Option<i64>) {
        self.expected.push(Expected {
            id: id.to_owned(),
            action,
            between: (from, now_nano()),
            code,
        });
    }

    /// Every event on the ledger, in its order.
    pub fn ledger(&self) -> Ledger {
        Ledger {
            events: self.events("developer"),
        }
    }

    fn events(&self, actor: &str) -> Vec<Event> {
        let sent = self.runtime.block_on(self.members.events(actor)).unwrap();
        sent.iter()
            .map(|sent| Event::decode(&sent.event).unwrap())
            .collect()
    }

    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&Ledger) -> Option<T>) -> T {
        wait_until(what, PATIENCE, || find(&self.ledger()))
    }

    /// Checks the ledger once it has all that happened, and an event that came after everything else.
    pub fn check(&self, when: &str) {
        let mut marks = vec![self.mark()];
        let mut marked = Instant::now();
        let mut seen = Wrong::default();
        wait_until(&format!("{when}: everything is on the ledger"), PATIENCE, || {
            let ledger = self.ledger();
            let wrong = compare(&ledger, &self.expected);
            let ended = |mark: &String| ledger.core(mark).any(|event| event.action == "destroy");
            if wrong != seen {
                println!("{when}: {wrong:#?}");
                seen = wrong.clone();
            }
            if marks.iter().any(ended) {
                return wrong.missing.is_empty().then_some(());
            }
            // One that came and went while the collector connected again is covered by a gap, where the engine forgets.
            if marked.elapsed() > ANOTHER_MARK {
                marks.push(self.mark());
                marked = Instant::now();
            }
            None
        });
        // Nor does a comparison add what did not happen.
        let inventories = self.ledger().statements("inventory").count();
        let ledger = self.wait_for("a comparison afterwards", |ledger| {
            (ledger.statements("inventory").count() > inventories).then(|| ledger.clone())
        });
        let wrong = compare(&ledger, &self.expected);
        assert_eq!(wrong, Wrong::default(), "{when}");
    }

    /// A container that comes and goes.
    fn mark(&self) -> String {
        let id = self.engine.create(&[], &FOREVER);
        self.engine.remove(&id);
        id
    }

    /// What one actor has all have.
    pub fn assert_all_actors_agree(&self) {
        let own = self.events("developer");
        for actor in ["provider", "user"] {
            wait_until("the same ledger everywhere", PATIENCE, || {
                self.events(actor).starts_with(&own).then_some(())
            });
        }
    }
}

fn now_nano() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}
