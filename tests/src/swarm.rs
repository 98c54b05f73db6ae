//! A Docker Swarm of hosts on this machine.

use crate::docker::skip;
use crate::engine_host::{EngineHost, administer, system};
use crate::image::busybox;
use crate::network::wait_until;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One at a time: its names come from the process's id, and a small machine has two cores.
static ONE: Mutex<()> = Mutex::new(());

/// One manager and two workers, each with an engine of its own, on a bridge, without a registry. Dropping it
/// removes everything.
pub struct Swarm {
    // In the order in which they must go.
    hosts: Vec<EngineHost>,
    _bridge: Bridge,
    image: String,
    _directory: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

impl Swarm {
    /// A Swarm; `None` after counting `test` as skipped where this machine cannot have one.
    ///
    /// # Panics
    /// The engines serve, and form no Swarm.
    pub fn start(test: &str) -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        match why_not().map_or_else(|| Self::hosts(one), Err) {
            Ok(swarm) => {
                swarm.join();
                Some(swarm)
            }
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    fn hosts(one: MutexGuard<'static, ()>) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        // At most 11 letters: a network interface's name has 15.
        let name = format!("e2l{}", std::process::id());
        let mut swarm = Self {
            hosts: Vec::new(),
            _bridge: Bridge::new(&format!("{name}b"))?,
            image: format!("e2l-swarm-{}:1", std::process::id()),
            _directory: directory,
            _one: one,
        };
        for number in 1..=3 {
            let host = EngineHost::start(
                &format!("{name}n{number}"),
                &format!("{name}b"),
                &format!("192.0.2.{number}/24"),
                &swarm._directory.path().join(number.to_string()),
            )?;
            swarm.hosts.push(host);
        }
        for host in &mut swarm.hosts {
            host.wait_until_it_serves()?;
        }
        Ok(swarm)
    }

    fn join(&self) {
        for host in &self.hosts {
            host.import(&self.image);
        }
        let manager = self.manager();
        manager.run(&["swarm", "init", "--advertise-addr", manager.address()]);
        let token = manager.run(&["swarm", "join-token", "-q", "worker"]);
        let address = format!("{}:2377", manager.address());
        for worker in &self.hosts[1..] {
            worker.run(&["swarm", "join", "--token", &token, &address]);
        }
        wait_until("all nodes are ready", Duration::from_secs(60), || {
            let states = manager.run(&["node", "ls", "--format", "{{.Status}}"]);
            (states.lines().filter(|state| *state == "Ready").count() == self.hosts.len()).then_some(())
        });
    }

    /// All hosts, the manager first.
    pub fn all(&self) -> &[EngineHost] {
        &self.hosts
    }

    /// The manager.
    pub fn manager(&self) -> &EngineHost {
        &self.hosts[0]
    }

    /// An image that every engine has.
    pub fn image(&self) -> &str {
        &self.image
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        // All at once; each is waited for when it is dropped.
        self.hosts.iter().for_each(EngineHost::ask_to_end);
    }
}

/// A bridge that carries frames and has no address: another one with the same network is no neighbour.
struct Bridge {
    name: String,
}

impl Bridge {
    fn new(name: &str) -> Result<Self, String> {
        let bridge = Self {
            name: name.to_owned(),
        };
        administer("ip", &format!("link add {name} type bridge"))?;
        administer("ip", &format!("link set {name} up"))?;
        // Docker drops by default what the machine forwards, even between two ports of one bridge.
        administer("iptables", &bridge.rule("-I"))?;
        Ok(bridge)
    }

    fn rule(&self, what: &str) -> String {
        let name = &self.name;
        format!("-w {what} FORWARD -i {name} -o {name} -j ACCEPT")
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // What is not there needs no removal.
        let _ = administer("iptables", &self.rule("-D"));
        let _ = administer("ip", &format!("link del {}", self.name));
    }
}

/// What a Swarm lacks here.
fn why_not() -> Option<String> {
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    if own.ok() != Some(0) {
        return Some("network namespaces need root".to_owned());
    }
    let versions = [
        ("docker", "--version"),
        ("dockerd", "--version"),
        ("ip", "-V"),
        ("iptables", "--version"),
        ("unshare", "--version"),
        ("nsenter", "--version"),
        ("setpriv", "--version"),
    ];
    for (program, argument) in versions {
        let found = system(program).arg(argument).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!("`{program}` cannot be run"));
        }
    }
    busybox()
        .is_none()
        .then(|| "busybox-static is not installed".to_owned())
}
