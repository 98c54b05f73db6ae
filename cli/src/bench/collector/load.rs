//! A steady load of an engine's own events.

use crate::bench::collector::engine::Engine;
use crate::error::CliResult;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Events of one container's whole life: create, start, kill, die, destroy. The collector inspects at three of them.
pub const LIFE: f64 = 5.0;
/// Between the start and the kill.
const LIVES: Duration = Duration::from_millis(200);

/// What a load has done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Events that the engine was made to emit.
    pub events: u64,
    /// How long that took, seconds.
    pub seconds: f64,
}

/// So many events a second for a time: each second one container lives and goes, where the rate has room for that, and
/// another one is renamed for the rest. A rename is the cheapest event that an engine has.
///
/// # Errors
/// The engine refuses.
pub async fn steady(socket: &Path, rate: f64, time: Duration) -> CliResult<Done> {
    let lives = rate >= 4.0 * LIFE;
    let renames = if lives { rate - LIFE } else { rate };
    let began = Instant::now();
    let end = began + time;
    let (renamed, lived) = tokio::try_join!(rename(socket, renames, end), live(socket, lives, end))?;
    Ok(Done {
        events: renamed + lived,
        seconds: began.elapsed().as_secs_f64(),
    })
}

async fn rename(socket: &Path, rate: f64, end: Instant) -> CliResult<u64> {
    let mut engine = Engine::at(socket);
    let id = engine.create().await?;
    let renamed = rename_until(&mut engine, &id, rate, end).await;
    engine.remove(&id).await?;
    // Its creation and its end are events too.
    Ok(renamed? + 2)
}

async fn rename_until(engine: &mut Engine, id: &str, rate: f64, end: Instant) -> CliResult<u64> {
    let began = Instant::now();
    let mut count: u64 = 0;
    loop {
        let due = began + Duration::from_secs_f64(count as f64 / rate);
        if due >= end || Instant::now() >= end {
            return Ok(count);
        }
        sleep_until(due).await;
        engine
            .rename(id, &format!("e2l-bench-{}-{count}", std::process::id()))
            .await?;
        count += 1;
    }
}

async fn live(socket: &Path, lives: bool, end: Instant) -> CliResult<u64> {
    let mut engine = Engine::at(socket);
    let (mut events, mut due) = (0, Instant::now());
    while lives && due < end {
        sleep_until(due).await;
        let id = engine.create().await?;
        let lived = live_once(&mut engine, &id).await;
        engine.remove(&id).await?;
        lived?;
        events += LIFE as u64;
        // One that took longer than a second delays the next.
        due = (due + Duration::from_secs(1)).max(Instant::now());
    }
    Ok(events)
}

async fn live_once(engine: &mut Engine, id: &str) -> CliResult<()> {
    engine.start(id).await?;
    sleep(LIVES).await;
    engine.kill(id).await
}
