//! From nothing, or from a directory, to a running network.

use crate::daemon::DaemonSpec;
use crate::demo::DemoArgs;
use crate::demo::deploy::deploy_together;
use crate::demo::fleet::Fleet;
use crate::demo::live::StopSignal;
use crate::demo::source::{ChosenSource, choose};
use crate::demo::watch::{look, watch};
use crate::deploy::{NetworkOptions, create, free_addresses};
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::session::Session;
use crate::settings::{Global, Place, Settings, Surroundings};
use e2l_client::wire::StatusReply;
use e2l_ledger::{Policy, Role};
use std::fs::{File, TryLockError};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// The demo's actors.
const ACTORS: [&str; 3] = ["provider", "developer", "user"];
/// Longest wait for a process to say that it is ready.
const READY: Duration = Duration::from_secs(60);
/// Longest wait for the peers to find a leader.
const LEADER: Duration = Duration::from_secs(30);

/// A running demo.
pub struct Started {
    /// Its network.
    pub network: NetworkDir,
    /// Its processes.
    pub fleet: Fleet,
    /// Where events come from.
    pub source: ChosenSource,
    /// As the first actor's client.
    pub session: Session,
    /// What the first peer that was asked says.
    pub status: StatusReply,
    /// Whether the directory was there before.
    pub again: bool,
    /// Held as long as the demo runs: two demos in one directory would fight.
    _lock: File,
}

impl Started {
    /// Stops all its processes; returns the names of those that had to be killed or failed.
    pub async fn stop(self) -> Vec<String> {
        self.fleet.stop().await
    }
}

/// Starts everything; `None` if it was time to stop before all ran.
///
/// # Errors
/// See [`super::run`]. Nothing is left running.
pub async fn start(args: &DemoArgs, global: &Global, stop: &StopSignal) -> CliResult<Option<Started>> {
    let source = choose(&args.source)?;
    if let Some(note) = &source.note {
        eprintln!("{note}.");
    }
    let again = NetworkDir::exists(&args.dir);
    let (network, lock) = open_or_create(&args.dir, again)?;
    check_addresses(&network)?;
    let settings = settings(&network, global)?;
    let session = Session::open(settings, Role::Client)?;
    let mut fleet = Fleet::default();
    let running = tokio::select! {
        status = run_all(&mut fleet, &network, &source, &session) => Some(status),
        () = stop.wait() => None,
    };
    match running {
        Some(Ok(status)) => Ok(Some(Started {
            network,
            fleet,
            source,
            session,
            status,
            again,
            _lock: lock,
        })),
        Some(Err(error)) => {
            fleet.stop().await;
            Err(error)
        }
        None => {
            fleet.stop().await;
            Ok(None)
        }
    }
}

pub(super) fn settings(network: &NetworkDir, global: &Global) -> CliResult<Settings> {
    let variable = |name: &str| std::env::var(name).ok().filter(|_| name == "E2L_OUTPUT");
    let around = Surroundings {
        variable: &variable,
        directory: Path::new("."),
    };
    Ok(Settings {
        place: Place::Network(network.clone()),
        actor: global.actor.clone(),
        format: global.format(&around)?,
        timeout: Duration::from_secs(5),
        checkpoint: None,
    })
}

fn open_or_create(directory: &Path, again: bool) -> CliResult<(NetworkDir, File)> {
    if again {
        eprintln!("Starting the network in {} again...", directory.display());
        let lock = lock(directory)?;
        return Ok((NetworkDir::open(directory)?, lock));
    }
    eprintln!(
        "Making a network of {} in {}...",
        ACTORS.join(", "),
        directory.display()
    );
    let actors: Vec<String> = ACTORS.map(str::to_owned).into();
    let options = NetworkOptions {
        name: "demo".to_owned(),
        addresses: free_addresses(actors.len())?,
        collectors: [(ACTORS[0].to_owned(), 1)].into(),
        actors,
        finality: Policy::Majority,
        lifecycle: Policy::All,
        // The actors deploy it together, as they would any other.
        chaincode: None,
        synthetic_rate: Some(2.0),
    };
    let network = create(directory, &options)?;
    let lock = lock(directory)?;
    Ok((network, lock))
}

fn lock(directory: &Path) -> CliResult<File> {
    let path = directory.join("demo.lock");
    let file = File::create(&path).map_err(|error| CliError::file("write", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::usage(
            format!("a demo is running in {} already", directory.display()),
            "stop that one, or use another directory with --dir",
        )),
        Err(TryLockError::Error(error)) => Err(CliError::file("lock", &path, &error)),
    }
}

/// The addresses stand in the genesis: they cannot be others this time.
fn check_addresses(network: &NetworkDir) -> CliResult<()> {
    for (actor, peer) in network.genesis().genesis.config.voters() {
        if let Err(error) = TcpListener::bind(&peer.address) {
            return Err(CliError::usage(
                format!("{}'s peer cannot listen on {}: {error}", actor.name, peer.address),
                "stop the program that listens there (another demo?), or use a new directory with --dir",
            ));
        }
    }
    Ok(())
}

async fn run_all(
    fleet: &mut Fleet,
    network: &NetworkDir,
    source: &ChosenSource,
    session: &Session,
) -> CliResult<StatusReply> {
    let logs = network.path().join("logs");
    for actor in network.actors() {
        let spec = DaemonSpec {
            name: format!("{actor}'s peer"),
            program: "e2l-peer",
            config: network.actor_dir(actor).join("peer").join("peer.toml"),
            arguments: Vec::new(),
            log: logs.join(format!("{actor}-peer.log")),
        };
        fleet.start(actor, true, spec)?;
    }
    eprintln!("Waiting for the peers...");
    fleet.ready(READY).await?;
    let status = wait_for_leader(session).await?;
    deploy_together(network, session).await?;
    for actor in network.actors() {
        for directory in network.collector_dirs(actor)? {
            let name = directory
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let spec = DaemonSpec {
                name: format!("{actor}'s {name}"),
                program: "e2l-collector",
                config: directory.join("collector.toml"),
                arguments: vec!["--source".to_owned(), source.argument.clone()],
                log: logs.join(format!("{actor}-{name}.log")),
            };
            fleet.start(actor, false, spec)?;
        }
    }
    Ok(status)
}

async fn wait_for_leader(session: &Session) -> CliResult<StatusReply> {
    let actors: Vec<String> = session.client().peers().map(|peer| peer.actor.clone()).collect();
    let mut sights = watch(session.client().clone());
    let found = timeout(LEADER, sights.wait_for(|sight| sight.agrees(&actors))).await;
    if matches!(found, Ok(Ok(_))) {
        return session.status().await;
    }
    let sight = look(session.client()).await;
    let silent = actors
        .iter()
        .filter(|actor| !sight.peers.contains_key(*actor))
        .cloned()
        .collect::<Vec<_>>();
    let why = if silent.is_empty() {
        String::new()
    } else {
        format!(": {} did not answer", silent.join(", "))
    };
    Err(CliError::usage(
        format!("the peers found no leader within {} s{why}", LEADER.as_secs()),
        "see the peers' logs in the directory's logs/",
    ))
}
