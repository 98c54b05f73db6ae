//! `e2l demo` with its tampering, as a newcomer runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{PATIENCE, binary, component, said, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A running demo; dropping it ends it with all it started.
struct Demo {
    process: Child,
    directory: PathBuf,
}

impl Demo {
    fn start(root: &Path) -> Self {
        let directory = root.join("demo");
        let log = File::create(root.join("demo.log")).unwrap();
        let process = Command::new(binary("e2l"))
            .args(["demo", "--source", "synthetic", "--dir"])
            .arg(&directory)
            .env("E2L_CHAINCODE", component())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .unwrap();
        Self { process, directory }
    }

    fn e2l(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("e2l"));
        command.args(arguments).env("E2L_NETWORK", &self.directory);
        command.output().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        // It may have ended by itself.
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

#[test]
fn an_edited_database_is_found_out_and_mended_while_the_demo_runs() {
    let root = tempfile::tempdir().unwrap();
    let demo = Demo::start(root.path());
    wait_until("there are blocks to edit", PATIENCE, || {
        let listed = demo.e2l(&["events", "-o", "jsonl"]);
        let events = String::from_utf8_lossy(&listed.stdout).lines().count();
        (listed.status.success() && events > 10).then_some(())
    });
    let directory = demo.directory.to_str().unwrap();
    let story = demo.e2l(&["demo", "tamper", "user", "--dir", directory]);
    let told = said(&story);
    let log = || std::fs::read_to_string(root.path().join("demo.log")).unwrap();
    assert!(story.status.success(), "{told}\n{}", log());
    for step in [
        "Somebody edits user's database",
        "the others answer, with proof",
        "the changed record was not shown",
        "with the true block from",
        "tells the truth again, with proof",
    ] {
        assert!(told.contains(step), "{step} is not in:\n{told}");
    }
    let incidents = demo.e2l(&["incidents", "--actor", "user", "-o", "json"]);
    let incidents: serde_json::Value = serde_json::from_slice(&incidents.stdout).unwrap();
    assert_eq!(incidents.as_array().unwrap().len(), 1, "{incidents}");

    let wrong = demo.e2l(&["demo", "tamper", "nobody", "--dir", directory]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}
