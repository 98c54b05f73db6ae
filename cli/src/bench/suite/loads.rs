//! Loads of the suite: what the network takes, and what it does at fixed rates.

use super::Suite;
use crate::bench::args::LoadArgs;
use crate::bench::bars;
use crate::bench::figures::{figure, grouped, megabytes};
use crate::bench::markdown::Row;
use crate::bench::report::Report;
use crate::error::CliResult;

impl Suite<'_> {
    /// Saturation, then what depends on its throughput, then fixed rates and many containers.
    pub(super) async fn loads(&mut self) -> CliResult<()> {
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

    pub(super) async fn single(&mut self) -> CliResult<()> {
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

    pub(super) async fn sustained(&mut self) -> CliResult<()> {
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
}
