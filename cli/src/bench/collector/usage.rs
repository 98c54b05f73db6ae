//! What one process uses over a time.

use crate::bench::proc::ProcSample;
use crate::bench::threads::Threads;
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks: a thread that ends is known up to its last one.
const EVERY: Duration = Duration::from_millis(200);

/// CPU and memory over a time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    /// For how long, seconds.
    pub seconds: f64,
    /// User and system time, percent of one core.
    pub cpu_percent: f64,
    /// Largest resident set since its start, MiB.
    pub peak_rss_mib: f64,
    /// Resident set at the end, MiB.
    pub rss_mib: f64,
}

impl Usage {
    /// Looks at a process as long as something else takes, and gives what that gave.
    pub async fn during<T>(pid: u32, what: impl Future<Output = T>) -> (T, Self) {
        let mut threads = Threads::default();
        threads.look(pid);
        let (began, before) = (Instant::now(), threads.total());
        let mut what = std::pin::pin!(what);
        let given = loop {
            tokio::select! {
                given = &mut what => break given,
                () = sleep(EVERY) => threads.look(pid),
            }
        };
        threads.look(pid);
        let time = began.elapsed();
        let used = threads.total().saturating_sub(before);
        let sample = ProcSample::read(pid).unwrap_or_default();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let usage = Self {
            seconds: time.as_secs_f64(),
            cpu_percent: percent(used, time),
            peak_rss_mib: mib(sample.peak_rss),
            rss_mib: mib(sample.rss),
        };
        (given, usage)
    }
}

/// What a share of a time is, in percent.
pub fn percent(share: Duration, time: Duration) -> f64 {
    100.0 * share.as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE)
}
