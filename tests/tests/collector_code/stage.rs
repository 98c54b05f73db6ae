//! A network whose actors decide what its collector records by.

use e2l_event::Event;
use e2l_ledger::{Digest, Domain, Envelope, SignedBatch};
use e2l_tests::{
    Members, Network, PATIENCE, collector_component, failing_collector_component, strict_collector_component,
    wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::Path;
use std::process::Child;

/// See the module.
pub struct Stage {
    pub network: Network,
}

impl Stage {
    /// With so many collectors, of which none runs.
    pub fn set(collectors: usize) -> Self {
        // Not while events flow.
        let _ = (
            collector_component(),
            strict_collector_component(),
            failing_collector_component(),
        );
        Self::on(Network::start(collectors))
    }

    /// Of a network whose genesis has this contract only.
    pub fn set_on(contract: &Path, collectors: usize) -> Self {
        Self::on(Network::start_on(contract, collectors))
    }

    fn on(network: Network) -> Self {
        let stats = |text: String| format!("stats_file = \"stats.json\"\n{text}");
        network.configure_collector(1, stats);
        Self { network }
    }

    /// Starts the first collector, which invents events.
    pub fn invents(&self, rate: f64, events: u64) -> Child {
        self.network.configure_synthetic(1, rate, events);
        self.network
            .collector(1, &["--source", "synthetic", "--exit-when-done"])
    }

    /// What it measures of itself.
    pub fn stats(&self) -> Value {
        let text = std::fs::read(self.network.collector_home(1).join("stats.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Events that it has taken.
    pub fn spooled_so_far(&self) -> u64 {
        self.stats()["taken"].as_u64().unwrap_or_default()
    }

    /// Waits until it has logged this.
    pub fn wait_for_log(&self, text: &str) {
        wait_until(text, PATIENCE, || {
            self.network.collector_log(1).contains(text).then_some(())
        });
    }

    /// All actors approve a component of collectors.
    pub fn deploy(&self, component: &Path) -> Digest {
        let file = component.to_str().unwrap();
        self.network
            .decide(&["chaincode", "propose", file, "--name", "collector"]);
        Self::digest(component)
    }

    /// What a component is known by.
    pub fn digest(component: &Path) -> Digest {
        Domain::Chaincode.hash(&std::fs::read(component).unwrap())
    }

    /// All actors set a limit.
    pub fn set_limit(&self, setting: &str) {
        self.network.decide(&["proposal", "create", "limits", setting]);
    }

    /// The first collector's events, as the user has them.
    pub fn events(&self) -> Vec<Value> {
        let events = self.network.events("user");
        let own = events
            .into_iter()
            .filter(|event| event["sender"] == "collector-1");
        own.collect()
    }

    /// The first collector's batches that were executed, as the user has them.
    pub fn batches(&self) -> Vec<SignedBatch> {
        self.block_on(async |members| {
            let copy = members.same_ledgers(&["user"], 0).await.unwrap();
            let mut batches = Vec::new();
            for block in &copy.blocks {
                for outcome in block.outcomes().filter(|outcome| !outcome.refused) {
                    if let Envelope::Batch(batch) = outcome.envelope
                        && batch.header.sender.name == "collector-1"
                    {
                        batches.push(batch.clone());
                    }
                }
            }
            batches
        })
    }

    /// A batch's events.
    pub fn events_of(batch: &SignedBatch) -> Vec<Event> {
        let events = batch
            .calls
            .iter()
            .map(|call| Event::decode(&call.argument).unwrap());
        events.collect()
    }

    /// BLAKE3 of the collector's program.
    pub fn executable() -> Digest {
        #[expect(
            clippy::disallowed_methods,
            reason = "a file's digest that other tools know has no domain"
        )]
        let digest = blake3::hash(&std::fs::read(e2l_tests::binary("e2l-collector")).unwrap());
        Digest(*digest.as_bytes())
    }

    /// Speaks for members.
    pub fn block_on<T>(&self, what: impl AsyncFnOnce(Members) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let members = Members::of(&self.network).unwrap();
        runtime.block_on(what(members))
    }

    pub fn stop_peers(&mut self) {
        for actor in Network::actors() {
            self.network.stop_peer(actor);
        }
    }

    pub fn start_peers(&mut self) {
        self.network.start_peers();
    }

    /// Asks a collector to stop, and waits until it has.
    pub fn terminate(&self, collector: &mut Child) {
        kill(Pid::from_raw(collector.id().cast_signed()), Signal::SIGTERM).unwrap();
        let ended = collector.wait().unwrap();
        assert!(ended.success(), "{ended}: {}", self.network.collector_log(1));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of the collector:\n{}", self.network.collector_log(1));
        }
    }
}
