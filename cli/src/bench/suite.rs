//! `e2l bench suite`: everything that is promised, measured one after the other, in one directory of reports.

mod loads;
mod scenarios;

use crate::bench::args::LoadArgs;
use crate::bench::markdown::{Row, table};
use crate::bench::measure::load_average;
use crate::bench::report::{Report, cpus};
use crate::bench::stage::Stage;
use crate::bench::{on_stage, run_load, write_file};
use crate::demo::StopSignal;
use crate::deploy::find_chaincode;
use crate::error::{CliError, CliResult};
use clap::ValueEnum;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the table's file.
const TABLE: &str = "report.md";

/// What the suite measures.
#[derive(Debug, Clone, clap::Args)]
pub struct SuiteArgs {
    /// Small numbers, to see that it works: its figures say nothing
    #[arg(long)]
    pub quick: bool,
    /// Where the reports go: a new or empty directory
    #[arg(long, value_name = "DIR", default_value = "e2l-bench")]
    pub out: PathBuf,
    /// Only these parts, separated by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Runs of each load; the table has the median
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9))]
    pub runs: Option<u32>,
    /// Seconds of each load [default: 60; quick: 3]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    pub duration: Option<u64>,
    /// Leaders that are killed [default: 20; quick: 1]
    #[arg(long, value_name = "N")]
    pub kills: Option<u32>,
    /// Collectors that are connected at the same time [default: 1000; quick: 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connected: Option<u32>,
    /// Events on the ledger before it is read, and that a peer misses [default: 1000000; quick: 2000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..))]
    pub events: Option<u64>,
    /// Also a long run of so many events, to see whether it slows down
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..))]
    pub sustained: Option<u64>,
}

/// A part of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Saturation, overload, fixed rates, many containers.
    Loads,
    /// One collector.
    Single,
    /// Many connected collectors.
    Connected,
    /// Reads while events are written.
    Reads,
    /// Catching up and starting.
    Restart,
    /// Leaders that are killed.
    Failover,
    /// The long run, if its length is given.
    Sustained,
}

/// Numbers of a suite.
struct Sizes {
    runs: u32,
    seconds: u64,
    kills: u32,
    connected: u32,
    /// Between two events of one connected collector.
    interval: Duration,
    events: u64,
    reads: u64,
    rates: &'static [u32],
}

impl SuiteArgs {
    fn sizes(&self) -> Sizes {
        let pick = |quick: u64, full: u64| if self.quick { quick } else { full };
        Sizes {
            runs: self.runs.unwrap_or(1),
            seconds: self.duration.unwrap_or(pick(3, 60)),
            kills: self.kills.unwrap_or(if self.quick { 1 } else { 20 }),
            connected: self.connected.unwrap_or(if self.quick { 30 } else { 1000 }),
            interval: Duration::from_secs(pick(2, 10)),
            events: self.events.unwrap_or(pick(2000, 1_000_000)),
            reads: pick(20, 500),
            rates: if self.quick {
                &[200]
            } else {
                &[200, 1000, 5000, 20_000]
            },
        }
    }
}

/// Runs everything. What fails is in the table, and the rest is measured all the same.
///
/// # Errors
/// The directory cannot be used; something failed; the suite was stopped.
pub async fn run(args: &SuiteArgs, stop: &StopSignal) -> CliResult<()> {
    // What every row needs is missed once, before the first.
    find_chaincode(None)?;
    new_directory(&args.out)?;
    let mut suite = Suite {
        args,
        sizes: args.sizes(),
        stop,
        rows: Vec::new(),
        failures: Vec::new(),
    };
    for part in Part::value_variants() {
        if args.only.is_empty() || args.only.contains(part) {
            suite.part(*part).await?;
        }
    }
    suite.end()
}

fn new_directory(path: &Path) -> CliResult<()> {
    std::fs::create_dir_all(path).map_err(|error| CliError::file("create", path, &error))?;
    let mut entries = std::fs::read_dir(path).map_err(|error| CliError::file("read", path, &error))?;
    if entries.next().is_none() {
        return Ok(());
    }
    Err(CliError::usage(
        format!("{} is not empty", path.display()),
        "name a new directory with --out DIR",
    ))
}

