//! What was measured, for people and for programs.

use crate::bench::args::BenchArgs;
use crate::bench::latency::CollectorStats;
use crate::bench::proof_cost::{ProofCost, ReadCost};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table, Terminal};
use e2l_client::wire::StatusReply;
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// All results.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    release: &'static str,
    cpus: usize,
    filesystem: &'static str,
    mode: &'static str,
    offered_events_per_second: Option<f64>,
    collectors: u32,
    containers: u32,
    events: u64,
    seconds: f64,
    events_per_second: f64,
    latency_ms: Latency,
    cpu_seconds_per_1000_events: f64,
    peak_rss_bytes: u64,
    disk_bytes_per_event_and_peer: f64,
    proofs: ProofCost,
    processes: Vec<ProcessReport>,
    peers: Vec<PeerReport>,
    agreed: bool,
    notes: Vec<String>,
}

/// From the moment an event is made until its collector knows that it is final, milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Half of the events were faster.
    pub p50: f64,
    /// 95 of 100 were faster.
    pub p95: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessReport {
    process: String,
    cpu_seconds: f64,
    cpu_seconds_per_1000_events: f64,
    peak_rss_bytes: u64,
}

impl ProcessReport {
    /// From what the kernel says.
    pub fn new(name: &str, cpu: Duration, peak_rss: u64, events: u64) -> Self {
        Self {
            process: name.to_owned(),
            cpu_seconds: cpu.as_secs_f64(),
            cpu_seconds_per_1000_events: per_thousand(cpu.as_secs_f64(), events),
            peak_rss_bytes: peak_rss,
        }
    }
}

/// One peer's ledger at the end.
#[derive(Debug, Clone, Serialize)]
pub struct PeerReport {
    peer: String,
    transactions: Option<u64>,
    final_height: Option<u64>,
    header: Option<String>,
    state_root: Option<String>,
    disk_bytes: u64,
    disk_bytes_per_event: f64,
}

