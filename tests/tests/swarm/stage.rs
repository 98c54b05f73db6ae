//! A Swarm whose engines collectors read, and what is done to it.

use e2l_tests::{CollectorProcess, Network, Recording, Swarm, wait_until};
use std::time::Duration;

/// How long two busy cores may take for what takes free ones seconds.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The service of most tests.
pub const SERVICE: &str = "billed";
/// A label of its containers.
pub const LABEL: &str =
    "weird=quotes \" and ' , a\nnewline, ünïcödé ☃ and {\"json\": [1, {\"nested\": null}]}";

/// A Swarm, a collector beside each of its engines, and an independent recording of each.
pub struct Scene {
    // In the order in which they must go.
    pub collectors: Vec<Option<CollectorProcess>>,
    pub recordings: Vec<Recording>,
    pub network: Network,
    pub swarm: Swarm,
}

impl Scene {
    pub fn start(test: &str) -> Option<Self> {
        let mut scene = Self::unwatched(test)?;
        (0..scene.collectors.len()).for_each(|host| scene.start_collector(host));
        Some(scene)
    }

    /// Without collectors yet.
    pub fn unwatched(test: &str) -> Option<Self> {
        let swarm = Swarm::start(test)?;
        let network = Network::start(swarm.all().len());
        let recordings = swarm.all().iter().map(|host| host.record()).collect();
        Some(Self {
            collectors: swarm.all().iter().map(|_| None).collect(),
            recordings,
            network,
            swarm,
        })
    }

    pub fn start_collector(&mut self, host: usize) {
        let socket = self.swarm.all()[host].socket();
        let collector = CollectorProcess::of_engine(&self.network, host + 1, &socket);
        self.collectors[host] = Some(collector);
    }

    pub fn kill_collector(&mut self, host: usize) {
        self.collectors[host].take().expect("it runs").kill();
    }

    /// Runs `docker service` on the manager.
    pub fn service(&self, arguments: &[&str]) {
        self.swarm.manager().run(&[&["service"], arguments].concat());
    }

    /// Creates the service with one replica, and waits until it runs. Its processes know no signal but the last.
    pub fn create_service(&self) {
        let fixed = [
            "create",
            "--no-resolve-image",
            "--name",
            SERVICE,
            "--replicas",
            "1",
        ];
        let container = ["--stop-signal", "KILL", "--container-label", LABEL];
        let command = [self.swarm.image(), "/bin/sleep", "3600"];
        self.service(&[&fixed[..], &container, &command].concat());
    }

    /// Removes the service, and waits until every engine has said the last that it had to say.
    pub fn remove_service(&self) {
        self.service(&["rm", SERVICE]);
        wait_until("service and containers are gone", PATIENCE, || {
            let gone = self.swarm.all().iter().all(|host| host.containers() == 0);
            let said = |recording: &Recording| {
                recording.count("container", "create") == recording.count("container", "destroy")
            };
            let removed = self.recordings[0].count("service", "remove") == 1;
            (gone && removed && self.recordings.iter().all(said)).then_some(())
        });
    }

    /// Containers that were started so far, on all engines.
    pub fn started(&self) -> usize {
        let started = |recording: &Recording| recording.count("container", "start");
        self.recordings.iter().map(started).sum()
    }
}
