//! A collector, put together.

use crate::clock::now_nano;
use crate::error::CollectorError;
use crate::followers::{follow_configuration, rotate};
use crate::gap;
use crate::heartbeat::Heartbeat;
use crate::inventory::Inventories;
use crate::metrics::Watched;
use crate::options::CollectorOptions;
use crate::pipeline::{Clocks, Drained, Pace, Pipeline, PipelineOptions};
use crate::recording::{CodeFollower, CodeStore, CurrentCode, Recorder, code_name, executable_digest};
use crate::source::{
    Alive, ContainerdSource, DockerSource, EngineOptions, Given, ReplaySource, Resume, Source, SourceError,
    SourceSpec, SyntheticSource,
};
use crate::spool::{BatchLimits, Directory, Opening, Owner, Spool};
use crate::stats::SharedStats;
use crate::submit::{SubmitError, Submitter, newest_head};
use e2l_client::{ClientOptions, Introduction, LedgerClient, PeerAddress, serve_metrics};
use e2l_identity::{
    CurrentIdentity, ExpectedPeer, IdentitySource, Wanted, client_config, introduction_config,
};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Digest, GenesisFile, NetworkConfig, Role};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// Events between source and spool.
const EVENTS: usize = 1024;
/// How long a collector that was asked to stop waits for what is under way; the spool has it anyway.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// Between two writes of the stats file.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// A collector whose spool is open.
pub struct Collector {
    options: CollectorOptions,
    config: NetworkConfig,
    anchor: Arc<Anchor>,
    identity: Arc<CurrentIdentity>,
    new_identities: IdentitySource,
    client: LedgerClient,
    spool: Spool,
    /// Whether the spool was there before.
    resumed: bool,
    source: Box<dyn Source>,
    stats: SharedStats,
    recorder: Recorder,
    code_follower: CodeFollower,
    code: Arc<CurrentCode>,
}

impl Collector {
    /// Reads identity and genesis and opens the spool. A new spool waits for most peers to say where this
    /// collector stands on the ledger.
    ///
    /// # Errors
    /// Files that are missing or do not fit, a spool that is damaged or in use, peers that refuse it.
    pub async fn open(options: CollectorOptions) -> Result<Self, CollectorError> {
        // Before anything that takes time: what happens meanwhile is fetched from the engine's memory.
        let started_nano = now_nano();
        let genesis = read_genesis(&options.genesis)?;
        let origin = options.identity_origin().map_err(CollectorError::NoIdentity)?;
        let wanted = Wanted {
            network: genesis.genesis.config.network.clone(),
            role: Role::Collector,
        };
        let (identity, new_identities) = origin.open(wanted).await?;
        let identity = CurrentIdentity::new(identity);
        let network = genesis.genesis.digest();
        let anchor = Arc::new(Anchor::checked(&genesis.genesis));
        let config = genesis.genesis.config;
        let member = identity.member().clone();
        if member.role != Role::Collector || identity.network() != config.network {
            return Err(CollectorError::NotACollector {
                origin: origin.to_string(),
                member: member.to_string(),
                network: identity.network().to_owned(),
                expected: config.network,
            });
        }
        let tls = client_config(&identity, anchor.clone(), ExpectedPeer::Any)?;
        let peers = peers_in_order(&config, &options.peers, &member.actor);
        let introduction = introduction_config(&identity, &config.network)?;
        let introduction = Introduction::new(introduction, anchor.clone());
        let client = LedgerClient::following(peers, &tls, ClientOptions::default(), introduction)?;
        let stats = SharedStats::default();
        let owner = Owner {
            network,
            sender: member,
        };
        let (mut spool, resumed) = open_spool(
            &options.spool_dir,
            &owner,
            (&client, &anchor),
            &stats,
            started_nano,
        )
        .await?;
        tracing::info!(
            collector = %owner.sender, incarnation = spool.incarnation(), last_batch = spool.last_batch(),
            unfinal = spool.unfinal(), source = %options.source, "the spool is open"
        );
        let executable = executable_digest().unwrap_or_else(|error| {
            tracing::warn!(%error, "the collector cannot read its own executable: its batches do not name it");
            Digest::ZERO
        });
        let mut code_follower = CodeFollower::new(
            client.clone(),
            anchor.clone(),
            CodeStore::new(&options.spool_dir)?,
            owner.sender.clone(),
            (spool.component(), stats.clone()),
        );
        let recorder = Recorder::new(code_follower.first(resumed).await);
        let component = recorder.component();
        spool.set_executable(executable);
        spool.record_by(component);
        stats.change(|stats| {
            stats.component = code_name(component);
            stats.executable = executable.to_string();
        });
        tracing::info!(component = %code_name(component), %executable, "what records, and by what");
        let source = make_source(&options, &stats);
        serve_metrics(&options.metrics, Arc::new(Watched(stats.clone()))).await?;
        Ok(Self {
            options,
            config,
            anchor,
            identity,
            new_identities,
            client,
            spool,
            resumed,
            source,
            stats,
            recorder,
            code_follower,
            code: Arc::new(CurrentCode::new(component, executable)),
        })
    }

