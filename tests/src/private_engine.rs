//! A container engine of its own that can be killed and started again while its containers live on.

use crate::docker::skip;
use crate::engine_host::system;
use crate::image::{busybox, image_archive};
use crate::network::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest wait for the engine to serve or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Name of its image.
const IMAGE: &str = "e2l-private:1";
/// Names that were given.
static RENAMED: AtomicU64 = AtomicU64::new(0);

/// A Docker Engine without networks, in a process tree of its own, whose first process starts the engine again when it
/// has died, unless it is told not to. Dropping it ends everything in that tree.
pub struct PrivateEngine {
    directory: tempfile::TempDir,
    tree: Child,
}

impl PrivateEngine {
    /// Starts one, with an image; `None` after counting `test` as skipped where this machine cannot have one.
    pub fn start(test: &str) -> Option<Self> {
        if let Some(reason) = why_not() {
            skip(test, &reason);
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tree = spawn(&directory);
        let engine = Self { directory, tree };
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
        self.directory.path().join("docker.sock")
    }

    /// Runs `docker` on it, however that ends.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments)
            .output()
            .expect("docker runs")
    }

    /// Runs `docker` on it; it must succeed. Returns what it printed.
    ///
    /// # Panics
    /// It does not succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What it says of a container; `None` if there is none.
    pub fn inspect(&self, id: &str) -> Option<Value> {
        let output = self.try_run(&["inspect", "--format", "{{json .State}}", id]);
        let text = output.status.success().then_some(output.stdout)?;
        serde_json::from_slice(&text).ok()
    }

    /// Makes it emit so many events as fast as it can: renames of a container.
    ///
    /// # Panics
    /// It refuses.
    pub fn rename_again_and_again(&self, id: &str, times: usize) {
        let mut stream = UnixStream::connect(self.socket()).expect("the engine serves");
        for _ in 0..times {
            // Another container may still have the last name of an earlier burst.
            let number = RENAMED.fetch_add(1, Ordering::Relaxed);
            let request = format!(
                "POST /containers/{id}/rename?name=burst{number} HTTP/1.1\r\nHost: e\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).expect("a request");
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("an answer");
                answer.push(byte[0]);
            }
            assert!(
                answer.starts_with(b"HTTP/1.1 204"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    }

    /// Kills the engine, and nothing else: its containers live on, and it is not started again yet.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&self) {
        std::fs::write(self.hold(), "").expect("a file");
        let engine = self.process().expect("the engine runs");
        kill(engine, Signal::SIGKILL).expect("it can be killed");
        wait_until("the engine is gone", PATIENCE, || {
            self.process().is_none().then_some(())
        });
    }

    /// Starts it again, and waits until it serves.
    pub fn restart(&self) {
        std::fs::remove_file(self.hold()).expect("it was killed");
        self.wait_until_it_serves();
    }

    /// Kills a process of a container, behind the engine's back. `pid` is the engine's number for it.
    ///
    /// # Panics
    /// There is no such process.
    pub fn kill_process(&self, pid: i64) {
        let tree = self.first_process().expect("the tree runs");
        let killed = system("nsenter")
            .args(["--target", &tree.to_string(), "--pid", "--mount", "sh", "-c"])
            .arg(format!("kill -9 {pid}"))
            .status()
            .expect("nsenter runs");
        assert!(killed.success(), "process {pid} cannot be killed");
    }

    fn hold(&self) -> PathBuf {
        self.directory.path().join("hold")
    }

    /// The shell that starts the engine.
    fn first_process(&self) -> Option<Pid> {
        children(Pid::from_raw(self.tree.id().cast_signed()))
            .first()
            .copied()
    }

    fn process(&self) -> Option<Pid> {
        let name = |pid: &Pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let zombie = |pid: &Pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains(") Z ")
        };
        let all = children(self.first_process()?);
        all.into_iter()
            .find(|pid| name(pid).trim() == "dockerd" && !zombie(pid))
    }

    fn wait_until_it_serves(&self) {
        wait_until("the engine serves", PATIENCE, || {
            self.try_run(&["version"]).status.success().then_some(())
        });
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of the private engine's log:");
            lines[lines.len().saturating_sub(10)..]
                .iter()
                .for_each(|line| eprintln!("{line}"));
        }
        // The first process of the tree goes, and with it the tree.
        let _ = self.tree.kill();
        let _ = self.tree.wait();
    }
}

fn children(of: Pid) -> Vec<Pid> {
    let found = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    found
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
        .collect()
}

fn spawn(directory: &tempfile::TempDir) -> Child {
    let path = directory.path();
    // The machine's configuration may set what the flags set, which the engine refuses.
    std::fs::write(path.join("daemon.json"), "{}").expect("a file");
    let log = File::create(path.join("log")).expect("a log");
    let script = "while :; do while [ -e \"$1/hold\" ]; do sleep 0.05; done; rm -f \"$1/pid\"; dockerd \
        --config-file \"$1/daemon.json\" --data-root \"$1/root\" --exec-root \"$1/exec\" --pidfile \"$1/pid\" \
        -H \"unix://$1/docker.sock\" --bridge=none --iptables=false --ip-masq=false; sleep 0.1; done";
    system("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            // It would remove the bridge of the machine's own engine.
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args(["--mount-proc", "sh", "-c", script, "sh"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("setpriv runs")
}

/// What it lacks here.
fn why_not() -> Option<String> {
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    if own.ok() != Some(0) {
        return Some("an engine of its own needs root".to_owned());
    }
    for program in ["docker", "dockerd", "unshare", "nsenter", "setpriv"] {
        let found = system(program).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!("`{program}` cannot be run"));
        }
    }
    let apart = system("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "true"])
        .status();
    if !apart.is_ok_and(|status| status.success()) {
        return Some("namespaces of its own are not allowed".to_owned());
    }
    busybox()
        .is_none()
        .then(|| "busybox-static is not installed".to_owned())
}
