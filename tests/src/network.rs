//! A network of three actors, each peer a process.

use crate::binaries::{binary, component};
use e2l_identity::{Authority, Validity};
use e2l_ledger::{Member, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const ACTORS: [&str; 3] = ["provider", "developer", "user"];

/// What a peer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// `leader`, `follower`, ...
    pub role: String,
    /// Final height.
    pub final_height: u64,
    /// Transactions up to there.
    pub transactions: u64,
    /// State root of the newest block.
    pub state_root: String,
}

/// Polls until `condition` gives a value.
///
/// # Panics
/// It does not within the time.
pub fn wait_until<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Three actors on this machine. Dropping it kills what runs and removes the files.
pub struct Network {
    directory: tempfile::TempDir,
    peers: BTreeMap<String, Child>,
}

impl Network {
    /// Makes a network with `collectors` of the provider, and starts its peers.
    pub fn start(collectors: usize) -> Self {
        Self::start_with(collectors, "")
    }

    /// The same, with lines added to every peer's configuration.
    pub fn start_with(collectors: usize, peer_settings: &str) -> Self {
        let mut network = Self::laid_out(&free_addresses(), collectors, &[]);
        for actor in ACTORS {
            network.configure_peer(actor, |settings| format!("{settings}\n{peer_settings}\n"));
        }
        network.start_peers();
        network
    }

    /// The same, whose genesis has this contract and no other.
    pub fn start_on(contract: &Path, collectors: usize) -> Self {
        let mut network = Self::laid_out_on(contract, &free_addresses(), collectors, &[]);
        network.start_peers();
        network
    }

    /// Starts all peers, and waits until they have a leader.
    pub fn start_peers(&mut self) {
        for actor in ACTORS {
            self.start_peer(actor);
        }
        self.wait_for_leader();
    }

    /// Makes a network whose genesis names these addresses, with `collectors` of the provider; starts nothing.
    pub fn laid_out(addresses: &[String; 3], collectors: usize, arguments: &[&str]) -> Self {
        Self::laid_out_on(component(), addresses, collectors, arguments)
    }

    fn laid_out_on(contract: &Path, addresses: &[String; 3], collectors: usize, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let network = Self {
            directory,
            peers: BTreeMap::new(),
        };
        let root = network.root();
        let made = Command::new(binary("e2l"))
            .args(["network", "init"])
            .arg(&root)
            .args(["--actors", &ACTORS.join(",")])
            .args(["--addresses", &addresses.join(",")])
            .args(["--collectors", &format!("provider={collectors}")])
            .arg("--chaincode")
            .arg(contract)
            .args(arguments)
            .output()
            .expect("e2l runs");
        assert_success(&made);
        network
    }

    /// Changes the text of a peer's configuration.
    pub fn configure_peer(&self, actor: &str, change: impl FnOnce(String) -> String) {
        let path = self.root().join("actors").join(actor).join("peer/peer.toml");
        let text = std::fs::read_to_string(&path).expect("a configuration");
        std::fs::write(&path, change(text)).expect("it can be written");
    }

    /// Whether an actor's peer has been started and has not ended.
    pub fn is_running(&mut self, actor: &str) -> bool {
        let child = self.peers.get_mut(actor);
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The network's directory.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("network")
    }

    /// Names of the actors.
    pub fn actors() -> [&'static str; 3] {
        ACTORS
    }

    /// Starts an actor's peer and waits until it serves.
    pub fn start_peer(&mut self, actor: &str) {
        if let Err(log) = self.try_start_peer(actor, &[]) {
            panic!("the peer of {actor} does not start:\n{log}");
        }
    }

