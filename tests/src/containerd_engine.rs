//! A containerd of its own, without an engine above it.

use crate::daemon::{Daemon, PATIENCE, why_not};
use crate::docker::skip;
use crate::image::image_archive;
use crate::network::wait_until;
use crate::test_engine::{ContainerState, TestEngine};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

/// Name of its image.
const IMAGE: &str = "docker.io/library/e2l-containerd:1";
/// Namespace of its containers.
const NAMESPACE: &str = "e2l";
/// Namespace of a Docker Engine's containers, which are not read.
const DOCKERS: &str = "moby";
/// How it is started.
const COMMAND: &str = "containerd --config \"$1/config.toml\" --root \"$1/root\" --state \"$1/state\" \
    --address \"$1/containerd.sock\"";
/// Without what waits for Kubernetes.
const CONFIGURATION: &str = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";

/// Dropping it ends it and its containers.
pub struct ContainerdEngine {
    daemon: Daemon,
    created: AtomicU64,
}

impl ContainerdEngine {
    /// Starts one, with an image; `None` after counting `test` as skipped where this machine cannot have one.
    pub fn start(test: &str) -> Option<Self> {
        if let Some(reason) = why_not(&["containerd", "ctr", "runc"]) {
            skip(test, &reason);
            return None;
        }
        let daemon = Daemon::start("containerd --config", COMMAND, |directory| {
            std::fs::write(directory.join("config.toml"), CONFIGURATION).expect("a file");
            write_image(directory);
        });
        let engine = Self {
            daemon,
            created: AtomicU64::new(0),
        };
        engine.wait_until_it_serves();
        engine.import(NAMESPACE);
        Some(engine)
    }

    fn import(&self, namespace: &str) {
        let image = self.daemon.path().join("image/docker.tar");
        self.ctr(namespace, &["images", "import", image.to_str().expect("a path")]);
    }

    fn try_ctr(&self, namespace: &str, arguments: &[&str]) -> Output {
        let socket = self.daemon.path().join("containerd.sock");
        let mut command = self.daemon.inside("ctr");
        command
            .arg("--address")
            .arg(socket)
            .args(["--namespace", namespace]);
        command.args(arguments).output().expect("ctr runs")
    }

