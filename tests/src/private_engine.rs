//! A container engine of its own that can be killed and started again while its containers live on.

use crate::daemon::{Daemon, PATIENCE, why_not};
use crate::docker::skip;
use crate::docker_cli::DockerCli;
use crate::image::image_archive;
use crate::network::wait_until;
use crate::test_engine::{ContainerState, TestEngine};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Name of its image.
const IMAGE: &str = "e2l-private:1";

/// How it is started.
const COMMAND: &str = "dockerd --config-file \"$1/daemon.json\" --data-root \"$1/root\" --exec-root \"$1/exec\" \
    --pidfile \"$1/pid\" -H \"unix://$1/docker.sock\" --bridge=none --iptables=false --ip-masq=false";

/// A Docker Engine without networks, in a process tree of its own. Dropping it ends everything in that tree.
pub struct PrivateEngine {
    daemon: Daemon,
}

impl PrivateEngine {
    /// Starts one, with an image; `None` after counting `test` as skipped where this machine cannot have one.
    pub fn start(test: &str) -> Option<Self> {
        if let Some(reason) = why_not(&["docker", "dockerd"]) {
            skip(test, &reason);
            return None;
        }
        let daemon = Daemon::start("dockerd --config-file", COMMAND, |directory| {
            // The machine's configuration may set what the flags set, which the engine refuses.
            std::fs::write(directory.join("daemon.json"), "{}").expect("a file");
        });
        let engine = Self { daemon };
        engine.wait_until_it_serves();
        let root = tempfile::tempdir().expect("a temporary directory");
        let archive = image_archive(root.path());
        engine.run(&["import", archive.to_str().expect("a path"), IMAGE]);
        Some(engine)
    }

    /// The image, with `/bin/sh` and `/bin/sleep`.
    pub fn image(&self) -> &'static str {
        IMAGE
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.daemon.path().join("docker.sock")
    }

    /// Runs `docker` on it, however that ends.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.cli(&self.socket()).try_run(arguments)
    }

    /// Runs `docker` on it; it must succeed. Returns what it printed.
    ///
    /// # Panics
    /// It does not succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.cli(&self.socket()).run(arguments)
    }

    /// What it says of a container; `None` if there is none.
    pub fn inspect(&self, id: &str) -> Option<Value> {
        self.cli(&self.socket()).inspect(id, ".State")
    }

    fn cli<'a>(&self, socket: &'a Path) -> DockerCli<'a> {
        DockerCli { socket, image: IMAGE }
    }

    /// Makes it emit so many events as fast as it can: renames of a container.
    ///
    /// # Panics
    /// It refuses.
    pub fn rename_again_and_again(&self, id: &str, times: usize) {
        self.cli(&self.socket()).rename_again_and_again(id, times);
    }

    /// Kills the engine, and nothing else: its containers live on, and it is not started again yet.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Starts it again, and waits until it serves.
    pub fn restart(&self) {
        self.daemon.go_on();
        self.wait_until_it_serves();
    }

    /// Kills a process of a container, behind the engine's back. `pid` is the engine's number for it.
    ///
    /// # Panics
    /// There is no such process.
    pub fn kill_process(&self, pid: i64) {
        self.daemon.kill_process(pid);
    }

    fn wait_until_it_serves(&self) {
        wait_until("the engine serves", PATIENCE, || {
            self.try_run(&["version"]).status.success().then_some(())
        });
    }
}

impl TestEngine for PrivateEngine {
    fn source(&self) -> String {
        format!("docker:{}", self.socket().display())
    }

    fn identity(&self) -> (&'static str, String) {
        let version = PrivateEngine::run(self, &["version", "--format", "{{.Server.Version}}"]);
        ("Docker Engine", version)
    }

    fn remembers(&self) -> bool {
        true
    }

    fn spares_containers(&self) -> bool {
        false
    }

    fn create(&self, labels: &[&str], command: &[&str]) -> String {
        self.cli(&self.socket()).create(labels, command)
    }

    fn start(&self, id: &str) {
        self.run(&["start", id]);
    }

    fn exec(&self, id: &str, code: u8) {
        self.cli(&self.socket()).exec(id, code);
    }

    fn pause(&self, id: &str) {
        self.run(&["pause", id]);
    }

    fn unpause(&self, id: &str) {
        self.run(&["unpause", id]);
    }

    fn end(&self, id: &str) {
        self.cli(&self.socket()).end(id);
    }

    fn process_of(&self, id: &str) -> i64 {
        self.cli(&self.socket()).pid(id)
    }

    fn kill_process(&self, process: i64) {
        self.daemon.kill_process(process);
    }

    fn remove(&self, id: &str) {
        self.run(&["rm", id]);
    }

    fn state(&self, id: &str) -> Option<ContainerState> {
        self.cli(&self.socket()).state(id)
    }

    fn kill(&self) {
        self.daemon.kill();
    }

    fn restart(&self) {
        PrivateEngine::restart(self);
    }
}