struct Suite<'a> {
    args: &'a SuiteArgs,
    sizes: Sizes,
    stop: &'a StopSignal,
    rows: Vec<Row>,
    failures: Vec<String>,
}

impl Suite<'_> {
    async fn part(&mut self, part: Part) -> CliResult<()> {
        match part {
            Part::Loads => self.loads().await,
            Part::Single => self.single().await,
            Part::Connected => self.connected().await,
            Part::Reads => self.reads().await,
            Part::Restart => self.restart().await,
            Part::Failover => self.failover().await,
            Part::Sustained => self.sustained().await,
        }
    }

    fn show(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.rows.push(Row::shown(what, measured));
    }

    /// Runs a load as often as is asked for, and gives the median by `key`; none if it failed.
    async fn median(
        &mut self,
        name: &str,
        args: &LoadArgs,
        key: impl Fn(&Report) -> f64,
    ) -> CliResult<Option<Report>> {
        let mut reports = Vec::new();
        for run in 1..=self.sizes.runs {
            let name = if self.sizes.runs == 1 {
                name.to_owned()
            } else {
                format!("{name}-{run}")
            };
            eprintln!("\n== {name}");
            let report = run_load(args, self.stop).await;
            let Some(report) = self.note(&name, report)? else {
                continue;
            };
            write_file(&self.path(&name, "svg"), &report.chart())?;
            if let Err(error) = report.judge() {
                self.fail(&name, &error);
            }
            reports.push(report);
        }
        reports.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let middle = reports.len() / 2;
        Ok(reports.into_iter().nth(middle))
    }

    /// Runs something on a network of its own; none if it failed.
    async fn scenario<T: Serialize>(
        &mut self,
        name: &str,
        stage: CliResult<Stage>,
        run: impl AsyncFnOnce(&mut Stage) -> CliResult<T>,
    ) -> CliResult<Option<T>> {
        eprintln!("\n== {name}");
        let measured = match stage {
            Ok(stage) => on_stage(stage, self.stop, run).await,
            Err(error) => Err(error),
        };
        self.note(name, measured)
    }

    /// Writes a report, or notes why there is none.
    fn note<T: Serialize>(&mut self, name: &str, measured: CliResult<T>) -> CliResult<Option<T>> {
        match measured {
            Ok(report) => {
                let json = serde_json::to_string_pretty(&report).map_err(|error| {
                    CliError::usage(format!("cannot write {name} as JSON: {error}"), "report this")
                })?;
                write_file(&self.path(name, "json"), &json)?;
                Ok(Some(report))
            }
            Err(error) if self.stop.is_set() => Err(error),
            Err(error) => {
                self.fail(name, &error);
                Ok(None)
            }
        }
    }

    fn fail(&mut self, name: &str, error: &CliError) {
        eprintln!("{name}: {error}");
        self.failures.push(name.to_owned());
        self.rows.push(Row::demanded(
            name,
            format!("failed: {error}"),
            "no failure",
            false,
        ));
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.args.out.join(format!("{name}.{extension}"))
    }

    /// Writes the table.
    fn end(self) -> CliResult<()> {
        let warning = match self.args.quick {
            true => "**Quick: small numbers, which show that it works and say nothing about speed.**\n\n",
            false => "",
        };
        let load = load_average().map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        let text = format!(
            "# event2ledger {}, measured\n\n{warning}All processes share {} CPUs. {} run(s) of each load, {} s each; 3 \
             collectors and 1,000 containers where nothing else is said; the table has the median run. Load average at \
             the end {load}; each run's own load before it is in its JSON as `load_before`.\n\n{}",
            env!("CARGO_PKG_VERSION"),
            cpus(),
            self.sizes.runs,
            self.sizes.seconds,
            table(&self.rows)
        );
        write_file(&self.args.out.join(TABLE), &text)?;
        println!("{text}");
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(CliError::refused(
            format!("{} failed", self.failures.join(", ")),
            "see the table; run one load alone with `e2l bench --dir DIR`, and see DIR/logs",
        ))
    }
}
