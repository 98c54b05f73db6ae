//! A collector as a process.

use crate::confinement::{confined, give_away};
use crate::host_clock::HostClock;
use crate::network::Network;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Child;

/// One of the provider's collectors, running. Dropping it kills it.
pub struct CollectorProcess {
    number: usize,
    child: Child,
}

impl CollectorProcess {
    /// The collector of this number, inventing events as it is configured.
    pub fn synthetic(network: &Network, number: usize) -> Self {
        let child = network.collector(number, &["--source", "synthetic"]);
        Self { number, child }
    }

    /// The collector of this number, reading the engine at a socket. Its spool is open when this returns.
    pub fn of_engine(network: &Network, number: usize, socket: &Path) -> Self {
        let source = format!("docker:{}", socket.display());
        let child = network.collector(number, &["--source", &source]);
        Self { number, child }
    }

    /// The collector of this number, reading what `--source` names.
    pub fn of_source(network: &Network, number: usize, source: &str) -> Self {
        let child = network.collector(number, &["--source", source]);
        Self { number, child }
    }

    /// The same, on a host whose clock is this one.
    pub fn with_clock(network: &Network, number: usize, socket: &Path, clock: &HostClock) -> Self {
        let source = format!("docker:{}", socket.display());
        let child = network.collector_in(number, &["--source", &source], clock.environment());
        Self { number, child }
    }

    /// The collector of this number, reading the engine that these variables name.
    pub fn of_environment(network: &Network, number: usize, variables: Vec<(&str, String)>) -> Self {
        let child = network.collector_in(number, &["--source", "docker"], variables);
        Self { number, child }
    }

    /// The collector of this number, reading the engine at a socket, with as little as it needs: see [`confined`].
    pub fn confined(network: &Network, number: usize, socket: &Path) -> Self {
        let home = network.collector_home(number);
        let command = confined(&home, &home.join("spool"), socket);
        let source = format!("docker:{}", socket.display());
        let child = network.collector_through(number, command, &["--source", &source]);
        Self { number, child }
    }

    /// The same, whose files are those of the user that its configuration names. It is started as root.
    pub fn given_away(network: &Network, number: usize, socket: &Path) -> Self {
        give_away(&network.collector_home(number), socket);
        Self::of_source(network, number, &format!("docker:{}", socket.display()))
    }

    /// Its status, as the kernel has it.
    pub fn status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Stops it in the middle of whatever it does, until [`CollectorProcess::go_on`].
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Memory that it holds, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = self.status();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it can be signalled");
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It fails.
    pub fn stop(mut self, network: &Network) {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("it ends");
        let log = network.collector_log(self.number);
        assert!(
            status.success(),
            "collector-{} stopped with {status}:\n{log}",
            self.number
        );
    }
}

impl Drop for CollectorProcess {
    fn drop(&mut self) {
        // One that has ended needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
