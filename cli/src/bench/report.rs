//! What was measured, for programs.

use crate::bench::args::LoadArgs;
use crate::bench::collector_stats::CollectorStats;
use crate::bench::disk::DiskUse;
use crate::bench::histogram::Latency;
use crate::bench::proof_cost::ProofCost;
use crate::bench::timeline::Second;
use crate::error::{CliError, CliResult};
use e2l_client::wire::StatusReply;
use serde::Serialize;
use std::time::Duration;

/// All results.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of event2ledger.
    pub release: &'static str,
    /// That all processes share.
    pub cpus: usize,
    /// Below the ledgers: `disk` or `memory`.
    pub filesystem: &'static str,
    /// Load average of the machine before the peers were started.
    pub load_before: Option<f64>,
    /// The load in words.
    pub load: String,
    /// None for a closed loop.
    pub offered_events_per_second: Option<f64>,
    /// Collector processes.
    pub collectors: u32,
    /// That the events are about.
    pub containers: u32,
    /// Events that the collectors took.
    pub offered: u64,
    /// Events that became final.
    pub events: u64,
    /// From the first send to the last final on all peers.
    pub seconds: f64,
    /// Final on all peers.
    pub events_per_second: f64,
    /// Throughput in the last tenth of the time, as part of that in the first.
    pub last_tenth_to_first: f64,
    /// From the intended moment of an event until its collector knew that it was final; all collectors together.
    pub latency_ms: Latency,
    /// CPU.
    pub cpu_us_per_event: Cpu,
    /// Sum of the processes' peaks.
    pub peak_rss_bytes: u64,
    /// Most at one time.
    pub peak_rss_at_once_bytes: u64,
    /// Mean of the peers.
    pub disk_bytes_per_event_and_peer: f64,
    /// Mean of the peers: what the kernel wrote for them, compactions and logs included.
    pub written_bytes_per_event_and_peer: f64,
    /// Blocks that became final.
    pub blocks: u64,
    /// Mean.
    pub events_per_block: f64,
    /// Times a peer made its logs durable, per block, mean of the peers; none if they do not count it.
    pub fsyncs_per_block: Option<f64>,
    /// Costs of signatures and verified reads.
    pub proofs: ProofCost,
    /// Each process.
    pub processes: Vec<ProcessReport>,
    /// Peers' CPU by what their threads are for.
    pub stages: Vec<StageReport>,
    /// Each ledger at the end.
    pub peers: Vec<PeerReport>,
    /// Every event is on every ledger, once, and all ledgers are the same.
    pub agreed: bool,
    /// Second by second.
    pub timeline: Vec<Second>,
    /// How to read it.
    pub notes: Vec<String>,
}

/// CPU per event, microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cpu {
    /// Peers and collectors, without inventing the events.
    pub network: f64,
    /// The peers.
    pub peers: f64,
    /// The collectors without inventing the events: spooling, signing, sending, proving.
    pub collectors: f64,
    /// Inventing the events, which a real collector does not do.
    pub generator: f64,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessReport {
    /// `provider's peer`, `collector 2`.
    pub process: String,
    /// User and system time during the load.
    pub cpu_seconds: f64,
    /// The same per event of the whole load.
    pub cpu_us_per_event: f64,
    /// Of which inventing events.
    pub generator_us_per_event: f64,
    /// Largest resident set.
    pub peak_rss_bytes: u64,
    /// What the kernel wrote for it during the load.
    pub written_bytes: u64,
}

/// What was read of one process: CPU during the load, CPU of its generator, peak of memory, bytes written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// User and system time during the load.
    pub cpu: Duration,
    /// Inventing events.
    pub generator: Duration,
    /// Largest resident set, bytes.
    pub peak_rss: u64,
    /// Bytes that the kernel wrote.
    pub written: u64,
}

impl ProcessReport {
    /// From what the kernel says.
    pub fn new(name: &str, used: Used, events: u64) -> Self {
        Self {
            process: name.to_owned(),
            cpu_seconds: used.cpu.as_secs_f64(),
            cpu_us_per_event: micros_per(used.cpu, events),
            generator_us_per_event: micros_per(used.generator, events),
            peak_rss_bytes: used.peak_rss,
            written_bytes: used.written,
        }
    }
}

/// CPU of one stage, in all peers.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    /// Name of the threads.
    pub stage: String,
    /// In each peer, in their order.
    pub cpu_us_per_event: Vec<f64>,
}