    fn ctr(&self, namespace: &str, arguments: &[&str]) -> String {
        let output = self.try_ctr(namespace, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ctr {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn own(&self, arguments: &[&str]) -> String {
        self.ctr(NAMESPACE, arguments)
    }

    /// Process and status of a container's task.
    fn task(&self, id: &str) -> Option<(i64, String)> {
        let list = self.own(&["tasks", "ls"]);
        let mut lines = list
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = lines.find(|fields| fields.first() == Some(&name(id)))?;
        Some((found.get(1)?.parse().ok()?, (*found.get(2)?).to_owned()))
    }

    fn wait_until_it_serves(&self) {
        wait_until("containerd serves", PATIENCE, || {
            self.try_ctr(NAMESPACE, &["version"])
                .status
                .success()
                .then_some(())
        });
    }

    fn wait_until_stopped(&self, id: &str) {
        wait_until("containerd knows of the end", PATIENCE, || {
            self.task(id).filter(|(_, status)| status == "STOPPED")
        });
    }
}

/// Its id in its namespace.
fn name(id: &str) -> &str {
    id.strip_prefix(NAMESPACE)
        .and_then(|id| id.strip_prefix('/'))
        .expect("a name on the ledger")
}

impl TestEngine for ContainerdEngine {
    fn source(&self) -> String {
        format!(
            "containerd:{}",
            self.daemon.path().join("containerd.sock").display()
        )
    }

    fn identity(&self) -> (&'static str, String) {
        let version = Command::new("ctr").arg("--version").output().expect("ctr runs");
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let version = version.split_whitespace().last().expect("a version").to_owned();
        ("containerd", version)
    }

    fn remembers(&self) -> bool {
        false
    }

    fn spares_containers(&self) -> bool {
        true
    }

    fn create(&self, labels: &[&str], command: &[&str]) -> String {
        // The runtime keeps its containers under one directory, whoever asks it to run them.
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("c{}-{number}", std::process::id());
        let labels: Vec<&str> = labels.iter().flat_map(|label| ["--label", *label]).collect();
        let what = [
            &["container", "create"],
            labels.as_slice(),
            &[IMAGE, &name],
            command,
        ]
        .concat();
        self.own(&what);
        format!("{NAMESPACE}/{name}")
    }

    fn start(&self, id: &str) {
        if self.task(id).is_some() {
            // It complains of the code that the task ended with.
            self.try_ctr(NAMESPACE, &["tasks", "rm", name(id)]);
        }
        self.own(&["tasks", "start", "--detach", "--null-io", name(id)]);
    }

    fn exec(&self, id: &str, code: u8) {
        let exit = format!("exit {code}");
        let output = self.try_ctr(
            NAMESPACE,
            &[
                "tasks",
                "exec",
                "--exec-id",
                name(id),
                name(id),
                "/bin/sh",
                "-c",
                &exit,
            ],
        );
        assert_eq!(output.status.code(), Some(i32::from(code)), "{output:?}");
    }

    fn pause(&self, id: &str) {
        self.own(&["tasks", "pause", name(id)]);
    }

    fn unpause(&self, id: &str) {
        self.own(&["tasks", "resume", name(id)]);
    }

    fn end(&self, id: &str) {
        self.own(&["tasks", "kill", "--signal", "KILL", name(id)]);
        self.wait_until_stopped(id);
    }

    fn process_of(&self, id: &str) -> i64 {
        self.task(id).expect("a task").0
    }

    fn kill_process(&self, process: i64) {
        self.daemon.kill_process(process);
    }

    fn remove(&self, id: &str) {
        if self.task(id).is_some() {
            self.try_ctr(NAMESPACE, &["tasks", "rm", name(id)]);
        }
        self.own(&["containers", "rm", name(id)]);
    }

    fn state(&self, id: &str) -> Option<ContainerState> {
        let known = self.own(&["containers", "ls", "--quiet"]);
        known.lines().find(|known| *known == name(id))?;
        let task = self.task(id);
        Some(ContainerState {
            alive: task.is_some_and(|(_, status)| ["RUNNING", "PAUSED"].contains(&status.as_str())),
            ..ContainerState::default()
        })
    }

    /// A container as a Docker Engine would keep it.
    fn do_something_else(&self) {
        self.import(DOCKERS);
        self.ctr(
            DOCKERS,
            &["container", "create", IMAGE, "dockers", "/bin/sleep", "1"],
        );
    }

    fn kill(&self) {
        self.daemon.kill();
    }

    fn restart(&self) {
        self.daemon.go_on();
        self.wait_until_it_serves();
    }
}

/// An archive as `docker save` makes them.
fn write_image(directory: &Path) {
    let root = directory.join("image");
    std::fs::create_dir(&root).expect("a directory");
    let layer = image_archive(&root);
    std::fs::rename(&layer, root.join("layer.tar")).expect("a name");
    let digest = Command::new("sha256sum").arg(root.join("layer.tar")).output();
    let digest = String::from_utf8(digest.expect("sha256sum runs").stdout).expect("text");
    let digest = digest.split_whitespace().next().expect("a digest").to_owned();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"] }]);
    std::fs::write(root.join("config.json"), config.to_string()).expect("a file");
    std::fs::write(root.join("manifest.json"), manifest.to_string()).expect("a file");
    let packed = Command::new("tar")
        .arg("-C")
        .arg(&root)
        .args(["-cf", "docker.tar", "manifest.json", "config.json", "layer.tar"])
        .current_dir(&root)
        .status();
    assert!(packed.expect("tar runs").success());
}
