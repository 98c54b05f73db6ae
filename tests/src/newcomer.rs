//! An actor that is not in the genesis, with a directory and a peer of its own.

use crate::binaries::{binary, component};
use crate::network::{Network, free_ports};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// The actor. Dropping it kills its peer.
pub struct Newcomer {
    name: String,
    directory: tempfile::TempDir,
    peer: Option<Child>,
}

impl Newcomer {
    /// Prepares an actor that is to join a network.
    pub fn of(network: &Network, name: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [port] = free_ports();
        let made = Command::new(binary("e2l"))
            .args(["network", "join"])
            .arg(directory.path().join("network"))
            .arg("--genesis")
            .arg(network.root().join("genesis.json"))
            .args(["--name", name, "--address", &format!("127.0.0.1:{port}")])
            .arg("--chaincode")
            .arg(component())
            .args(arguments)
            .output()
            .expect("e2l runs");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "e2l network join: {said}");
        Self {
            name: name.to_owned(),
            directory,
            peer: None,
        }
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("network/actors").join(&self.name)
    }

    /// What the network's actors have to agree to.
    pub fn file(&self) -> String {
        self.home().join("actor.json").to_string_lossy().into_owned()
    }

    /// Starts its peer, which may wait for a long time before it serves.
    pub fn start_peer(&mut self) {
        let home = self.home().join("peer");
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .expect("a log");
        let child = Command::new(binary("e2l-peer"))
            .arg("--config")
            .arg(home.join("peer.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("e2l-peer starts");
        self.peer = Some(child);
    }

    /// What its peer logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home().join("peer/log")).unwrap_or_default()
    }

    /// Runs `e2l` for it.
    pub fn e2l(&self, arguments: &[&str]) -> Output {
        Command::new(binary("e2l"))
            .args(arguments)
            .arg("--network")
            .arg(self.directory.path().join("network"))
            .output()
            .expect("e2l runs")
    }

    /// The JSON that a command of its prints; `None` if it fails.
    pub fn json(&self, arguments: &[&str]) -> Option<Value> {
        let output = self.e2l(&[arguments, &["-o", "json"]].concat());
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).ok())?
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of the log of {}'s peer:", self.name);
            for line in &lines[lines.len().saturating_sub(25)..] {
                eprintln!("{line}");
            }
        }
        if let Some(child) = self.peer.as_mut() {
            // One that has ended already needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
