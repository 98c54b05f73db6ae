//! `collector.toml`.

use crate::source::{ContainerdOptions, ReplayPace, SourceSpec, SyntheticOptions, TaskOptions};
use e2l_client::MetricsOptions;
use e2l_identity::{IdentityOrigin, WorkloadOptions};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of a collector. Relative paths start at the directory of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorOptions {
    /// The network's genesis.
    pub genesis: PathBuf,
    /// This collector's certificate. A new one that is put in its place is taken while the collector runs.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key; mode 0600.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Instead of both: a SPIFFE Workload API.
    #[serde(default)]
    pub identity: Option<WorkloadOptions>,
    /// Who to become, if root has started it.
    #[serde(default)]
    pub user: Option<String>,
    /// Directory for what is not final yet. On a disk, and no other collector's.
    pub spool_dir: PathBuf,
    /// Bytes at which the spool takes no more. A source that can wait waits; an engine cannot: a gap is recorded.
    #[serde(default = "default_spool_max_bytes")]
    pub spool_max_bytes: u64,
    /// Bytes of memory for an engine's events that wait for the spool. Beyond, they are lost and a gap says how many; the
    /// reading never waits.
    #[serde(default = "default_memory_max_bytes")]
    pub memory_max_bytes: usize,
    /// Seconds between two comparisons of the engine's state with what was recorded; 0: only when a connection to it begins.
    #[serde(default = "default_reconcile_every_s")]
    pub reconcile_every_s: u64,
    /// Seconds between two heartbeats on the ledger, which tell the actors that this collector still watches its engine; 0:
    /// only one at the start, which promises no other. Sources that are no engine have none.
    #[serde(default = "default_heartbeat_every_s")]
    pub heartbeat_every_s: u64,
    /// Seconds between two inventories on the ledger, each right after a comparison: which containers ran. At most what the
    /// actors have agreed on (`inventory_interval_ms`), which 0 is, too.
    #[serde(default)]
    pub inventory_every_s: u64,
    /// Seconds between two looks at a Swarm's tasks, where the engine manages one: new ones are put on the ledger, so that what
    /// labels claim can be compared; 0: none.
    #[serde(default = "default_tasks_every_s")]
    pub tasks_every_s: u64,
    /// Where events come from: `docker`, `podman` or `containerd`, each also with `:PATH` of a socket, `replay:FILE` or
    /// `synthetic`.
    #[serde(default)]
    pub source: SourceSpec,
    /// How fast a recording is replayed.
    #[serde(default)]
    pub replay_pace: ReplayPace,
    /// Actors whose peers are asked first, in this order; its own if none is named. The others follow.
    #[serde(default)]
    pub peers: Vec<String>,
    /// File for measurements, written every second and at the end.
    #[serde(default)]
    pub stats_file: Option<PathBuf>,
    /// Whether to end once the source has ended and everything is final. A `synthetic` source with an end does
    /// that in any case.
    #[serde(default)]
    pub exit_when_done: bool,
    /// Metrics and health for monitoring.
    #[serde(default)]
    pub metrics: MetricsOptions,
    /// Log filter, as `RUST_LOG` has it.
    #[serde(default = "default_log")]
    pub log: String,
    /// Bounds of batches.
    #[serde(default)]
    pub batch: BatchOptions,
    /// What of a containerd is read.
    #[serde(default)]
    pub containerd: ContainerdOptions,
    /// What the source `synthetic` invents.
    #[serde(default)]
    pub synthetic: SyntheticOptions,
}

/// Smallest `spool_max_bytes`: a few segments, since only whole ones are freed.
const MIN_SPOOL_BYTES: u64 = 32 << 20;

fn default_spool_max_bytes() -> u64 {
    4 << 30
}

/// Longest interval, seconds.
const MAX_EVERY_S: u64 = 31_536_000;
/// Between two statements of all tasks, where there are no inventories.
const RESTATE_TASKS: Duration = Duration::from_secs(3600);
/// Smallest `memory_max_bytes`.
const MIN_MEMORY_BYTES: usize = 1 << 20;

fn default_memory_max_bytes() -> usize {
    32 << 20
}

fn default_reconcile_every_s() -> u64 {
    60
}

fn default_heartbeat_every_s() -> u64 {
    600
}

fn default_tasks_every_s() -> u64 {
    10
}

fn default_log() -> String {
    "info".to_owned()
}

/// Bounds of batches; the network's limits hold besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchOptions {
    /// Most events.
    pub max_events: usize,
    /// Batches sent and not final; at least 1.
    pub window: usize,
    /// Longest wait for a batch to fill while another is under way, and, up to 150, of an event until it is durable;
    /// milliseconds.
    pub linger_ms: u64,
    /// Least time between two batches that are not full, milliseconds, at most 10,000; what is taken meanwhile is synced with
    /// the next, or after 150. Without it: 150 for engines, 0 for other sources.
    pub gather_ms: Option<u64>,
}

