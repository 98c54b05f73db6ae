//! A collector as a process.

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
    /// The collector of this number, reading the engine at a socket. Its spool is open when this returns.
    pub fn of_engine(network: &Network, number: usize, socket: &Path) -> Self {
        let source = format!("docker:{}", socket.display());
        let child = network.collector(number, &["--source", &source]);
        Self { number, child }
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It fails.
    pub fn stop(mut self, network: &Network) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).expect("it can be told");
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