    /// The measurements.
    pub fn stats(&self) -> SharedStats {
        self.stats.clone()
    }

    /// Collects until `stop`, or until everything is final where the options say so. On `stop` it takes what
    /// the source has given, and ends with it in the spool.
    ///
    /// # Errors
    /// What waiting cannot mend; the spool is kept.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), CollectorError> {
        let (stats, file) = (self.stats.clone(), self.options.stats_file.clone());
        let writer = file
            .clone()
            .map(|file| tokio::spawn(write_stats(stats.clone(), file)));
        let result = self.collect(stop).await;
        if let Some(writer) = writer {
            writer.abort();
        }
        if let Some(path) = file {
            stats
                .write(&path)
                .map_err(|source| CollectorError::Stats { path, source })?;
        }
        result
    }

    async fn collect(self, stop: impl Future<Output = ()> + Send) -> Result<(), CollectorError> {
        let (event_sender, events) = mpsc::channel::<Given>(EVENTS);
        let (batch_sender, batches) = mpsc::unbounded_channel();
        let (progress_sender, progress) = mpsc::unbounded_channel();
        let window = self.options.batch.window;
        let mut followers = JoinSet::new();
        followers.spawn(follow_configuration(self.client.clone(), self.anchor.clone()));
        followers.spawn(rotate(
            self.identity.clone(),
            self.anchor.clone(),
            self.new_identities,
        ));
        let (new_code_sender, new_code) = mpsc::unbounded_channel();
        followers.spawn(self.code_follower.run(new_code_sender));
        let submitter = Submitter::new(
            &self.client,
            (self.anchor.clone(), &*self.identity),
            window,
            batches,
            progress_sender,
            (self.stats.clone(), self.code.clone()),
        );
        let name = self.source.name();
        let resume = Resume {
            floor_nano: self.spool.opened_nano(),
            lines: self.spool.position(&name),
            recent: self.spool.recent(),
            resumed: self.resumed,
            collector: self.spool.sender().to_string(),
            newest_nano: self.spool.recorded().newest_nano(),
            read_nano: self.spool.recorded().read_nano(),
            alive: Alive::all(self.spool.recorded()),
        };
        let watches_engine = !self.source.waits();
        let started = (Instant::now(), now_nano());
        let pipeline = Pipeline {
            anchor: self.anchor,
            inventories: watches_engine.then(|| Inventories::new(self.options.inventory_every(), started.0)),
            heartbeat: watches_engine.then(|| Heartbeat::new(self.options.heartbeat_every(), &name, started)),
            options: PipelineOptions {
                limits: BatchLimits::new(&self.config.limits, self.options.batch.max_events),
                window: window as u64,
                repeats: self.source.repeats(),
                waits: self.source.waits(),
                is_read_apart: self.source.is_read_apart(),
                max_bytes: self.options.spool_max_bytes,
                source: name,
            },
            spool: self.spool,
            identity: self.identity,
            events,
            batches: batch_sender,
            progress,
            settled: 0,
            stats: self.stats.clone(),
            pace: Pace::new(
                Duration::from_millis(self.options.batch.linger_ms),
                self.options.batch.gather(watches_engine),
            ),
            unsynced: None,
            full: None,
            full_disk: None,
            disk_is_slow: true,
            cut: Vec::new(),
            clocks: Clocks::default(),
            unsettled: 0,
            recorder: self.recorder,
            new_code,
            code: self.code,
            renewal: None,
        };
        let running = Running {
            source: tokio::spawn(self.source.run(resume, event_sender)),
            submitter: tokio::spawn(submitter.run()),
            pipeline: tokio::spawn(pipeline.run()),
            stats: self.stats,
            _followers: followers,
        };
        running.watch(stop, self.options.ends()).await
    }
}

/// The tasks.
struct Running {
    source: JoinHandle<Result<(), SourceError>>,
    submitter: JoinHandle<Result<(), SubmitError>>,
    pipeline: JoinHandle<Result<Drained, CollectorError>>,
    stats: SharedStats,
    /// They end with this.
    _followers: JoinSet<()>,
}

