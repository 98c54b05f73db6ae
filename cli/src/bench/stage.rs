//! The private network that is measured.

use crate::bench::args::LoadArgs;
use crate::bench::disk::DiskUse;
use crate::collector_file::{CollectorFile, SyntheticFile};
use crate::daemon::{Daemon, DaemonSpec, Paused};
use crate::deploy::{NetworkOptions, create, find_chaincode, free_addresses};
use crate::error::{CliError, CliResult};
use crate::network_dir::{NetworkDir, write_toml};
use crate::output::Format;
use crate::session::Session;
use crate::settings::{Place, Settings};
use e2l_ledger::{Policy, Role};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The actors.
const ACTORS: [&str; 3] = ["provider", "developer", "user"];
/// File that a collector writes its measurements to.
const STATS_FILE: &str = "stats.json";

/// Connections of a peer besides its actor's collectors'.
const SPARE_CONNECTIONS: usize = 256;

/// One process of the benchmark.
pub struct Process {
    /// `provider's peer`, `collector 2`.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
    /// It, once it runs.
    pub daemon: Daemon,
}

/// Network and processes.
pub struct Stage {
    /// The network.
    pub network: NetworkDir,
    /// A client of all peers.
    pub session: Session,
    /// The peers.
    pub peers: Vec<Process>,
    /// The collectors.
    pub collectors: Vec<Process>,
    /// Where each peer's metrics are.
    pub metrics: Vec<String>,
    /// What lies below the directory, for the report.
    pub filesystem: &'static str,
    /// Removed at the end.
    _temporary: Option<TempDir>,
}

impl Stage {
    /// Makes the network; starts nothing.
    ///
    /// # Errors
    /// No component, no ports, or the directory cannot be used.
    pub fn build(args: &LoadArgs) -> CliResult<Self> {
        let stage = Self::with_collectors(args.collectors, args.dir.as_deref())?;
        stage.configure(args)?;
        Ok(stage)
    }

    /// Writes the collectors' configurations for a load.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn configure(&self, args: &LoadArgs) -> CliResult<()> {
        (0..args.collectors).try_for_each(|index| configure(&self.network, args, index))
    }

    /// Makes a network with so many collectors' identities; starts nothing.
    ///
    /// # Errors
    /// No component, no ports, or the directory cannot be used.
    pub fn with_collectors(count: u32, named: Option<&Path>) -> CliResult<Self> {
        let (temporary, directory) = place(named)?;
        let mut collectors = BTreeMap::new();
        for index in 0..count {
            *collectors.entry(actor_of(index).to_owned()).or_insert(0) += 1;
        }
        let mut addresses = free_addresses(2 * ACTORS.len())?;
        let metrics = addresses.split_off(ACTORS.len());
        let options = NetworkOptions {
            name: "bench".to_owned(),
            actors: ACTORS.map(str::to_owned).into(),
            addresses,
            collectors,
            finality: Policy::Majority,
            lifecycle: Policy::All,
            chaincode: Some(find_chaincode(None)?),
            synthetic_rate: None,
        };
        let network = create(&directory, &options)?;
        for (actor, address) in network.actors().iter().zip(&metrics) {
            serve_metrics(&network, actor, address)?;
        }
        let settings = Settings {
            place: Place::Network(network.clone()),
            actor: None,
            format: Format::Table,
            timeout: Duration::from_secs(5),
            checkpoint: None,
        };
        Ok(Self {
            session: Session::open(settings, Role::Client)?,
            filesystem: filesystem(&directory),
            network,
            metrics,
            peers: Vec::new(),
            collectors: Vec::new(),
            _temporary: temporary,
        })
    }

    /// Has the peers take so many collectors' connections together, as an operator would who has them.
    ///
    /// # Errors
    /// Their configurations cannot be written.
    pub fn allow_connections(&self, count: u32) -> CliResult<()> {
        let total = count as usize / ACTORS.len() + SPARE_CONNECTIONS;
        let settings = format!("[connections]\ntotal = {total}\n");
        let mut actors = self.network.actors().iter();
        actors.try_for_each(|actor| configure_peer(&self.network, actor, &settings))
    }

    /// Starts the peers and waits until they are ready.
    ///
    /// # Errors
    /// One does not start.
    pub async fn start_peers(&mut self, patience: Duration) -> CliResult<()> {
        for actor in self.network.actors() {
            let peer = self.launch(actor)?;
            self.peers.push(peer);
        }
        for peer in &mut self.peers {
            peer.daemon.ready(patience).await?;
        }
        Ok(())
    }

    fn launch(&self, actor: &str) -> CliResult<Process> {
        let directory = self.network.actor_dir(actor).join("peer");
        let daemon = Daemon::start(DaemonSpec {
            name: format!("{actor}'s peer"),
            program: "e2l-peer",
            config: directory.join("peer.toml"),
            arguments: Vec::new(),
            log: self.network.path().join("logs").join(format!("{actor}-peer.log")),
        })?;
        Ok(Process {
            name: daemon.name().to_owned(),
            directory,
            daemon,
        })
    }

    /// Takes an actor's peer out, to stop or kill it.
    pub fn take_peer(&mut self, actor: &str) -> Option<Daemon> {
        let home = self.network.actor_dir(actor).join("peer");
        let found = self.peers.iter().position(|peer| peer.directory == home)?;
        Some(self.peers.remove(found).daemon)
    }

    /// Starts an actor's peer again and waits until it serves; returns how long that took.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart_peer(&mut self, actor: &str, patience: Duration) -> CliResult<Duration> {
        let mut peer = self.launch(actor)?;
        let ready = peer.daemon.ready(patience).await;
        let took = peer.daemon.age();
        self.peers.push(peer);
        ready.map(|_| took)
    }

    /// Starts the collectors.
    ///
    /// # Errors
    /// One does not start.
    pub fn start_collectors(&mut self, count: u32) -> CliResult<()> {
        for index in 0..count {
            let directory = collector_dir(&self.network, index);
            let daemon = Daemon::start(DaemonSpec {
                name: format!("collector {}", index + 1),
                program: "e2l-collector",
                config: directory.join("collector.toml"),
                arguments: Vec::new(),
                log: self
                    .network
                    .path()
                    .join("logs")
                    .join(format!("collector-{}.log", index + 1)),
            })?;
            self.collectors.push(Process {
                name: daemon.name().to_owned(),
                directory,
                daemon,
            });
        }
        Ok(())
    }

    /// Starts the first collector beside the engine at a socket, with its metrics at an address. The caller stops it.
    ///
    /// # Errors
    /// Its configuration cannot be written, or it does not start.
    pub fn start_beside(&self, socket: &Path, metrics: &str, gather_ms: Option<u64>) -> CliResult<Daemon> {
        let directory = collector_dir(&self.network, 0);
        let config = directory.join("collector.toml");
        let file = CollectorFile::beside_engine(actor_of(0), metrics, gather_ms);
        write_toml(&config, "A collector of the benchmark.", &file)?;
        Daemon::start(DaemonSpec {
            name: "the collector".to_owned(),
            program: "e2l-collector",
            config,
            arguments: vec!["--source".to_owned(), format!("docker:{}", socket.display())],
            log: self.network.path().join("logs").join("collector-1.log"),
        })
    }

    /// Stops the peers where they are until that is dropped: what they do besides is not to be measured.
    pub fn pause_peers(&self) -> Paused<'_> {
        Paused::all(self.peers.iter().map(|peer| &peer.daemon).collect())
    }

    /// Asks the collectors to stop, and waits until they have. What they have measured is left.
    pub async fn stop_collectors(&mut self) -> Vec<PathBuf> {
        let collectors = std::mem::take(&mut self.collectors);
        let files = collectors.iter().map(Process::stats_file).collect();
        futures::future::join_all(collectors.into_iter().map(|collector| collector.daemon.stop())).await;
        files
    }

    /// Stops everything; returns the names of what had to be killed.
    pub async fn stop(self) -> Vec<String> {
        let mut bad = Vec::new();
        for group in [self.collectors, self.peers] {
            let stopping = group
                .into_iter()
                .map(|process| async move { (!process.daemon.stop().await).then_some(process.name) });
            bad.extend(futures::future::join_all(stopping).await.into_iter().flatten());
        }
        bad
    }
}