impl StageReport {
    /// Of all peers together.
    pub fn total(&self) -> f64 {
        self.cpu_us_per_event.iter().sum()
    }
}

/// One peer's ledger at the end.
#[derive(Debug, Clone, Serialize)]
pub struct PeerReport {
    /// Its actor.
    pub peer: String,
    /// Final ones; none if it did not answer.
    pub transactions: Option<u64>,
    /// The same.
    pub final_height: Option<u64>,
    /// Hash of its newest header.
    pub header: Option<String>,
    /// Commitment to its state.
    pub state_root: Option<String>,
    /// What the load added.
    pub disk: DiskUse,
    /// All of it.
    pub disk_bytes_per_event: f64,
}

impl PeerReport {
    /// From what the peer says, if it answers.
    pub fn new(actor: &str, status: Option<&StatusReply>, disk: DiskUse, events: u64) -> Self {
        Self {
            peer: actor.to_owned(),
            transactions: status.map(|status| status.transactions),
            final_height: status.map(|status| status.final_height),
            header: status.map(|status| hex::encode(&status.header)),
            state_root: status.map(|status| hex::encode(&status.state_root)),
            disk,
            disk_bytes_per_event: disk.total() as f64 / events.max(1) as f64,
        }
    }

    fn same_ledger(&self, other: &Self) -> bool {
        self.transactions.is_some()
            && (
                self.transactions,
                self.final_height,
                &self.header,
                &self.state_root,
            ) == (
                other.transactions,
                other.final_height,
                &other.header,
                &other.state_root,
            )
    }
}

/// Microseconds per event.
pub fn micros_per(used: Duration, events: u64) -> f64 {
    used.as_secs_f64() * 1e6 / events.max(1) as f64
}

/// What a report is made of, besides what the collectors measured.
pub struct Parts {
    /// See [`Report::filesystem`].
    pub filesystem: &'static str,
    /// See [`Report::load_before`].
    pub load_before: Option<f64>,
    /// See [`Report::seconds`].
    pub seconds: f64,
    /// See [`Report::last_tenth_to_first`].
    pub last_tenth_to_first: f64,
    /// See [`Report::peak_rss_at_once_bytes`].
    pub peak_rss_at_once: u64,
    /// See [`Report::fsyncs_per_block`].
    pub fsyncs_per_block: Option<f64>,
    /// See [`Report::processes`]: the peers, then the collectors.
    pub processes: Vec<ProcessReport>,
    /// See [`Report::stages`].
    pub stages: Vec<StageReport>,
    /// See [`Report::peers`].
    pub peers: Vec<PeerReport>,
    /// See [`Report::timeline`].
    pub timeline: Vec<Second>,
    /// See [`Report::proofs`].
    pub proofs: ProofCost,
}

impl Report {
    /// Puts the parts together.
    pub fn new(args: &LoadArgs, stats: &CollectorStats, parts: Parts) -> Self {
        let count = parts.peers.len();
        let mean = |sum: f64| sum / count.max(1) as f64;
        let per_event = |bytes: u64| bytes as f64 / stats.events.max(1) as f64;
        let peers = &parts.peers;
        let agreed = peers.windows(2).all(|pair| pair[0].same_ledger(&pair[1]))
            && peers.iter().all(|peer| peer.transactions == Some(stats.events))
            && stats.taken == stats.events;
        let blocks = peers
            .iter()
            .filter_map(|peer| peer.final_height)
            .max()
            .unwrap_or_default();
        let written = parts
            .processes
            .iter()
            .take(count)
            .map(|peer| peer.written_bytes)
            .sum();
        Self {
            release: env!("CARGO_PKG_VERSION"),
            cpus: cpus(),
            filesystem: parts.filesystem,
            load_before: parts.load_before,
            load: args.words(),
            offered_events_per_second: args.rate,
            collectors: args.collectors,
            containers: args.containers,
            offered: stats.taken,
            events: stats.events,
            seconds: parts.seconds,
            events_per_second: stats.events as f64 / parts.seconds,
            last_tenth_to_first: parts.last_tenth_to_first,
            latency_ms: stats.histogram.latency(),
            cpu_us_per_event: Cpu::of(&parts.processes, count),
            peak_rss_bytes: parts.processes.iter().map(|process| process.peak_rss_bytes).sum(),
            peak_rss_at_once_bytes: parts.peak_rss_at_once,
            disk_bytes_per_event_and_peer: mean(peers.iter().map(|peer| peer.disk_bytes_per_event).sum()),
            written_bytes_per_event_and_peer: mean(per_event(written)),
            blocks,
            events_per_block: stats.events as f64 / blocks.max(1) as f64,
            fsyncs_per_block: parts.fsyncs_per_block,
            proofs: parts.proofs,
            agreed,
            notes: notes(parts.filesystem, parts.fsyncs_per_block.is_some()),
            processes: parts.processes,
            stages: parts.stages,
            peers: parts.peers,
            timeline: parts.timeline,
        }
    }

