//! `peer.toml`.

use crate::pool::PoolOptions;
use crate::scrubber::ScrubOptions;
use e2l_client::{IncomingLimits, MetricsOptions};
use e2l_identity::{Identity, IdentityOrigin, WorkloadOptions};
use e2l_store::StoreOptions;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Settings of a peer. Relative paths start at the directory of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerOptions {
    /// The network's genesis.
    pub genesis: PathBuf,
    /// This peer's certificate. A new one that is put in its place is taken while the peer runs.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key; mode 0600.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Instead of both: a SPIFFE Workload API.
    #[serde(default)]
    pub identity: Option<WorkloadOptions>,
    /// Components of chaincodes, each `<digest>.wasm`.
    pub chaincode_dir: PathBuf,
    /// Ledger and Raft log.
    pub data_dir: PathBuf,
    /// `host:port` to listen on.
    pub listen: String,
    /// Log filter, as `RUST_LOG` has it.
    #[serde(default = "default_log")]
    pub log: String,
    /// Ordering.
    #[serde(default)]
    pub raft: RaftSettings,
    /// The background check of the whole ledger.
    #[serde(default)]
    pub scrub: ScrubOptions,
    /// Metrics and health for monitoring.
    #[serde(default)]
    pub metrics: MetricsOptions,
    /// Bounds of the pool.
    #[serde(default)]
    pub pool: PoolOptions,
    /// Bounds on connections.
    #[serde(default)]
    pub connections: ConnectionOptions,
    /// Memory and threads of the ledger's database.
    #[serde(default)]
    pub store: StoreSettings,
}

/// How many connections there may be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionOptions {
    /// Of all members. Each takes a file descriptor and some 100 KB.
    pub total: usize,
    /// Of one member: who opens too many shuts out itself.
    pub per_member: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        let limits = IncomingLimits::default();
        Self {
            total: limits.connections,
            per_member: limits.connections_per_member,
        }
    }
}

impl ConnectionOptions {
    /// As the door wants them.
    pub fn limits(&self) -> IncomingLimits {
        IncomingLimits {
            connections: self.total,
            connections_per_member: self.per_member,
            ..IncomingLimits::default()
        }
    }
}

/// What the ledger's database may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// Bytes of blocks, indexes and filters kept for reading.
    pub cache_bytes: usize,
    /// Bytes of new records in memory before they become files; twice as much while files are written.
    pub write_buffer_bytes: usize,
    /// Threads that write and merge files.
    pub background_jobs: u16,
}

impl Default for StoreSettings {
    fn default() -> Self {
        let options = StoreOptions::default();
        Self {
            cache_bytes: options.block_cache_bytes,
            write_buffer_bytes: options.write_buffer_bytes,
            background_jobs: options.background_jobs,
        }
    }
}

impl StoreSettings {
    /// As the store wants them.
    pub fn options(&self) -> StoreOptions {
        StoreOptions {
            block_cache_bytes: self.cache_bytes,
            write_buffer_bytes: self.write_buffer_bytes,
            background_jobs: self.background_jobs,
            ..StoreOptions::default()
        }
    }
}

fn default_log() -> String {
    "info,openraft=warn".to_owned()
}

/// Settings of Raft; times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RaftSettings {
    /// How often a leader shows that it is alive.
    pub heartbeat_ms: u64,
    /// A follower stands for election `election_max_ms` (the leader's lease) and then a time drawn between these two
    /// after it has last heard the leader.
    pub election_min_ms: u64,
    /// See [`election_min_ms`](Self::election_min_ms).
    pub election_max_ms: u64,
    /// Entries after which the log is purged up to the newest final height; the blocks are the archive.
    pub purge_after: u64,
    /// Entries kept below that height, so that a peer that was away briefly needs no blocks.
    pub keep: u64,
}

impl Default for RaftSettings {
    fn default() -> Self {
        Self {
            heartbeat_ms: 150,
            election_min_ms: 300,
            election_max_ms: 500,
            purge_after: 1000,
            keep: 500,
        }
    }
}

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what is expected.
    #[error("{path} is not a peer configuration: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

impl PeerOptions {
    /// Reads a file and resolves its paths.
    ///
    /// # Errors
    /// It cannot be read, is not TOML, or holds a field that is not known.
    pub fn load(path: &Path) -> Result<Self, OptionsError> {
        let text = std::fs::read_to_string(path).map_err(|source| OptionsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut options: Self = toml::from_str(&text).map_err(|error| OptionsError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        for field in [
            &mut options.genesis,
            &mut options.chaincode_dir,
            &mut options.data_dir,
        ] {
            *field = base.join(&field);
        }
        for field in [&mut options.certificate, &mut options.key] {
            *field = field.take().map(|path| base.join(path));
        }
        let origin = options.identity_origin();
        origin.map_err(|message| OptionsError::Parse {
            path: path.to_owned(),
            message: message.to_owned(),
        })?;
        Ok(options)
    }

    /// Where this peer's identity comes from.
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

    /// The identity in this peer's files.
    ///
    /// # Errors
    /// It is not in files, or they do not hold it.
    pub fn identity_in_files(&self) -> anyhow::Result<Identity> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(Identity::load(certificate, key)?),
            _ => anyhow::bail!("this peer's identity is not in files"),
        }
    }
}
