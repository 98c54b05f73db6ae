//! Many connected collectors that have little to say.

use crate::bench::accounts::Accounts;
use crate::bench::histogram::{Histogram, Latency};
use crate::bench::measure::start;
use crate::bench::sampler::Sampler;
use crate::bench::stage::Stage;
use crate::bench::swarm_member::SwarmMember;
use crate::error::CliResult;
use crate::unix_now_nano;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::iter;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Handshakes under way.
const HANDSHAKES: usize = 32;

/// What many connections cost.
#[derive(Debug, Clone, Serialize)]
pub struct SwarmReport {
    /// Connections that were wanted, each with a certificate of its own.
    pub wanted: u32,
    /// That a peer took and kept.
    pub connected: u64,
    /// Why others were not, once each.
    pub failures: Vec<String>,
    /// To connect all, seconds.
    pub connect_seconds: f64,
    /// All together.
    pub offered_events_per_second: f64,
    /// Events that became final.
    pub events: u64,
    /// From the intended moment until final.
    pub latency_ms: Latency,
    /// Largest resident set of each peer, bytes.
    pub peer_peak_rss_bytes: Vec<u64>,
    /// Nothing may be lost or duplicated.
    pub accounts: Accounts,
    /// What it is not.
    pub note: &'static str,
}

/// What one member saw.
#[derive(Default)]
struct Seen {
    latencies: Histogram,
    failure: Option<String>,
}

/// Connects `count` collectors, each of which sends one event every `interval`, for `time`.
///
/// # Errors
/// The peers do not start, or the ledger cannot be read back.
pub async fn swarm(
    stage: &mut Stage,
    count: u32,
    interval: Duration,
    time: Duration,
) -> CliResult<SwarmReport> {
    allow_files();
    stage.allow_connections(count)?;
    start(stage).await?;
    eprintln!("Connecting {count} collectors...");
    let began = Instant::now();
    let members = (0..count).map(|index| SwarmMember::open(&stage.network, index));
    let members = members.collect::<CliResult<Vec<_>>>()?;
    let tried: Vec<Result<SwarmMember, String>> = iter(members)
        .map(|mut member| async move {
            let connected = member.connect().await;
            connected.map(|()| member).map_err(|error| error.to_string())
        })
        .buffer_unordered(HANDSHAKES)
        .collect()
        .await;
    let connect_seconds = began.elapsed().as_secs_f64();
    let (mut members, mut failures) = (Vec::new(), Vec::new());
    for member in tried {
        match member {
            Ok(member) => members.push(member),
            Err(failure) => failures.push(failure),
        }
    }
    let connected = members.len() as u64;
    eprintln!(
        "{connected} are connected; one event each every {} s...",
        interval.as_secs()
    );
    let load = Load {
        start: Instant::now(),
        start_nano: unix_now_nano(),
        interval,
        rounds: (time.as_secs_f64() / interval.as_secs_f64()).ceil().max(1.0) as u32,
    };
    let part = interval / count.max(1);
    let speaking = (0..)
        .zip(members)
        .map(|(index, member)| load.speak(member, part * index));
    let seen = join_all(speaking).await;
    let mut latencies = Histogram::default();
    for one in seen {
        latencies.merge(&one.latencies);
        failures.extend(one.failure);
    }
    failures.sort_unstable();
    failures.dedup();
    let mut sampler = Sampler::default();
    sampler.settle(stage, latencies.count()).await;
    Ok(SwarmReport {
        wanted: count,
        connected,
        failures,
        connect_seconds,
        offered_events_per_second: connected as f64 / interval.as_secs_f64(),
        events: latencies.count(),
        latency_ms: latencies.latency(),
        peer_peak_rss_bytes: stage
            .peers
            .iter()
            .map(|peer| sampler.sample(peer).peak_rss)
            .collect(),
        accounts: Accounts::take(stage, latencies.count()).await?,
        note: "the collectors are connections of one process, each with its own certificate, chain of batches and \
               TLS session; they have no spool and no engine",
    })
}

/// As many open files as this process, and the peers that it starts, may have: each connection is one.
fn allow_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, the connections that fail say why.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// When to speak.
struct Load {
    start: Instant,
    start_nano: i64,
    interval: Duration,
    rounds: u32,
}

impl Load {
    async fn speak(&self, mut member: SwarmMember, offset: Duration) -> Seen {
        let mut seen = Seen::default();
        for round in 0..self.rounds {
            let after = offset + self.interval * round;
            sleep_until(self.start + after).await;
            let intended = self.start_nano + i64::try_from(after.as_nanos()).unwrap_or_default();
            if let Err(error) = member.submit(intended).await {
                seen.failure = Some(error.to_string());
                break;
            }
            let micros = (unix_now_nano() - intended) / 1000;
            seen.latencies.add(u64::try_from(micros).unwrap_or_default());
        }
        seen
    }
}
