//! `e2l chaincode dev`: what is saved is built, tested and deployed, on networks of real peers and with the real compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Network, binary, component, said, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A first build compiles all that a contract depends on.
const PATIENCE: Duration = Duration::from_secs(180);

/// The crate of a contract `counter`, whose dependencies are compiled once for all test programs.
struct Contract {
    _place: tempfile::TempDir,
    crate_dir: PathBuf,
}

impl Contract {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut e2l = Command::new(binary("e2l"));
        let made = e2l
            .args(["chaincode", "new", "counter"])
            .current_dir(place.path())
            .output();
        assert!(made.unwrap().status.success());
        let crate_dir = place.path().join("counter");
        let compiled = binary("e2l").ancestors().nth(2).unwrap().join("tmp/contracts");
        fs::create_dir_all(&compiled).unwrap();
        fs::create_dir(crate_dir.join("target")).unwrap();
        std::os::unix::fs::symlink(compiled, crate_dir.join("target/e2l")).unwrap();
        Self {
            _place: place,
            crate_dir,
        }
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.crate_dir.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} holds no `{from}`");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn dev(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("e2l"));
        command
            .args(["chaincode", "dev"])
            .arg(&self.crate_dir)
            .args(arguments);
        command.env("E2L_CHAINCODE", component());
        // No network of the caller's, and none beside it.
        command.env_remove("E2L_NETWORK").env_remove("E2L_PROFILE");
        command.current_dir(&self.crate_dir).stdin(Stdio::null());
        command
    }

    fn dev_once(&self, arguments: &[&str]) -> Output {
        self.dev(&[&["--once"], arguments].concat()).output().unwrap()
    }
}

/// A running loop; dropping it ends it.
struct Loop {
    process: Child,
    rounds: Receiver<String>,
    log: PathBuf,
}