impl Running {
    async fn watch(
        mut self,
        stop: impl Future<Output = ()>,
        exit_when_done: bool,
    ) -> Result<(), CollectorError> {
        let mut stop = std::pin::pin!(stop);
        let mut gave_up = None;
        let mut reading = true;
        loop {
            tokio::select! {
                ended = &mut self.source, if reading => {
                    reading = false;
                    // What was given before the bad line is still brought to the ledger.
                    gave_up = ended?.err();
                    if let Some(error) = &gave_up {
                        tracing::error!(%error, "the source gave up");
                    }
                }
                ended = &mut self.pipeline => return self.ended(ended??, gave_up, exit_when_done, stop).await,
                () = &mut stop => return self.stop().await,
            }
        }
    }

    async fn ended(
        self,
        how: Drained,
        gave_up: Option<SourceError>,
        exit_when_done: bool,
        stop: impl Future<Output = ()>,
    ) -> Result<(), CollectorError> {
        self.submitter.await??;
        if let Some(error) = gave_up {
            return Err(error.into());
        }
        self.stats.change(|stats| stats.done = how == Drained::Done);
        tracing::info!("the source has ended and everything is final");
        if !exit_when_done {
            stop.await;
        }
        Ok(())
    }

    /// Ends the source; the pipeline takes what it gave and goes on for a moment.
    async fn stop(mut self) -> Result<(), CollectorError> {
        tracing::info!("stopping");
        self.source.abort();
        match tokio::time::timeout(STOP_PATIENCE, &mut self.pipeline).await {
            Ok(ended) => {
                ended??;
                self.submitter.await??;
            }
            Err(_) => {
                // Its rounds are not cut in the middle: it is dropped only where it waits.
                self.pipeline.abort();
                let _ = self.pipeline.await;
                self.submitter.abort();
                tracing::warn!("stopped before everything was final: the spool has it");
            }
        }
        Ok(())
    }
}

async fn open_spool(
    path: &Path,
    owner: &Owner,
    (client, anchor): (&LedgerClient, &Arc<Anchor>),
    stats: &SharedStats,
    started_nano: i64,
) -> Result<(Spool, bool), CollectorError> {
    let directory = match Spool::open(Directory::lock(path)?, owner)? {
        Ok(spool) => return Ok((spool, true)),
        Err(directory) => directory,
    };
    let head = newest_head(client, anchor, &owner.sender).await?;
    let opening = Opening {
        incarnation: head.incarnation.saturating_add(1),
        previous: head.digest,
        opened_nano: started_nano,
    };
    let mut spool = Spool::begin(directory, owner, &opening)?;
    if head.incarnation > 0 {
        tracing::error!(
            alarm = true,
            incarnation = opening.incarnation,
            last_batch = head.sequence,
            "the ledger knows batches of this collector and the spool is empty: it was lost; a gap is recorded"
        );
        let now = now_nano();
        spool.take(&mut gap::spool_lost(&owner.sender, &head, now), None, now);
        spool.commit()?;
        stats.change(|stats| stats.taken += 1);
    }
    Ok((spool, false))
}

/// The named actors' peers, in that order, then the others.
fn peers_in_order(config: &NetworkConfig, named: &[String], own: &str) -> Vec<PeerAddress> {
    let mut peers = PeerAddress::voters(config, Some(own));
    peers.sort_by_key(|peer| {
        named
            .iter()
            .position(|actor| *actor == peer.actor)
            .unwrap_or(named.len())
    });
    peers
}

fn make_source(options: &CollectorOptions, stats: &SharedStats) -> Box<dyn Source> {
    let engine = EngineOptions {
        reconcile_every: options.reconcile_every(),
        memory_max_bytes: options.memory_max_bytes,
        tasks: options.tasks(),
        gather: options.batch.gather_read(),
        ..EngineOptions::default()
    };
    match &options.source {
        SourceSpec::Docker | SourceSpec::Socket(_) | SourceSpec::Podman(_) => {
            Box::new(DockerSource::new(&options.source, engine, stats.clone()))
        }
        SourceSpec::Containerd(socket) => {
            let (socket, selection) = (socket.as_deref(), options.containerd.clone());
            Box::new(ContainerdSource::new(socket, selection, engine, stats.clone()))
        }
        SourceSpec::Replay(path) => Box::new(ReplaySource::new(path, options.replay_pace)),
        SourceSpec::Synthetic => Box::new(SyntheticSource::new(options.synthetic.clone(), stats.clone())),
    }
}

fn read_genesis(path: &Path) -> Result<GenesisFile, CollectorError> {
    let fail = |why: String| CollectorError::Genesis {
        path: path.to_owned(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let genesis: GenesisFile = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
    genesis.check().map_err(|error| fail(error.to_string()))?;
    Ok(genesis)
}

/// A file that cannot be written now may be later: the last write tells.
async fn write_stats(stats: SharedStats, path: std::path::PathBuf) {
    let mut ticks = tokio::time::interval(STATS_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = tokio::task::block_in_place(|| stats.write(&path)) {
            tracing::warn!(path = %path.display(), %error, "cannot write the measurements");
        }
    }
}