/// For an engine's events: at 100 a second fifteen share a sync, a signature and a round trip.
const GATHER_MS: u64 = 150;
/// And longest that they wait for each other where they are read.
const GATHER_READ: Duration = Duration::from_millis(50);
/// Largest `gather_ms`.
const MAX_GATHER_MS: u64 = 10_000;

impl BatchOptions {
    /// Least time between two batches that are not full.
    pub fn gather(&self, of_engine: bool) -> Duration {
        let usual = if of_engine { GATHER_MS } else { 0 };
        Duration::from_millis(self.gather_ms.unwrap_or(usual))
    }

    /// How long an engine's events wait for each other where they are read. Of those that a batch gathers some five come in
    /// this time at 100 a second, which is where more of them save little.
    pub fn gather_read(&self) -> Duration {
        self.gather(true).min(GATHER_READ)
    }
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            max_events: 500,
            window: 8,
            linger_ms: 10,
            gather_ms: None,
        }
    }
}

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; name a configuration with --config FILE")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what is expected.
    #[error("{path} is not a collector configuration: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

impl CollectorOptions {
    /// Reads a file and resolves its paths.
    ///
    /// # Errors
    /// It cannot be read, is not TOML, holds a field that is not known, or a value that makes no sense.
    pub fn load(path: &Path) -> Result<Self, OptionsError> {
        let text = std::fs::read_to_string(path).map_err(|source| OptionsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let parse = |message: String| OptionsError::Parse {
            path: path.to_owned(),
            message,
        };
        let mut options: Self = toml::from_str(&text).map_err(|error| parse(error.to_string()))?;
        options.check().map_err(|message| parse(message.to_owned()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        for field in [&mut options.genesis, &mut options.spool_dir] {
            *field = base.join(&field);
        }
        for field in [&mut options.certificate, &mut options.key] {
            *field = field.take().map(|path| base.join(path));
        }
        options.stats_file = options.stats_file.map(|file| base.join(file));
        options.source = options.source.within(base);
        Ok(options)
    }

    /// Where this collector's identity comes from.
    ///
    /// # Errors
    /// It names none, or two.
    pub fn identity_origin(&self) -> Result<IdentityOrigin, &'static str> {
        IdentityOrigin::of(
            self.certificate.as_ref(),
            self.key.as_ref(),
            self.identity.as_ref(),
        )
    }

    /// Between two comparisons of the engine's state with what was recorded; `None`: only at each connection.
    pub fn reconcile_every(&self) -> Option<Duration> {
        (self.reconcile_every_s > 0).then(|| Duration::from_secs(self.reconcile_every_s))
    }

    /// Between two heartbeats on the ledger; `None` for none.
    pub fn heartbeat_every(&self) -> Option<Duration> {
        (self.heartbeat_every_s > 0).then(|| Duration::from_secs(self.heartbeat_every_s))
    }

    /// Between two inventories on the ledger, as this collector wants it; `None`: as the actors have agreed.
    pub fn inventory_every(&self) -> Option<Duration> {
        (self.inventory_every_s > 0).then(|| Duration::from_secs(self.inventory_every_s))
    }

    /// How a Swarm's manager is asked for its tasks; `None`: it is not.
    pub fn tasks(&self) -> Option<TaskOptions> {
        (self.tasks_every_s > 0).then(|| TaskOptions {
            every: Duration::from_secs(self.tasks_every_s),
            restate_every: self.inventory_every().unwrap_or(RESTATE_TASKS),
        })
    }

    /// Whether to end with the source.
    pub fn ends(&self) -> bool {
        let bounded = self.synthetic.events.is_some() || self.synthetic.duration_s.is_some();
        self.exit_when_done || (self.source == SourceSpec::Synthetic && bounded)
    }

    fn check(&self) -> Result<(), &'static str> {
        self.identity_origin()?;
        if self.batch.max_events == 0 || self.batch.window == 0 {
            return Err("`batch.max_events` and `batch.window` must be at least 1");
        }
        if self.batch.gather_ms.is_some_and(|gather| gather > MAX_GATHER_MS) {
            return Err("`batch.gather_ms` is at most 10000");
        }
        if self.spool_max_bytes < MIN_SPOOL_BYTES {
            return Err("`spool_max_bytes` must be at least 33554432 (32 MiB)");
        }
        if self
            .heartbeat_every_s
            .max(self.inventory_every_s)
            .max(self.reconcile_every_s)
            .max(self.tasks_every_s)
            > MAX_EVERY_S
        {
            return Err(
                "`heartbeat_every_s`, `inventory_every_s`, `reconcile_every_s` and `tasks_every_s` are at most 31536000, a year",
            );
        }
        if self.memory_max_bytes < MIN_MEMORY_BYTES {
            return Err("`memory_max_bytes` must be at least 1048576 (1 MiB)");
        }
        if !self
            .synthetic
            .rate
            .is_none_or(|rate| rate.is_finite() && rate >= 0.0)
        {
            return Err("`synthetic.rate` must be a number of events a second, not negative");
        }
        Ok(())
    }
}