    /// Fails unless every event is on every ledger, and all are the same.
    ///
    /// # Errors
    /// They are not, or a peer did not say.
    pub fn judge(&self) -> CliResult<()> {
        if self.agreed {
            return Ok(());
        }
        if self.peers.iter().any(|peer| peer.transactions.is_none()) {
            return Err(CliError::not_proven(
                "not every peer answered at the end: whether they agree is unknown",
                "run it again with --dir DIR, and see DIR/logs",
            ));
        }
        Err(CliError::refused(
            "the peers do not have the same ledger with every event on it",
            "run it again with --dir DIR, keep that directory and see DIR/logs",
        ))
    }
}

impl Cpu {
    /// Of processes of which the first so many are peers.
    fn of(processes: &[ProcessReport], peers: usize) -> Self {
        let (peers, collectors) = processes.split_at(peers.min(processes.len()));
        let sum = |some: &[ProcessReport]| some.iter().map(|process| process.cpu_us_per_event).sum::<f64>();
        let generator: f64 = processes
            .iter()
            .map(|process| process.generator_us_per_event)
            .sum();
        let (peers, collectors) = (sum(peers), (sum(collectors) - generator).max(0.0));
        Self {
            network: peers + collectors,
            peers,
            collectors,
            generator,
        }
    }
}

/// Of this machine.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn notes(filesystem: &str, counts_syncs: bool) -> Vec<String> {
    let mut notes = vec![
        format!("all processes share the {} CPUs of this machine", cpus()),
        "latency: from the intended moment of an event (closed loop: from its making) until its collector knew that \
         it was final; all collectors' histograms added up; a percentile is known to 1 part in 32"
            .to_owned(),
        "making events is shown apart as `generator`; spooling, signing and proving are part of the collectors' CPU"
            .to_owned(),
        "every peer and collector syncs to disk before it answers; all connections are TLS 1.3".to_owned(),
        "every block is endorsed and every answer checked: there is no throughput without".to_owned(),
        "signatures: their number times what one takes here; part of the peers' CPU".to_owned(),
        "stages are told apart by the names of threads; `threads that ended` were not seen at their end".to_owned(),
    ];
    notes.push(match counts_syncs {
        true => "fsyncs: of the write-ahead logs of both databases; those of RocksDB's own flushes and compactions \
                 are not counted"
            .to_owned(),
        false => "fsyncs per block are left out: the peers do not count them".to_owned(),
    });
    if filesystem == "memory" {
        notes.push("the directory is in memory, where fsync costs nothing: use another --dir".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(transactions: u64, state_root: u8) -> PeerReport {
        let status = StatusReply {
            transactions,
            state_root: vec![state_root; 32].into(),
            ..StatusReply::default()
        };
        PeerReport::new("a", Some(&status), DiskUse::default(), 5)
    }

    #[test]
    fn ledgers_that_differ_are_not_the_same() {
        assert!(peer(5, 1).same_ledger(&peer(5, 1)));
        assert!(!peer(5, 1).same_ledger(&peer(4, 1)));
        assert!(!peer(5, 1).same_ledger(&peer(5, 2)));
        let silent = PeerReport::new("a", None, DiskUse::default(), 5);
        assert!(!silent.same_ledger(&silent));
    }

    #[test]
    fn inventing_events_is_told_apart() {
        let process = |cpu, generator| {
            let used = Used {
                cpu: Duration::from_micros(cpu),
                generator: Duration::from_micros(generator),
                ..Used::default()
            };
            ProcessReport::new("x", used, 10)
        };
        let cpu = Cpu::of(&[process(100, 0), process(200, 0), process(90, 30)], 2);
        let found = [cpu.network, cpu.peers, cpu.collectors, cpu.generator];
        for (found, expected) in found.into_iter().zip([36.0, 30.0, 6.0, 3.0]) {
            assert!((found - expected).abs() < 1e-9, "{cpu:?}");
        }
    }
}
