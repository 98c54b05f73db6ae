//! What the suite measures besides loads: many connections, reads, a restart, and killed leaders.

use super::Suite;
use crate::bench::args::LoadArgs;
use crate::bench::bars;
use crate::bench::failover::{FailoverReport, failover};
use crate::bench::figures::{figure, grouped, megabytes};
use crate::bench::markdown::Row;
use crate::bench::reads::{ReadsReport, reads};
use crate::bench::restart::{self, RestartReport, restart};
use crate::bench::stage::Stage;
use crate::bench::swarm::{SwarmReport, swarm};
use crate::error::CliResult;
use std::time::Duration;

impl Suite<'_> {
    pub(super) async fn connected(&mut self) -> CliResult<()> {
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

    pub(super) async fn reads(&mut self) -> CliResult<()> {
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

    pub(super) async fn restart(&mut self) -> CliResult<()> {
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

    pub(super) async fn failover(&mut self) -> CliResult<()> {
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
}
