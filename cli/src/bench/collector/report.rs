//! What a collector costs, for people and programs.

use crate::bench::bars::{self, Bar, Verdict};
use crate::bench::collector::bare_reader::BareReader;
use crate::bench::collector::counted::Latency;
use crate::bench::collector::starts::StartTimes;
use crate::bench::collector::usage::Usage;
use crate::bench::figures::figure;
use crate::error::CliResult;
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use serde::Serialize;

/// Fields, for CSV.
const COLUMNS: [&str; 9] = [
    "release",
    "cpus",
    "filesystem",
    "load_before",
    "idle",
    "loaded",
    "bare_reader",
    "throughput",
    "starts",
];

/// A collector under a steady load.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Loaded {
    /// Events a second that were asked for.
    pub offered_per_second: f64,
    /// Events that the engine was made to emit, a second.
    pub emitted_per_second: f64,
    /// Events that the engine was made to emit.
    pub emitted: u64,
    /// Events that became final meanwhile and in the seconds after: others' containers count too.
    pub events: u64,
    /// Batches that they were in.
    pub batches: u64,
    /// CPU and memory.
    pub usage: Usage,
    /// From reading an event until it was known to be final, of all since the start.
    pub latency_ms: Latency,
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct CollectorReport {
    /// Release of this program.
    pub release: &'static str,
    /// Processors.
    pub cpus: usize,
    /// What the spool lies on.
    pub filesystem: &'static str,
    /// Processes that wanted a CPU in the minute before.
    pub load_before: Option<f64>,
    /// Beside an engine that does nothing.
    pub idle: Option<Usage>,
    /// Beside one that works.
    pub loaded: Option<Loaded>,
    /// What no collector can cost less than, at the same rate.
    pub bare_reader: Option<BareReader>,
    /// Invented events through spool, signature and submission until they are final, a second.
    pub throughput: Option<f64>,
    /// Starts of containers with and without it.
    pub starts: Option<StartTimes>,
}

impl CollectorReport {
    /// Writes it to standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self, format: Format) -> CliResult<()> {
        let listing = Listing {
            columns: &COLUMNS,
            items: std::slice::from_ref(self),
            table: self.table(),
        };
        listing.print_one(format)
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            Column::new("ONE COLLECTOR"),
            Column::new("MEASURED").right(),
            Column::new("BAR").right(),
            Column::new(""),
        ]);
        let mut judged = |what: &str, value: f64, unit: &str, bar: Bar| {
            let (word, style) = match bar.judge(value) {
                Verdict::Beyond => ("beyond", Style::Good),
                Verdict::Reached => ("reached", Style::Good),
                Verdict::Missed => ("not reached", Style::Bad),
            };
            table.push(vec![
                what.into(),
                format!("{}{unit}", figure(value)).into(),
                format!("{}{unit}", figure(bar.bar)).into(),
                Cell::new(word, style),
            ]);
        };
        if let Some(idle) = &self.idle {
            judged(
                "idle, CPU of one core",
                idle.cpu_percent,
                "%",
                bars::COLLECTOR_IDLE_CPU,
            );
            judged(
                "idle, memory",
                idle.peak_rss_mib,
                " MiB",
                bars::COLLECTOR_IDLE_RSS,
            );
        }
        if let Some(loaded) = &self.loaded {
            judged(
                "loaded, CPU of one core",
                loaded.usage.cpu_percent,
                "%",
                bars::COLLECTOR_CPU,
            );
            judged(
                "loaded, memory",
                loaded.usage.peak_rss_mib,
                " MiB",
                bars::COLLECTOR_RSS,
            );
        }
        if let Some(throughput) = self.throughput {
            judged("events until final", throughput, "/s", bars::SINGLE);
        }
        for (what, value) in self.shown() {
            table.push(vec![what.into(), value.into(), "".into(), "".into()]);
        }
        table
    }

    fn shown(&self) -> Vec<(&'static str, String)> {
        let mut shown = Vec::new();
        if let Some(loaded) = &self.loaded {
            shown.push((
                "loaded, the engine's events",
                format!("{}/s", figure(loaded.emitted_per_second)),
            ));
            shown.push((
                "loaded, events of a batch",
                figure(loaded.events as f64 / loaded.batches.max(1) as f64),
            ));
            let latency = &loaded.latency_ms;
            shown.push((
                "loaded, read to final",
                format!("p50 {}, p99 {} ms", figure(latency.p50), figure(latency.p99)),
            ));
        }
        if let (Some(loaded), Some(bare)) = (&self.loaded, &self.bare_reader) {
            let (least, ratio) = (bare.cpu_percent, loaded.usage.cpu_percent / bare.cpu_percent);
            shown.push((
                "loaded, CPU of a thread that only reads",
                format!("{}%; the collector {} times that", figure(least), figure(ratio)),
            ));
        }
        if let Some(starts) = &self.starts {
            shown.push((
                "a container's start with it",
                format!("{} ms", figure(starts.with_ms)),
            ));
            shown.push((
                "a container's start without",
                format!("{} ms", figure(starts.without_ms)),
            ));
            shown.push((
                "difference of pairs, and its quartiles",
                format!(
                    "{:+.1} ms ({:+.1} to {:+.1})",
                    starts.difference_ms, starts.difference_q1_ms, starts.difference_q3_ms
                ),
            ));
        }
        shown
    }
}