    /// Starts an actor's peer with arguments, and waits until it serves.
    ///
    /// # Errors
    /// It ends before; what it has logged since it was first started.
    pub fn try_start_peer(&mut self, actor: &str, arguments: &[&str]) -> Result<(), String> {
        let home = self.root().join("actors").join(actor).join("peer");
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .expect("a log");
        let mut child = Command::new(binary("e2l-peer"))
            .arg("--config")
            .arg(home.join("peer.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("e2l-peer starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        if !line.starts_with("ready ") {
            child.wait().expect("it ends");
            return Err(std::fs::read_to_string(home.join("log")).unwrap_or_default());
        }
        self.peers.insert(actor.to_owned(), child);
        Ok(())
    }

    /// Puts a new peer's empty directory in the place of a lost one's, with a certificate of that name.
    pub fn replace_peer_files(&self, actor: &str, name: &str) {
        let home = self.root().join("actors").join(actor);
        let peer = home.join("peer");
        for lost in ["data", "peer.pem", "peer.key"] {
            let path = peer.join(lost);
            if path.is_dir() {
                std::fs::remove_dir_all(path).expect("it can be removed");
            } else {
                std::fs::remove_file(path).expect("it can be removed");
            }
        }
        let authority = Authority::load(actor, &home.join("ca")).expect("its authority");
        let member = Member {
            actor: actor.to_owned(),
            role: Role::Peer,
            name: name.to_owned(),
        };
        let validity = Validity::days(time::OffsetDateTime::now_utc(), 30);
        authority
            .issue("event2ledger", &member, validity, &["127.0.0.1".to_owned()])
            .expect("a certificate")
            .write(&peer, "peer")
            .expect("it can be written");
    }

    /// Ends an actor's peer as a power cut would.
    pub fn kill_peer(&mut self, actor: &str) {
        let mut child = self.peers.remove(actor).expect("the peer runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// Asks an actor's peer to stop, and waits until it has.
    pub fn stop_peer(&mut self, actor: &str) {
        let mut child = self.peers.remove(actor).expect("the peer runs");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it can be told");
        let status = child.wait().expect("it ends");
        assert!(status.success(), "the peer of {actor} stopped with {status}");
    }

    /// Runs `e2l` for an actor.
    pub fn e2l(&self, actor: &str, arguments: &[&str]) -> Output {
        Command::new(binary("e2l"))
            .args(arguments)
            .arg("--network")
            .arg(self.root())
            .args(["--actor", actor])
            .output()
            .expect("e2l runs")
    }

    /// Runs `e2l` for an actor, which must succeed; returns what it prints on standard output.
    pub fn run(&self, actor: &str, arguments: &[&str]) -> String {
        let output = self.e2l(actor, arguments);
        assert!(
            output.status.success(),
            "{actor}: {arguments:?}: {}",
            crate::said(&output)
        );
        let printed = String::from_utf8(output.stdout).expect("text");
        printed.trim().to_owned()
    }

    /// Runs `e2l -o json` for an actor; the program must succeed.
    pub fn json(&self, actor: &str, arguments: &[&str]) -> Value {
        let output = self.e2l(actor, &[arguments, &["-o", "json"]].concat());
        assert_success(&output);
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The provider proposes with these arguments, and the others approve.
    pub fn decide(&self, arguments: &[&str]) {
        let id = self.run(ACTORS[0], arguments);
        for actor in &ACTORS[1..] {
            self.run(actor, &["proposal", "approve", &id]);
        }
    }

    /// What an actor's own peer says; `None` if it does not answer.
    pub fn view(&self, actor: &str) -> Option<PeerView> {
        let output = self.e2l(actor, &["peer", "status", "-o", "json"]);
        if !output.status.success() {
            return None;
        }
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        let status = status.get(0).unwrap_or(&status);
        let text = |name: &str| status[name].as_str().map(str::to_owned);
        Some(PeerView {
            role: text("raft_role")?,
            final_height: status["final_height"].as_u64()?,
            transactions: status["transactions"].as_u64()?,
            state_root: text("state_root")?,
        })
    }

    /// Waits until a running peer leads, and names its actor.
    pub fn wait_for_leader(&self) -> String {
        wait_until("a peer leads", Duration::from_secs(30), || {
            let mut running = self.peers.keys();
            running
                .find(|actor| self.view(actor).is_some_and(|view| view.role == "leader"))
                .cloned()
        })
    }

    /// Waits until every running peer has this many transactions, all final, and the same state.
    pub fn wait_for_agreement(&self, transactions: u64) -> PeerView {
        wait_until("the peers agree", Duration::from_secs(60), || {
            let views: Option<Vec<PeerView>> = self.peers.keys().map(|actor| self.view(actor)).collect();
            let views = views?;
            let first = views.first()?.clone();
            let same = |view: &PeerView| {
                view.state_root == first.state_root && view.final_height == first.final_height
            };
            (first.transactions == transactions && views.iter().all(same)).then_some(first)
        })
    }

    /// Every event as an actor's peer has it, oldest first.
    pub fn events(&self, actor: &str) -> Vec<Value> {
        let events = self.json(actor, &["events", "--limit", "1000000"]);
        events.as_array().expect("a list").clone()
    }

    /// Directory of one of the provider's collectors.
    pub fn collector_home(&self, number: usize) -> PathBuf {
        self.root()
            .join("actors/provider")
            .join(format!("collector-{number}"))
    }

    /// Changes the text of a collector's configuration.
    pub fn configure_collector(&self, number: usize, change: impl FnOnce(String) -> String) {
        let path = self.collector_home(number).join("collector.toml");
        let text = std::fs::read_to_string(&path).expect("a configuration");
        std::fs::write(&path, change(text)).expect("it can be written");
    }

    /// Starts one of the provider's collectors.
    pub fn collector(&self, number: usize, arguments: &[&str]) -> Child {
        self.collector_in(number, arguments, Vec::new())
    }

    /// The same, with environment variables.
    pub fn collector_in(&self, number: usize, arguments: &[&str], environment: Vec<(&str, String)>) -> Child {
        let mut command = Command::new(binary("e2l-collector"));
        command.envs(environment);
        self.run_collector(number, command, arguments)
    }

    /// The same, by a command that becomes the collector whose path and arguments it is given. The program is a copy in the
    /// collector's directory: not every user may enter where it was built.
    pub fn collector_through(&self, number: usize, mut command: Command, arguments: &[&str]) -> Child {
        let program = self.collector_home(number).join("e2l-collector");
        std::fs::copy(binary("e2l-collector"), &program).expect("a copy");
        command.arg(program);
        self.run_collector(number, command, arguments)
    }

    fn run_collector(&self, number: usize, mut command: Command, arguments: &[&str]) -> Child {
        let home = self.collector_home(number);
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .expect("a log");
        let mut child = command
            .arg("--config")
            .arg(home.join("collector.toml"))
            .args(arguments)
            .arg("--exit-with-parent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("e2l-collector starts");
        // Open as long as this program runs: no collector outlives a test that fails, and one that is waited for goes on.
        std::mem::forget(child.stdin.take());
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        assert_eq!(line.trim(), "ready", "{}", self.collector_log(number));
        child
    }

    /// Sets what a collector invents: events a second (0: no bound) and how many.
    pub fn configure_synthetic(&self, number: usize, rate: f64, count: u64) {
        let rate = if rate > 0.0 {
            format!("rate = {rate:.1}\n")
        } else {
            String::new()
        };
        let synthetic = format!("\n[synthetic]\n{rate}containers = 20\nevents = {count}\n");
        self.configure_collector(number, |text| {
            let text = text.split("[synthetic]").next().unwrap_or_default();
            format!("{text}{synthetic}")
        });
    }

    /// What an actor's peer logged.
    pub fn peer_log(&self, actor: &str) -> String {
        let path = self.root().join("actors").join(actor).join("peer/log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// What a collector logged.
    pub fn collector_log(&self, number: usize) -> String {
        std::fs::read_to_string(self.collector_home(number).join("log")).unwrap_or_default()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.peers.values_mut() {
            // A peer that has ended already needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for actor in ACTORS {
                show_log(actor, &self.root().join("actors").join(actor).join("peer/log"));
            }
        }
    }
}

fn show_log(actor: &str, path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("--- the end of the log of {actor}'s peer:");
    for line in &lines[lines.len().saturating_sub(15)..] {
        eprintln!("{line}");
    }
}

fn free_addresses() -> [String; 3] {
    free_ports().map(|port| format!("127.0.0.1:{port}"))
}

/// Ports that nobody uses now.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

fn assert_success(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "e2l failed with {}:\n{errors}",
        output.status
    );
}
