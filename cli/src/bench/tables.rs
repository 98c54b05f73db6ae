//! What was measured, for people.

use crate::bench::figures::{grouped, megabytes};
use crate::bench::proof_cost::ReadCost;
use crate::bench::report::Report;
use crate::error::CliResult;
use crate::output::{Cell, Column, Format, Listing, Style, Table, Terminal};
use std::io::Write;

/// Fields of a report, for CSV.
const COLUMNS: [&str; 27] = [
    "release",
    "cpus",
    "filesystem",
    "load_before",
    "load",
    "offered_events_per_second",
    "collectors",
    "containers",
    "offered",
    "events",
    "seconds",
    "events_per_second",
    "last_tenth_to_first",
    "latency_ms",
    "cpu_us_per_event",
    "peak_rss_bytes",
    "peak_rss_at_once_bytes",
    "disk_bytes_per_event_and_peer",
    "written_bytes_per_event_and_peer",
    "blocks",
    "events_per_block",
    "fsyncs_per_block",
    "proofs",
    "processes",
    "stages",
    "peers",
    "agreed",
];

impl Report {
    /// Writes it to standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self, format: Format) -> CliResult<()> {
        if format == Format::Table {
            return Ok(std::io::stdout().write_all(self.people(Terminal::stdout()).as_bytes())?);
        }
        let listing = Listing {
            columns: &COLUMNS,
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
            self.stage_table().render(terminal),
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
        let mut row = |name: &str, value: String, unit: &str| {
            table.push(vec![
                name.into(),
                Cell::new(value, Style::Bold),
                Cell::new(unit, Style::Dim),
            ]);
        };
        row("load", grouped(self.offered), &format!("events, {}", self.load));
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
        let latency = self.latency_ms;
        let ms = |value: f64| format!("{value:.1}");
        row("latency average", ms(latency.average), "ms until final");
        row("latency p50", ms(latency.p50), "ms");
        row("latency p95", ms(latency.p95), "ms");
        row("latency p99", ms(latency.p99), "ms");
        row("latency p99.9", ms(latency.p999), "ms");
        row("latency max", ms(latency.max), "ms");
        let cpu = self.cpu_us_per_event;
        let us = |value: f64| format!("{value:.1}");
        row("CPU", us(cpu.network), "µs per event, all peers and collectors");
        row("CPU of the peers", us(cpu.peers), "µs per event");
        row(
            "CPU of the collectors",
            us(cpu.collectors),
            "µs per event, without making events",
        );
        row(
            "CPU of the generator",
            us(cpu.generator),
            "µs per event, making events: not counted above",
        );
        row(
            "memory",
            megabytes(self.peak_rss_bytes),
            "MB, sum of the processes' peaks",
        );
        row(
            "memory at once",
            megabytes(self.peak_rss_at_once_bytes),
            "MB, most at one time",
        );
        let bytes = |value: f64| format!("{value:.0}");
        row(
            "disk",
            bytes(self.disk_bytes_per_event_and_peer),
            "bytes per event and peer",
        );
        row(
            "written",
            bytes(self.written_bytes_per_event_and_peer),
            "bytes per event and peer",
        );
        let blocks = format!("blocks, {:.1} events each", self.events_per_block);
        row("blocks", grouped(self.blocks), &blocks);
        let syncs = self
            .fsyncs_per_block
            .map_or_else(|| "-".to_owned(), |syncs| format!("{syncs:.2}"));
        row("fsyncs", syncs, "per block and peer");
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
            Column::new("CPU µs / EVENT").right(),
            Column::new("OF WHICH GENERATOR").right().optional(1),
            Column::new("PEAK MB").right(),
            Column::new("WRITTEN MB").right(),
        ]);
        for process in &self.processes {
            table.push(vec![
                (&process.process).into(),
                format!("{:.2}", process.cpu_seconds).into(),
                format!("{:.1}", process.cpu_us_per_event).into(),
                format!("{:.1}", process.generator_us_per_event).into(),
                megabytes(process.peak_rss_bytes).into(),
                megabytes(process.written_bytes).into(),
            ]);
        }
        table
    }

    fn stage_table(&self) -> Table {
        let mut table = Table::new([
            Column::new("STAGE (THREADS)").shrink(16),
            Column::new("CPU µs / EVENT").right(),
            Column::new("IN EACH PEER").right().shrink(12),
        ]);
        for stage in &self.stages {
            let each: Vec<String> = stage
                .cpu_us_per_event
                .iter()
                .map(|cpu| format!("{cpu:.1}"))
                .collect();
            table.push(vec![
                (&stage.stage).into(),
                format!("{:.1}", stage.total()).into(),
                each.join("  ").into(),
            ]);
        }
        table
    }

    fn peer_table(&self) -> Table {
        let mut table = Table::new([
            Column::new("PEER"),
            Column::new("TRANSACTIONS").right(),
            Column::new("HEIGHT").right(),
            Column::new("BYTES / EVENT").right(),
            Column::new("RAFT MB").right().optional(2),
            Column::new("TABLES MB").right().optional(2),
            Column::new("WAL MB").right().optional(2),
            Column::new("STATE ROOT").shrink(12).optional(1),
        ]);
        let style = if self.agreed { Style::Good } else { Style::Bad };
        for peer in &self.peers {
            let number = |value: Option<u64>| value.map_or_else(|| "no answer".to_owned(), grouped);
            table.push(vec![
                (&peer.peer).into(),
                Cell::new(number(peer.transactions), style),
                number(peer.final_height).into(),
                format!("{:.0}", peer.disk_bytes_per_event).into(),
                megabytes(peer.disk.raft).into(),
                megabytes(peer.disk.tables).into(),
                megabytes(peer.disk.wal).into(),
                Cell::new(
                    peer.state_root.as_deref().unwrap_or("").get(..16).unwrap_or(""),
                    style,
                ),
            ]);
        }
        table
    }
}
