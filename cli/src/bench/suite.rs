//! `e2l bench suite`: everything that is promised, measured one after the other, in one directory of reports.

use crate::bench::args::LoadArgs;
use crate::bench::bars;
use crate::bench::failover::{FailoverReport, failover};
use crate::bench::figures::{figure, grouped, megabytes};
use crate::bench::markdown::{Row, table};
use crate::bench::measure::load_average;
use crate::bench::reads::{ReadsReport, reads};
use crate::bench::report::{Report, cpus};
use crate::bench::restart::{self, RestartReport, restart};
use crate::bench::stage::Stage;
use crate::bench::swarm::{SwarmReport, swarm};
use crate::bench::{on_stage, run_load, write_file};
use crate::demo::StopSignal;
use crate::deploy::find_chaincode;
use crate::error::{CliError, CliResult};
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
    /// Runs of each load; the table has the median
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9))]
    pub runs: Option<u32>,
    /// Seconds of each load [default: 60; quick: 3]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    pub duration: Option<u64>,
    /// Leaders that are killed [default: 5; quick: 1]
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
            kills: self.kills.unwrap_or(if self.quick { 1 } else { 5 }),
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
    suite.loads().await?;
    suite.single().await?;
    suite.connected().await?;
    suite.reads().await?;
    suite.restart().await?;
    suite.failover().await?;
    suite.sustained().await?;
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
    /// Saturation, then what depends on its throughput, then fixed rates and many containers.
    async fn loads(&mut self) -> CliResult<()> {
        let closed = self.load();
        let saturated = self
            .median("saturated", &closed, |report| report.events_per_second)
            .await?;
        if let Some(report) = &saturated {
            self.saturated_rows(report);
            self.overload(report).await?;
        }
        for rate in self.sizes.rates {
            let args = LoadArgs {
                rate: Some(f64::from(*rate)),
                ..self.load()
            };
            let name = format!("rate-{rate}");
            if let Some(report) = self.median(&name, &args, |report| report.latency_ms.p99).await? {
                self.rate_rows(*rate, &report);
            }
        }
        let many = LoadArgs {
            containers: 1_000_000,
            ..self.load()
        };
        if let Some(report) = self
            .median("million-containers", &many, |report| report.events_per_second)
            .await?
        {
            let what = |what: &str| format!("{what}, 1,000,000 containers");
            self.show(
                what("saturated throughput"),
                format!("{}/s", figure(report.events_per_second)),
            );
            self.show(
                what("CPU per event"),
                format!("{} µs", figure(report.cpu_us_per_event.network)),
            );
            self.show(
                what("disk per event and peer"),
                format!("{} B", figure(report.disk_bytes_per_event_and_peer)),
            );
            self.show(what("memory"), format!("{} MB", megabytes(report.peak_rss_bytes)));
        }
        Ok(())
    }

    fn load(&self) -> LoadArgs {
        LoadArgs {
            duration: Some(self.sizes.seconds),
            ..LoadArgs::default()
        }
    }

    fn saturated_rows(&mut self, report: &Report) {
        let rows = [
            Row::judged(
                "saturated throughput, final on all three",
                report.events_per_second,
                "/s",
                bars::THROUGHPUT,
            ),
            Row::judged(
                "CPU per event, whole network",
                report.cpu_us_per_event.network,
                " µs",
                bars::CPU,
            ),
            Row::shown(
                "of which peers, collectors; making events besides",
                format!(
                    "{}, {}; {} µs",
                    figure(report.cpu_us_per_event.peers),
                    figure(report.cpu_us_per_event.collectors),
                    figure(report.cpu_us_per_event.generator)
                ),
            ),
            Row::judged(
                "disk per event and peer, all included",
                report.disk_bytes_per_event_and_peer,
                " B",
                bars::DISK,
            ),
            Row::shown(
                "written per event and peer",
                format!("{} B", figure(report.written_bytes_per_event_and_peer)),
            ),
            Row::judged(
                "memory, all processes, at saturation",
                report.peak_rss_bytes as f64 / 1e6,
                " MB",
                bars::MEMORY,
            ),
            Row::shown(
                "fsyncs per block; events per block",
                format!(
                    "{}; {}",
                    report
                        .fsyncs_per_block
                        .map_or_else(|| "not counted".to_owned(), figure),
                    figure(report.events_per_block)
                ),
            ),
        ];
        self.rows.extend(rows);
    }

    fn rate_rows(&mut self, rate: u32, report: &Report) {
        let latency = report.latency_ms;
        let what = |what: &str| format!("latency at {}/s, {what}", grouped(u64::from(rate)));
        match rate {
            200 => {
                self.rows.push(Row::judged(
                    what("average"),
                    latency.average,
                    " ms",
                    bars::AVERAGE_200,
                ));
                self.rows
                    .push(Row::judged(what("p99"), latency.p99, " ms", bars::P99_200));
            }
            5000 => self
                .rows
                .push(Row::judged(what("p99"), latency.p99, " ms", bars::P99_5000)),
            _ => {}
        }
        let each = [
            latency.average,
            latency.p50,
            latency.p95,
            latency.p99,
            latency.p999,
            latency.max,
        ]
        .map(figure);
        self.show(
            what("average, p50, p95, p99, p99.9, max"),
            format!("{} ms", each.join(", ")),
        );
        self.show(
            format!(
                "at {}/s: CPU per event, disk per event and peer, memory",
                grouped(u64::from(rate))
            ),
            format!(
                "{} µs, {} B, {} MB",
                figure(report.cpu_us_per_event.network),
                figure(report.disk_bytes_per_event_and_peer),
                megabytes(report.peak_rss_bytes)
            ),
        );
    }

    /// Three times what the network takes.
    async fn overload(&mut self, peak: &Report) -> CliResult<()> {
        let args = LoadArgs {
            rate: Some((peak.events_per_second * 3.0).max(1.0).round()),
            ..self.load()
        };
        let Some(report) = self
            .median("overload", &args, |report| report.events_per_second)
            .await?
        else {
            return Ok(());
        };
        let plateau = report.events_per_second * 100.0 / peak.events_per_second;
        self.rows.push(Row::judged(
            "overload, 3 times capacity: throughput of the peak",
            plateau,
            " %",
            bars::PLATEAU,
        ));
        let memory = |part: usize| {
            let second = report.timeline.len() * part / 10;
            report.timeline.get(second).map_or(0, |second| second.rss_bytes)
        };
        let growth = format!("{} to {} MB", megabytes(memory(3)), megabytes(memory(9)));
        self.show(
            "overload: memory of all processes, after 30 % and 90 % of the time",
            growth,
        );
        let lost = report.offered.saturating_sub(report.events);
        let all = format!("{} of {}", grouped(report.events), grouped(report.offered));
        self.rows.push(Row::demanded(
            "overload: events final of those offered",
            all,
            "all",
            lost == 0,
        ));
        Ok(())
    }

    async fn single(&mut self) -> CliResult<()> {
        let args = LoadArgs {
            collectors: 1,
            ..self.load()
        };
        if let Some(report) = self
            .median("single-collector", &args, |report| report.events_per_second)
            .await?
        {
            self.rows.push(Row::judged(
                "one collector",
                report.events_per_second,
                "/s",
                bars::SINGLE,
            ));
        }
        Ok(())
    }

    async fn connected(&mut self) -> CliResult<()> {
        let (count, interval) = (self.sizes.connected, self.sizes.interval);
        let time = Duration::from_secs(self.sizes.seconds);
        let measured = self
            .scenario("connected", Stage::with_collectors(count, None), async |stage| {
                swarm(stage, count, interval, time).await
            })
            .await?;
        let Some(report): Option<SwarmReport> = measured else {
            return Ok(());
        };
        let what = |what: &str| {
            format!(
                "{} connected collectors (in one process): {what}",
                grouped(u64::from(count))
            )
        };
        let connected = format!(
            "{} in {} s",
            grouped(report.connected),
            figure(report.connect_seconds)
        );
        let all = report.connected == u64::from(count) && report.failures.is_empty();
        self.rows.push(Row::demanded(
            what("connected, no failure"),
            connected,
            "all",
            all,
        ));
        self.show(
            what(&format!(
                "latency at {}/s, p50, p99",
                figure(report.offered_events_per_second)
            )),
            format!(
                "{}, {} ms",
                figure(report.latency_ms.p50),
                figure(report.latency_ms.p99)
            ),
        );
        let largest = report
            .peer_peak_rss_bytes
            .iter()
            .copied()
            .max()
            .unwrap_or_default();
        self.show(
            what("memory of the largest peer"),
            format!("{} MB", megabytes(largest)),
        );
        for failure in report.failures {
            self.show(what("failure"), failure);
        }
        Ok(())
    }

    async fn reads(&mut self) -> CliResult<()> {
        let containers = u32::try_from(self.sizes.events / 10).unwrap_or(u32::MAX).max(1);
        let before = LoadArgs {
            events: Some(self.sizes.events),
            containers,
            ..LoadArgs::default()
        };
        let meanwhile = LoadArgs {
            rate: Some(500.0),
            events: None,
            endless: true,
            ..before.clone()
        };
        let count = self.sizes.reads;
        let measured = self
            .scenario("reads", Stage::build(&before), async |stage| {
                reads(stage, &before, &meanwhile, count).await
            })
            .await?;
        let Some(report): Option<ReadsReport> = measured else {
            return Ok(());
        };
        let what = format!(
            "getHistory p99 at {} events, verified, while writing",
            grouped(report.events)
        );
        self.rows.push(Row::judged(
            what,
            report.history.latency_ms.p99,
            " ms",
            bars::HISTORY_P99,
        ));
        let words = |read: &crate::bench::reads::ReadReport| {
            format!(
                "{}, {} ms ({} events each)",
                figure(read.latency_ms.p50),
                figure(read.latency_ms.p99),
                figure(read.events_per_read)
            )
        };
        self.show("getHistory, p50, p99", words(&report.history));
        self.show("range of the ledger, verified, p50, p99", words(&report.range));
        Ok(())
    }

    async fn restart(&mut self) -> CliResult<()> {
        let args = restart::load(self.sizes.events, LoadArgs::default().containers);
        let measured = self
            .scenario("restart", Stage::build(&args), async |stage| {
                restart(stage, &args).await
            })
            .await?;
        let Some(report): Option<RestartReport> = measured else {
            return Ok(());
        };
        let what = format!("peer with {} events: start to serving", grouped(report.events));
        self.rows
            .push(Row::judged(what, report.serving_seconds, " s", bars::RESTART));
        self.show(
            format!(
                "peer that missed {} events: until it has them",
                grouped(report.events)
            ),
            format!(
                "{} s ({}/s)",
                figure(report.catch_up_seconds),
                figure(report.catch_up_events_per_second)
            ),
        );
        Ok(())
    }

    async fn failover(&mut self) -> CliResult<()> {
        let args = LoadArgs {
            rate: Some(200.0),
            endless: true,
            ..LoadArgs::default()
        };
        let kills = self.sizes.kills;
        let measured = self
            .scenario("failover", Stage::build(&args), async |stage| {
                failover(stage, &args, kills).await
            })
            .await?;
        let Some(report): Option<FailoverReport> = measured else {
            return Ok(());
        };
        let what = format!("leader killed: gap in finals, median of {kills}");
        self.rows
            .push(Row::judged(what, report.median_ms, " ms", bars::FAILOVER));
        self.show(
            "leader killed: longest gap",
            format!("{} ms", figure(report.max_ms)),
        );
        let accounts = report.accounts;
        let lost = format!("{} lost, {} twice", accounts.lost, accounts.duplicated);
        let none = accounts.lost == 0 && accounts.duplicated == 0;
        let what = format!("leader killed: of {} events", grouped(accounts.taken));
        self.rows.push(Row::demanded(what, lost, "none", none));
        Ok(())
    }

    async fn sustained(&mut self) -> CliResult<()> {
        let Some(events) = self.args.sustained else {
            return Ok(());
        };
        let args = LoadArgs {
            events: Some(events),
            ..LoadArgs::default()
        };
        if let Some(report) = self
            .median("sustained", &args, |report| report.events_per_second)
            .await?
        {
            let what = format!(
                "sustained {} events: last tenth against first tenth",
                grouped(events)
            );
            self.rows.push(Row::judged(
                what,
                report.last_tenth_to_first * 100.0,
                " %",
                bars::SUSTAINED,
            ));
        }
        Ok(())
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