impl Loop {
    fn start(contract: &Contract, network: &Path) -> Self {
        let log = contract.crate_dir.with_extension("log");
        let arguments = ["--network", network.to_str().unwrap(), "-o", "jsonl"];
        let mut process = contract
            .dev(&arguments)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (sender, rounds) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, rounds, log }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The next round, which must end like this.
    fn round(&self, number: u64, result: &str) -> Value {
        let line = self.rounds.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("round {number} does not end:\n{}", self.said()));
        let round: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&round["round"], &round["result"]),
            (&number.into(), &result.into()),
            "{round}\n{}",
            self.said()
        );
        round
    }

    fn end(&mut self) {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        kill(pid, Signal::SIGINT).unwrap();
        let status = wait_until("the loop ends", PATIENCE, || self.process.try_wait().unwrap());
        assert!(status.success(), "{status}\n{}", self.said());
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_is_saved_is_built_tested_and_deployed() {
    let network = Network::start(0);
    let contract = Contract::new();
    let mut dev = Loop::start(&contract, &network.root());
    let first = dev.round(1, "deployed");
    assert_eq!(
        (&first["chaincode"], &first["failed"]),
        (&"counter".into(), &0.into())
    );
    let invoked = network.e2l(
        "user",
        &[
            "chaincode",
            "invoke",
            "--chaincode",
            "counter",
            "add",
            r#"{"name": "pears", "by": 1}"#,
        ],
    );
    assert!(invoked.status.success(), "{}", said(&invoked));
    // Whoever follows the guide compares.
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/first-contract.md");
    let guide = fs::read_to_string(guide).unwrap();
    let digest = first["digest"].as_str().unwrap();
    assert!(
        guide.contains(digest),
        "the guide prints another digest than {digest}"
    );
    let digest_of = |actor: &str| {
        let listed = network.json(actor, &["chaincode", "list"]);
        let contracts = listed.as_array().unwrap();
        let own = contracts.iter().find(|one| one["chaincode"] == "counter");
        own.map(|own| own["digest"].clone())
    };
    assert_eq!(digest_of("developer").as_ref(), Some(&first["digest"]));

    // What does not compile is told in the compiler's words, and the loop goes on.
    contract.edit("src/lib.rs", "fn get(", "fn got(");
    let broken = dev.round(2, "not built");
    assert_eq!(broken["changed"], serde_json::json!(["src/lib.rs"]));
    assert!(dev.said().contains("error[E0425]"), "{}", dev.said());
    contract.edit("src/lib.rs", "fn got(", "fn get(");
    dev.round(3, "unchanged");
    contract.edit("src/lib.rs", "if by == 0", "if by == 7");
    let wrong = dev.round(4, "tests failed");
    assert_eq!(wrong["failed"], 1, "{wrong}");
    assert!(
        dev.said().contains("expected: CONTRACT_REJECTED"),
        "{}",
        dev.said()
    );
    assert_eq!(digest_of("developer").as_ref(), Some(&first["digest"]));

    contract.edit("src/lib.rs", "if by == 7", "if by == 0");
    dev.round(5, "unchanged");
    contract.edit("src/lib.rs", "must be at least 1", "must be at least one");
    contract.edit("tests/counters.toml", "at least 1", "at least one");
    let next = next_deployed(&dev);
    assert!(next["active_from"].as_u64() > first["active_from"].as_u64());
    assert_eq!(digest_of("user").as_ref(), Some(&next["digest"]));
    // Its state is still there, and every proposal is closed.
    let counted = network.e2l(
        "user",
        &[
            "chaincode",
            "query",
            "--chaincode",
            "counter",
            "get",
            r#"{"name": "pears"}"#,
        ],
    );
    assert!(said(&counted).contains("\"value\": 1"), "{}", said(&counted));
    let proposals = network.json("provider", &["proposal", "list"]);
    let proposals = proposals.as_array().unwrap();
    assert_eq!(proposals.len(), 2, "{proposals:?}");
    for proposal in proposals {
        assert_eq!(proposal["awaits"], serde_json::json!([]), "{proposal}");
    }
    dev.end();
}

/// Two files were saved one after the other: between them the loop may have seen one of them.
fn next_deployed(dev: &Loop) -> Value {
    let line = dev.rounds.recv_timeout(PATIENCE).unwrap();
    let round: Value = serde_json::from_str(&line).unwrap();
    match round["result"].as_str() {
        Some("tests failed") => dev.round(7, "deployed"),
        Some("deployed") => round,
        _ => panic!("{round}\n{}", dev.said()),
    }
}

#[test]
fn without_a_network_one_is_started_and_kept_and_ends_with_the_loop() {
    let contract = Contract::new();
    let own = contract.crate_dir.join("target/e2l-network");
    let first = contract.dev_once(&["--events", "synthetic", "-o", "json"]);
    assert!(first.status.success(), "{}", said(&first));
    let round: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(round["result"], "deployed");
    let status = Command::new(binary("e2l"))
        .args(["peer", "status", "--all", "--timeout", "1s", "--network"])
        .arg(&own)
        .output()
        .unwrap();
    assert!(
        !status.status.success(),
        "its peers have ended: {}",
        said(&status)
    );

    let again = contract.dev_once(&["--events", "synthetic"]);
    let told = said(&again);
    assert!(again.status.success(), "{told}");
    for text in [
        "round 1",
        "5 steps passed",
        "executes this digest already",
        "took",
    ] {
        assert!(told.contains(text), "`{text}` is missing in: {told}");
    }
    contract.edit("src/lib.rs", "fn get(", "fn got(");
    let broken = contract.dev_once(&["--events", "synthetic"]);
    assert_eq!(broken.status.code(), Some(2), "{}", said(&broken));
    assert!(said(&broken).contains("error[E0425]"), "{}", said(&broken));
}

#[test]
fn only_a_network_that_is_wholly_here_is_developed_on() {
    let contract = Contract::new();
    let refused = |network: &Network, text: &str| {
        let root = network.root();
        let output = contract.dev_once(&["--network", root.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(
            said(&output).contains(text),
            "`{text}` is missing in: {}",
            said(&output)
        );
    };
    let elsewhere = ["10.0.0.1:7051", "127.0.0.1:1", "127.0.0.1:2"].map(str::to_owned);
    refused(&Network::laid_out(&elsewhere, 0, &[]), "peer is at 10.0.0.1:7051");
    let here = [1, 2, 3].map(|port| format!("127.0.0.1:{port}"));
    let network = Network::laid_out(&here, 0, &[]);
    refused(&network, "none of 3 peers answered");
    fs::remove_dir_all(network.root().join("actors/user/admin")).unwrap();
    refused(&network, "user's admin is not here");
    let profile = network.root().join("actors/provider/admin/profile.toml");
    let output = contract.dev_once(&["--profile", profile.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("all actors must approve"),
        "{}",
        said(&output)
    );
}