impl Process {
    /// The file with a collector's measurements.
    pub fn stats_file(&self) -> PathBuf {
        self.directory.join(STATS_FILE)
    }

    /// What a peer's data takes on the disk.
    pub fn disk(&self) -> DiskUse {
        DiskUse::of(&self.directory.join("data"))
    }
}

/// As an operator would have them served: on loopback.
fn serve_metrics(network: &NetworkDir, actor: &str, address: &str) -> CliResult<()> {
    configure_peer(network, actor, &format!("[metrics]\nlisten = \"{address}\"\n"))
}

/// Adds settings to a peer's file.
fn configure_peer(network: &NetworkDir, actor: &str, settings: &str) -> CliResult<()> {
    let path = network.actor_dir(actor).join("peer").join("peer.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| CliError::file("read", &path, &error))?;
    let text = format!("{text}\n{settings}");
    std::fs::write(&path, text).map_err(|error| CliError::file("write", &path, &error))
}

/// The actor of a collector.
pub fn actor_of(index: u32) -> &'static str {
    ACTORS[index as usize % ACTORS.len()]
}

/// A collector's directory.
pub fn collector_dir(network: &NetworkDir, index: u32) -> PathBuf {
    let number = index as usize / ACTORS.len() + 1;
    network
        .actor_dir(actor_of(index))
        .join(format!("collector-{number}"))
}

fn configure(network: &NetworkDir, args: &LoadArgs, index: u32) -> CliResult<()> {
    let rate = args.rate.map(|rate| rate / f64::from(args.collectors));
    let containers = (args.containers / args.collectors).max(1);
    let synthetic = SyntheticFile::new(
        Some(rate.unwrap_or(0.0)),
        containers,
        args.share(index),
        args.time(),
    );
    let file = CollectorFile::measured(actor_of(index), synthetic, STATS_FILE);
    let path = collector_dir(network, index).join("collector.toml");
    write_toml(&path, "A collector of the benchmark.", &file)
}

/// Where the ledgers lie. In memory fsync costs nothing and measures nothing: then the current directory is
/// used.
fn place(named: Option<&Path>) -> CliResult<(Option<TempDir>, PathBuf)> {
    if let Some(directory) = named {
        return Ok((None, directory.to_owned()));
    }
    let usual = std::env::temp_dir();
    let parent = if filesystem(&usual) == "memory" {
        PathBuf::from(".")
    } else {
        usual
    };
    let made = tempfile::Builder::new().prefix("e2l-bench-").tempdir_in(&parent);
    let temporary = made.map_err(|error| CliError::file("create a directory in", &parent, &error))?;
    let directory = temporary.path().join("network");
    Ok((Some(temporary), directory))
}

fn filesystem(path: &Path) -> &'static str {
    match statfs(path) {
        Ok(found) if found.filesystem_type() == TMPFS_MAGIC => "memory",
        Ok(_) => "disk",
        Err(_) => "unknown",
    }
}
