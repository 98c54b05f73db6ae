//! How long a peer takes to serve again, and to catch up with what came while it was away.

use crate::bench::args::LoadArgs;
use crate::bench::measure::{start, wait_for_leader};
use crate::bench::sampler::Sampler;
use crate::bench::stage::Stage;
use crate::demo::look;
use crate::error::{CliError, CliResult};
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait for a peer to serve, and to catch up.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);
/// Whose peer goes away; its actor has no collector here.
const AWAY: &str = "user";

/// A peer that comes back.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RestartReport {
    /// Events on the ledger.
    pub events: u64,
    /// Blocks that they are in.
    pub blocks: u64,
    /// From the start of a peer that has them all until it serves, seconds.
    pub serving_seconds: f64,
    /// From the start of a peer that has none of them until it has all, seconds.
    pub catch_up_seconds: f64,
    /// The same as a rate.
    pub catch_up_events_per_second: f64,
}

/// A load of events with one peer away.
pub fn load(events: u64, containers: u32) -> LoadArgs {
    LoadArgs {
        // The first two actors'.
        collectors: 2,
        events: Some(events),
        containers,
        ..LoadArgs::default()
    }
}

/// Measures with the events of `args`, as [`load`] makes it.
///
/// # Errors
/// Something does not start, or the peer does not catch up.
pub async fn restart(stage: &mut Stage, args: &LoadArgs) -> CliResult<RestartReport> {
    start(stage).await?;
    stop_peer(stage).await?;
    let others: Vec<String> = stage
        .network
        .actors()
        .iter()
        .filter(|actor| *actor != AWAY)
        .cloned()
        .collect();
    wait_for_leader(stage, &others).await?;
    eprintln!(
        "Recording {} events while {AWAY}'s peer is away...",
        args.events.unwrap_or_default()
    );
    stage.start_collectors(args.collectors)?;
    let mut sampler = Sampler::default();
    sampler.load(stage).await?;
    let events = args.events.unwrap_or_default();
    let (sight, _) = sampler.settle(stage, events).await;
    let blocks = sight.final_height();
    let began = Instant::now();
    stage.restart_peer(AWAY, PATIENCE).await?;
    caught_up(stage, blocks).await?;
    let catch_up_seconds = began.elapsed().as_secs_f64();
    stop_peer(stage).await?;
    let serving = stage.restart_peer(AWAY, PATIENCE).await?;
    Ok(RestartReport {
        events,
        blocks,
        serving_seconds: serving.as_secs_f64(),
        catch_up_seconds,
        catch_up_events_per_second: events as f64 / catch_up_seconds,
    })
}

async fn stop_peer(stage: &mut Stage) -> CliResult<()> {
    let stopped = match stage.take_peer(AWAY) {
        Some(daemon) => daemon.stop().await,
        None => false,
    };
    if stopped {
        return Ok(());
    }
    Err(CliError::refused(
        format!("{AWAY}'s peer did not stop as it should"),
        "run it again with --dir DIR, and see DIR/logs",
    ))
}

async fn caught_up(stage: &Stage, height: u64) -> CliResult<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sight = look(stage.session.client()).await;
        if sight
            .peers
            .get(AWAY)
            .is_some_and(|status| status.final_height >= height)
        {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(CliError::refused(
                format!("{AWAY}'s peer did not catch up within {} s", PATIENCE.as_secs()),
                "run it again with --dir DIR, and see DIR/logs",
            ));
        }
        sleep(EVERY).await;
    }
}
