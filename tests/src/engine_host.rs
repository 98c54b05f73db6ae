//! A host with a container engine of its own: a Docker Engine that shares no network, name, process tree or
//! mount with the machine's.

use crate::image::image_archive;
use crate::recording::Recording;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for an engine to serve, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest time one `docker` command may take, seconds.
const COMMAND_SECONDS: &str = "180";

/// A namespace, an engine in it, and a directory for both. Dropping it ends the engine and all its containers,
/// and removes the namespace.
pub struct EngineHost {
    name: String,
    address: String,
    directory: PathBuf,
    /// `unshare`; the engine is its only child, and the first process of its tree: with it goes everything.
    engine: Option<Child>,
}

impl EngineHost {
    /// A host on the bridge, at an address with its prefix's length, and its engine, which may not serve yet.
    ///
    /// # Errors
    /// This machine does not let us: why.
    pub(crate) fn start(name: &str, bridge: &str, address: &str, directory: &Path) -> Result<Self, String> {
        std::fs::create_dir(directory).map_err(|error| error.to_string())?;
        let mut host = Self {
            name: name.to_owned(),
            address: address.split('/').next().unwrap_or(address).to_owned(),
            directory: directory.to_owned(),
            engine: None,
        };
        let cable = format!("{name}v");
        // No default route: a registry is out of reach, and looking for an image there fails at once.
        for line in [
            format!("netns add {name}"),
            format!("link add {cable} type veth peer name eth0 netns {name}"),
            format!("link set {cable} master {bridge} up"),
            format!("-n {name} link set lo up"),
            format!("-n {name} addr add {address} dev eth0"),
            format!("-n {name} link set eth0 up"),
        ] {
            administer("ip", &line)?;
        }
        host.engine = Some(host.spawn_engine().map_err(|error| error.to_string())?);
        Ok(host)
    }

    fn spawn_engine(&self) -> std::io::Result<Child> {
        // The machine's configuration may set what the flags set, which the engine refuses.
        std::fs::write(self.directory.join("daemon.json"), "{}")?;
        let log = File::create(self.directory.join("log"))?;
        // `ip netns exec` would hide the control groups. The engine ends with the test, however that ends.
        let script = "hostname \"$1\" && cd \"$2\" && exec nsenter --net=\"/run/netns/$1\" dockerd \
            --config-file \"$2/daemon.json\" --data-root \"$2/root\" --exec-root \"$2/exec\" \
            --pidfile \"$2/pid\" -H \"unix://$2/docker.sock\"";
        system("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--uts",
                "--mount",
                "--pid",
                "--fork",
            ])
            .args([
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                script,
                "sh",
                &self.name,
            ])
            .arg(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    /// Waits until the engine serves.
    ///
    /// # Errors
    /// It ended, or does not serve in time: the end of its log.
    pub(crate) fn wait_until_it_serves(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = match &mut self.engine {
                Some(engine) => engine.try_wait().map_err(|error| error.to_string())?.is_some(),
                None => true,
            };
            if !ended && self.docker(&["version"]).status.success() {
                return Ok(());
            }
            if ended || Instant::now() > deadline {
                return Err(format!("dockerd does not start here: {}", self.last_words()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        log.lines().last().unwrap_or("it said nothing").to_owned()
    }

    /// Its name, which is its node's in the Swarm.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the bridge.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The socket of its engine.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    /// The command `docker` on its engine.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()));
        command
    }

    /// Runs `docker` on its engine, however that ends.
    fn docker(&self, arguments: &[&str]) -> Output {
        let docker = self.command();
        Command::new("timeout")
            .arg(COMMAND_SECONDS)
            .arg(docker.get_program())
            .args(docker.get_args())
            .args(arguments)
            .output()
            .expect("docker runs")
    }

    /// Runs `docker` on its engine; it must succeed. Returns what it printed.
    ///
    /// # Panics
    /// It does not succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        let name = &self.name;
        assert!(
            output.status.success(),
            "docker {arguments:?} on {name}: {errors}"
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Gives its engine an image of that name.
    pub(crate) fn import(&self, image: &str) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let archive = image_archive(root.path());
        self.run(&["import", archive.to_str().expect("a path"), image]);
    }

    /// Records what its engine emits, from the engine's start on.
    pub fn record(&self) -> Recording {
        Recording::start(self.command(), &self.directory.join("recording.jsonl"))
    }

    /// Number of its containers, running or not.
    pub fn containers(&self) -> usize {
        self.run(&["ps", "-aq"]).lines().count()
    }

    /// Asks the engine to end with its containers, so that it cleans up behind them.
    pub(crate) fn ask_to_end(&self) {
        let Some(engine) = &self.engine else { return };
        let id = engine.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Ok(child) = child.parse() {
                let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
            }
        }
    }
}

impl Drop for EngineHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of the log of the engine {}:", self.name);
            for line in &lines[lines.len().saturating_sub(10)..] {
                eprintln!("{line}");
            }
        }
        self.ask_to_end();
        if let Some(engine) = &mut self.engine {
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline && matches!(engine.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = engine.kill();
            let _ = engine.wait();
        }
        // The cable goes with the namespace. What is not there needs no removal.
        let _ = administer("ip", &format!("netns del {}", self.name));
        let _ = administer("ip", &format!("link del {}v", self.name));
    }
}

/// A command of the system's administrator; not every user's path leads to those.
pub(crate) fn system(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command
}

/// Runs such a command.
///
/// # Errors
/// What it said.
pub(crate) fn administer(program: &str, line: &str) -> Result<(), String> {
    let output = system(program)
        .args(line.split(' '))
        .output()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {line}: {}", errors.trim()))
}