impl PeerReport {
    /// From what the peer says, if it answers.
    pub fn new(actor: &str, status: Option<&StatusReply>, disk_bytes: u64, events: u64) -> Self {
        Self {
            peer: actor.to_owned(),
            transactions: status.map(|status| status.transactions),
            final_height: status.map(|status| status.final_height),
            header: status.map(|status| hex::encode(&status.header)),
            state_root: status.map(|status| hex::encode(&status.state_root)),
            disk_bytes,
            disk_bytes_per_event: disk_bytes as f64 / events.max(1) as f64,
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

fn per_thousand(value: f64, events: u64) -> f64 {
    value * 1000.0 / events.max(1) as f64
}

impl Report {
    /// Puts the parts together.
    pub fn new(
        args: &BenchArgs,
        filesystem: &'static str,
        stats: &CollectorStats,
        seconds: f64,
        processes: Vec<ProcessReport>,
        peers: Vec<PeerReport>,
    ) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu: f64 = processes.iter().map(|process| process.cpu_seconds).sum();
        let disk: f64 = peers.iter().map(|peer| peer.disk_bytes_per_event).sum();
        let agreed = peers.windows(2).all(|pair| pair[0].same_ledger(&pair[1]));
        let complete = peers
            .iter()
            .all(|peer| peer.transactions.is_some_and(|count| count >= stats.events));
        let mut notes = vec![
            format!("all processes share the {cpus} CPUs of this machine"),
            "of several collectors each latency percentile is that of the slowest".to_owned(),
            "making, signing and spooling events is part of the collectors' CPU".to_owned(),
            "every peer and collector syncs to disk before it answers; all connections are TLS 1.3"
                .to_owned(),
            "every block is endorsed and every answer checked: there is no throughput without".to_owned(),
            "signatures: their number times what one takes here; part of the peers' CPU".to_owned(),
        ];
        if filesystem == "memory" {
            notes.push("the directory is in memory, where fsync costs nothing: use another --dir".to_owned());
        }
        Self {
            release: env!("CARGO_PKG_VERSION"),
            cpus,
            filesystem,
            mode: if args.rate.is_some() {
                "fixed rate"
            } else {
                "closed loop"
            },
            offered_events_per_second: args.rate,
            collectors: args.collectors,
            containers: args.containers,
            events: stats.events,
            seconds,
            events_per_second: stats.events as f64 / seconds,
            latency_ms: stats.latency,
            cpu_seconds_per_1000_events: per_thousand(cpu, stats.events),
            peak_rss_bytes: processes.iter().map(|process| process.peak_rss_bytes).sum(),
            disk_bytes_per_event_and_peer: disk / peers.len().max(1) as f64,
            proofs: ProofCost::default(),
            agreed: agreed && complete,
            processes,
            peers,
            notes,
        }
    }

    /// With the costs of proofs.
    pub fn with_proofs(self, proofs: ProofCost) -> Self {
        Self { proofs, ..self }
    }

    /// Writes it to standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self, format: Format) -> CliResult<()> {
        if format == Format::Table {
            return Ok(std::io::stdout().write_all(self.people(Terminal::stdout()).as_bytes())?);
        }
        let columns = [
            "release",
            "cpus",
            "filesystem",
            "mode",
            "offered_events_per_second",
            "collectors",
            "containers",
            "events",
            "seconds",
            "events_per_second",
            "latency_ms",
            "cpu_seconds_per_1000_events",
            "peak_rss_bytes",
            "disk_bytes_per_event_and_peer",
            "proofs",
            "processes",
            "peers",
            "agreed",
            "notes",
        ];
        let listing = Listing {
            columns: &columns,
            items: std::slice::from_ref(self),
            table: Table::new([]),
        };
        listing.print_one(format)
    }

    fn people(&self, terminal: Terminal) -> String {
        let parts = [
            self.summary().render(terminal),
            self.proof_table().render(terminal),
            self.process_table().render(terminal),
            self.peer_table().render(terminal),
            self.notes.iter().map(|note| format!("{note}\n")).collect(),
        ];
        parts.join("\n")
    }

    fn summary(&self) -> Table {
        let mut table = Table::new([
            Column::new("MEASURED"),
            Column::new("VALUE").right(),
            Column::new("UNIT").shrink(10),
        ]);
        let load = match self.offered_events_per_second {
            Some(rate) => format!("events, offered at {rate}/s by {} collectors", self.collectors),
            None => format!("events, closed loop, {} collectors", self.collectors),
        };
        let latency = self.latency_ms;
        let mut row = |name: &str, value: String, unit: &str| {
            table.push(vec![
                name.into(),
                Cell::new(value, Style::Bold),
                Cell::new(unit, Style::Dim),
            ]);
        };
        row("load", grouped(self.events), &load);
        row(
            "throughput",
            grouped(self.events_per_second.round() as u64),
            "events/s final on all peers",
        );
        row(
            "time",
            format!("{:.2}", self.seconds),
            "s from the first send to the last final",
        );
        row("latency p50", format!("{:.1}", latency.p50), "ms until final");
        row("latency p95", format!("{:.1}", latency.p95), "ms");
        row("latency p99", format!("{:.1}", latency.p99), "ms");
        row("latency max", format!("{:.1}", latency.max), "ms");
        row(
            "CPU",
            format!("{:.3}", self.cpu_seconds_per_1000_events),
            "s per 1,000 events, all processes",
        );
        row("memory", megabytes(self.peak_rss_bytes), "MB, sum of peaks");
        row(
            "disk",
            format!("{:.0}", self.disk_bytes_per_event_and_peer),
            "bytes per event and peer",
        );
        table
    }

    fn proof_table(&self) -> Table {
        let mut table = Table::new([
            Column::new("PROOFS").shrink(20),
            Column::new("EVENTS/s").right(),
            Column::new("CPU µs / EVENT").right(),
            Column::new("OF WHICH PEERS").right(),
        ]);
        let proofs = &self.proofs;
        let mut read = |name: &str, cost: &ReadCost| {
            table.push(vec![
                name.into(),
                grouped(cost.events_per_second.round() as u64).into(),
                format!("{:.1}", cost.reader_us_per_event + cost.peers_us_per_event).into(),
                format!("{:.1}", cost.peers_us_per_event).into(),
            ]);
        };
        read("reading events back, verified", &proofs.verified);
        read("the same unverified", &proofs.unverified);
        table.push(vec![
            "signing blocks and checking signatures".into(),
            "".into(),
            format!("{:.1}", proofs.endorsement_us_per_event).into(),
            format!("{:.1}", proofs.endorsement_us_per_event).into(),
        ]);
        table
    }

    fn process_table(&self) -> Table {
        let mut table = Table::new([
            Column::new("PROCESS"),
            Column::new("CPU s").right(),
            Column::new("CPU s / 1,000 EVENTS").right(),
            Column::new("PEAK MB").right(),
        ]);
        for process in &self.processes {
            table.push(vec![
                (&process.process).into(),
                format!("{:.2}", process.cpu_seconds).into(),
                format!("{:.4}", process.cpu_seconds_per_1000_events).into(),
                megabytes(process.peak_rss_bytes).into(),
            ]);
        }
        table
    }

    fn peer_table(&self) -> Table {
        let mut table = Table::new([
            Column::new("PEER"),
            Column::new("TRANSACTIONS").right(),
            Column::new("HEIGHT").right(),
            Column::new("DISK MB").right(),
            Column::new("BYTES / EVENT").right(),
            Column::new("STATE ROOT").shrink(12),
        ]);
        let style = if self.agreed { Style::Good } else { Style::Bad };
        for peer in &self.peers {
            let number = |value: Option<u64>| value.map_or_else(|| "no answer".to_owned(), grouped);
            table.push(vec![
                (&peer.peer).into(),
                Cell::new(number(peer.transactions), style),
                number(peer.final_height).into(),
                megabytes(peer.disk_bytes).into(),
                format!("{:.0}", peer.disk_bytes_per_event).into(),
                Cell::new(
                    peer.state_root.as_deref().unwrap_or("").get(..16).unwrap_or(""),
                    style,
                ),
            ]);
        }
        table
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

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_groups() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    fn peer(transactions: u64, state_root: u8) -> PeerReport {
        let status = StatusReply {
            transactions,
            state_root: vec![state_root; 32].into(),
            ..StatusReply::default()
        };
        PeerReport::new("a", Some(&status), 10, 5)
    }

    #[test]
    fn ledgers_that_differ_are_not_the_same() {
        assert!(peer(5, 1).same_ledger(&peer(5, 1)));
        assert!(!peer(5, 1).same_ledger(&peer(4, 1)));
        assert!(!peer(5, 1).same_ledger(&peer(5, 2)));
        let silent = PeerReport::new("a", None, 0, 5);
        assert!(!silent.same_ledger(&silent));
    }
}
