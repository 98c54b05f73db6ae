//! The leader is killed under load, again and again: how long nothing becomes final, and whether anything is lost.

use crate::bench::accounts::Accounts;
use crate::bench::args::LoadArgs;
use crate::bench::collector_stats::CollectorStats;
use crate::bench::measure::{START, read_stats, start, wait_for_leader};
use crate::bench::sampler::Sampler;
use crate::bench::stage::Stage;
use crate::demo::{Sight, look};
use crate::error::{CliError, CliResult};
use crate::unix_now_nano;
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait for finals after a kill, and for the killed peer to catch up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);
/// With all peers at work, before a kill.
const QUIET: Duration = Duration::from_secs(2);
/// A pause that a kill causes begins at most so long after it: what was answered by then is under way.
const CAUSED_NANO: i64 = 1_000_000_000;

/// What leader kills cost.
#[derive(Debug, Clone, Serialize)]
pub struct FailoverReport {
    /// Events a second offered meanwhile.
    pub offered_events_per_second: Option<f64>,
    /// Longest pause in finals that any collector saw at each kill, milliseconds; 0 where none saw one of 50 ms.
    pub gaps_ms: Vec<f64>,
    /// Median of them.
    pub median_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Nothing may be lost or duplicated.
    pub accounts: Accounts,
}

/// Kills `kills` leaders while `args` is offered.
///
/// # Errors
/// Something does not start, or nothing becomes final any more after a kill.
pub async fn failover(stage: &mut Stage, args: &LoadArgs, kills: u32) -> CliResult<FailoverReport> {
    start(stage).await?;
    stage.start_collectors(args.collectors)?;
    wait(stage, "anything", |sight| least(sight) > 0).await?;
    let mut moments = Vec::new();
    for kill in 1..=kills {
        sleep(QUIET).await;
        eprintln!("Killing the leader, {kill} of {kills}...");
        moments.push(kill_leader(stage).await?);
    }
    sleep(QUIET).await;
    let each = read_stats(&stage.stop_collectors().await)?;
    let gaps_ms: Vec<f64> = moments.iter().map(|moment| gap(*moment, &each)).collect();
    let taken = each.iter().map(|stats| stats.taken).sum();
    Sampler::default().settle(stage, taken).await;
    let mut sorted = gaps_ms.clone();
    sorted.sort_by(f64::total_cmp);
    Ok(FailoverReport {
        offered_events_per_second: args.rate,
        median_ms: median(&sorted),
        max_ms: sorted.last().copied().unwrap_or_default(),
        gaps_ms,
        accounts: Accounts::take(stage, taken).await?,
    })
}

/// Returns when it was killed; by then it is back and has what it missed.
async fn kill_leader(stage: &mut Stage) -> CliResult<i64> {
    let sight = look(stage.session.client()).await;
    let leader = sight.leader().map(str::to_owned);
    let taken = leader.and_then(|leader| Some((stage.take_peer(&leader)?, leader)));
    let (daemon, leader) = taken
        .ok_or_else(|| CliError::usage("no peer leads", "run it again with --dir DIR, and see DIR/logs"))?;
    let before = sight
        .peers
        .values()
        .map(|status| status.transactions)
        .max()
        .unwrap_or_default();
    let moment = unix_now_nano();
    daemon
        .kill()
        .await
        .map_err(|error| CliError::usage(format!("cannot kill {leader}'s peer: {error}"), "run it again"))?;
    wait(stage, "new events", |sight| {
        sight.leader().is_some_and(|now| now != leader) && least(sight) > before
    })
    .await?;
    let height = look(stage.session.client()).await.final_height();
    stage.restart_peer(&leader, START).await?;
    wait(stage, "what the killed peer missed", |sight| {
        sight
            .peers
            .get(&leader)
            .is_some_and(|status| status.final_height >= height)
    })
    .await?;
    wait_for_leader(stage, stage.network.actors()).await?;
    Ok(moment)
}

fn least(sight: &Sight) -> u64 {
    let transactions = sight.peers.values().map(|status| status.transactions);
    transactions.min().unwrap_or_default()
}

async fn wait(stage: &Stage, what: &str, is_so: impl Fn(&Sight) -> bool) -> CliResult<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(&look(stage.session.client()).await) {
        if Instant::now() > deadline {
            return Err(CliError::refused(
                format!("{what} did not become final within {} s", PATIENCE.as_secs()),
                "run it again with --dir DIR, and see DIR/logs",
            ));
        }
        sleep(EVERY).await;
    }
    Ok(())
}

/// The longest pause around a kill that any collector saw, milliseconds.
fn gap(kill: i64, each: &[CollectorStats]) -> f64 {
    let pauses = each.iter().flat_map(|stats| &stats.pauses);
    let caused = pauses.filter(|(from, to)| *from <= kill + CAUSED_NANO && *to > kill);
    let longest = caused.map(|(from, to)| to - from).max();
    longest.unwrap_or_default() as f64 / 1e6
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(middle)) {
        (_, None) => 0.0,
        (0, Some(high)) => (sorted[middle - 1] + high) / 2.0,
        (_, Some(value)) => *value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_the_longest_pause_that_the_kill_caused() {
        let ms = 1_000_000;
        let stats = |pauses: &[(i64, i64)]| CollectorStats {
            pauses: pauses.iter().map(|(from, to)| (from * ms, to * ms)).collect(),
            ..CollectorStats::default()
        };
        let each = [
            stats(&[(100, 900), (4990, 5700)]),
            stats(&[(5200, 6500), (6100, 9000)]),
        ];
        assert!((gap(5000 * ms, &each) - 1300.0).abs() < 1e-9);
        assert!(gap(20_000 * ms, &each).abs() < 1e-9);
    }

    #[test]
    fn medians() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }
}
