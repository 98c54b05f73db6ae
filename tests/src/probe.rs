//! How long it takes until what is submitted is final.

use crate::collector::TestCollector;
use crate::events::event;
use crate::members::Members;
use crate::network::Network;
use anyhow::{Context, Result, ensure};
use e2l_identity::Identity;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When a batch was submitted, and how long it took until it was final.
pub type Latency = (Instant, Duration);

/// Batches of one event that a collector of its own submits in a thread, one when the one before is final.
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Latency>>>,
}

impl Probe {
    /// Starts it at an actor's peer.
    ///
    /// # Errors
    /// The actor cannot issue its certificate.
    pub fn start(network: &Network, actor: &str) -> Result<Self> {
        let home = network.root().join("probe");
        let out = home.to_str().context("a path in UTF-8")?;
        let arguments = [
            "cert",
            "issue",
            "--role",
            "collector",
            "--name",
            "probe",
            "--out",
            out,
        ];
        let made = network.e2l(actor, &arguments);
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let members = Members::of(network)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, actor) = (stop.clone(), actor.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let identity = Identity::load(&home.join("collector.pem"), &home.join("collector.key"))?;
                let client = members.only(&identity, &actor)?;
                let mut collector = TestCollector::new(Arc::new(identity), client, members.digest());
                let mut found = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let number = found.len();
                    let submitted = collector
                        .submit(vec![event(&format!("probe-{number}"), "start")])
                        .await;
                    submitted.with_context(|| format!("batch {number}"))?;
                    found.push((begun, begun.elapsed()));
                }
                Ok(found)
            })
        });
        Ok(Self { stop, thread })
    }

    /// Ends it; returns all that it has seen.
    ///
    /// # Errors
    /// A batch was refused.
    pub fn stop(self) -> Result<Vec<Latency>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The latency that so many of a hundred stay below, of those submitted in a span.
pub fn percentile(latencies: &[Latency], from: Instant, to: Instant, percent: usize) -> Duration {
    let within = latencies.iter().filter(|(at, _)| (from..to).contains(at));
    let mut sorted: Vec<Duration> = within.map(|(_, latency)| *latency).collect();
    sorted.sort();
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}
