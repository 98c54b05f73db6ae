//! A Podman of its own, with a service on a socket.

use crate::daemon::{Daemon, PATIENCE, why_not};
use crate::docker::skip;
use crate::docker_cli::DockerCli;
use crate::image::image_archive;
use crate::network::wait_until;
use crate::test_engine::{ContainerState, TestEngine};
use std::path::PathBuf;

/// Name of its image.
const IMAGE: &str = "e2l-podman:1";
/// How its service is started.
const COMMAND: &str = "CONTAINERS_CONF=\"$1/containers.conf\" podman --root \"$1/root\" --runroot \"$1/run\" \
    --tmpdir \"$1/tmp\" --storage-driver vfs --cgroup-manager cgroupfs --runtime runc --events-backend file \
    system service --time=0 \"unix://$1/podman.sock\"";
/// Limits that it may set also where it may raise none, and a log that is soon too long.
const CONFIGURATION: &str = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
    [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
    events_logfile_max_size = \"30000\"\n";

/// Dropping it ends its service and its containers.
pub struct PodmanEngine {
    daemon: Daemon,
    socket: PathBuf,
}

impl PodmanEngine {
    /// Starts one, with an image; `None` after counting `test` as skipped where this machine cannot have one.
    pub fn start(test: &str) -> Option<Self> {
        if let Some(reason) = why_not(&["docker", "podman", "conmon", "runc"]) {
            skip(test, &reason);
            return None;
        }
        let daemon = Daemon::start("system service", COMMAND, |directory| {
            std::fs::write(directory.join("containers.conf"), CONFIGURATION).expect("a file");
        });
        let socket = daemon.path().join("podman.sock");
        let engine = Self { daemon, socket };
        engine.wait_until_it_serves();
        let root = tempfile::tempdir().expect("a temporary directory");
        let archive = image_archive(root.path());
        engine
            .cli()
            .run(&["import", archive.to_str().expect("a path"), IMAGE]);
        Some(engine)
    }

    fn cli(&self) -> DockerCli<'_> {
        DockerCli {
            socket: &self.socket,
            image: IMAGE,
        }
    }

    fn wait_until_it_serves(&self) {
        wait_until("Podman serves", PATIENCE, || {
            self.cli().try_run(&["version"]).status.success().then_some(())
        });
    }
}

impl TestEngine for PodmanEngine {
    fn source(&self) -> String {
        format!("podman:{}", self.socket.display())
    }

    fn identity(&self) -> (&'static str, String) {
        let version = self.cli().run(&["version", "--format", "{{.Server.Version}}"]);
        ("Podman Engine", version)
    }

    fn remembers(&self) -> bool {
        true
    }

    fn spares_containers(&self) -> bool {
        true
    }

    fn create(&self, labels: &[&str], command: &[&str]) -> String {
        self.cli().create(labels, command)
    }

    fn start(&self, id: &str) {
        self.cli().run(&["start", id]);
    }

    fn exec(&self, id: &str, code: u8) {
        self.cli().exec(id, code);
    }

    fn pause(&self, id: &str) {
        self.cli().run(&["pause", id]);
    }

    fn unpause(&self, id: &str) {
        self.cli().run(&["unpause", id]);
    }

    fn end(&self, id: &str) {
        self.cli().end(id);
    }

    fn process_of(&self, id: &str) -> i64 {
        self.cli().pid(id)
    }

    fn kill_process(&self, process: i64) {
        self.daemon.kill_process(process);
    }

    fn remove(&self, id: &str) {
        self.cli().run(&["rm", id]);
    }

    fn state(&self, id: &str) -> Option<ContainerState> {
        self.cli().state(id)
    }

    /// So much that its log is replaced by a shorter one.
    fn do_something_else(&self) {
        let id = self.cli().create(&[], &["/bin/sleep", "1"]);
        self.cli().rename_again_and_again(&id, 150);
        self.cli().run(&["rm", &id]);
    }

    fn kill(&self) {
        self.daemon.kill();
    }

    fn restart(&self) {
        self.daemon.go_on();
        self.wait_until_it_serves();
    }
}
