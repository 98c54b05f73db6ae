//! The network that a contract is developed on: one that runs on this machine, or one of the loop's own.

use super::DevArgs;
use crate::demo::{DemoArgs, Narrator, Started, StopSignal, start};
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::output::Terminal;
use crate::session::Session;
use crate::settings::{self, Global, Surroundings};
use e2l_ledger::{NetworkConfig, Role};
use std::net::IpAddr;
use std::path::Path;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The loop's own network, in the contract's crate.
const OWN: &str = "target/e2l-network";

/// A network whose actors are all on this machine.
pub(super) struct DevPlace {
    network: NetworkDir,
    /// The actor that proposes.
    proposer: String,
    /// Its client: it reads, and signs nothing.
    pub session: Session,
    own: Option<Own>,
}

/// Processes that end with the loop.
struct Own {
    stop: oneshot::Sender<()>,
    /// Names of those that did not stop as they should.
    stopped: JoinHandle<Vec<String>>,
}

impl DevPlace {
    /// Takes the network that is named, else starts one for the crate in `directory`; `None` if it was time to stop before
    /// it ran.
    ///
    /// # Errors
    /// What is named is not wholly on this machine, or does not run; the own one does not start.
    pub async fn enter(
        args: &DevArgs,
        global: &Global,
        around: &Surroundings<'_>,
        directory: &Path,
        stop: &StopSignal,
    ) -> CliResult<Option<Self>> {
        if global.names_a_network(around) {
            return Self::take(global, around).await.map(Some);
        }
        let demo = DemoArgs {
            command: None,
            dir: directory.join(OWN),
            source: args.events.clone(),
            duration: None,
        };
        let Some(started) = start(&demo, global, stop).await? else {
            return Ok(None);
        };
        let (network, session) = (started.network.clone(), started.session.clone());
        let proposer = network.actor(global.actor.as_deref())?.to_owned();
        let (sender, asked) = oneshot::channel();
        Ok(Some(Self {
            network,
            proposer,
            session,
            own: Some(Own {
                stop: sender,
                stopped: tokio::spawn(keep(started, asked)),
            }),
        }))
    }

    async fn take(global: &Global, around: &Surroundings<'_>) -> CliResult<Self> {
        let resolved = global.resolve(around)?;
        let settings::Place::Network(network) = resolved.place.clone() else {
            return Err(CliError::usage(
                "a profile is one actor's identity, and all actors must approve what is deployed",
                "name a network on this machine with --network DIR, or none to have one started; elsewhere use `e2l chaincode propose`",
            ));
        };
        let proposer = network.actor(resolved.actor.as_deref())?.to_owned();
        let session = Session::open(resolved, Role::Client)?;
        // Before anybody is asked, and again with what was changed since.
        is_for_development(&network, &session.config())?;
        let config = session.current_config().await?;
        is_for_development(&network, &config)?;
        Ok(Self {
            network,
            proposer,
            session,
            own: None,
        })
    }

    /// The network's directory.
    pub fn directory(&self) -> &Path {
        self.network.path()
    }

    /// The actors that decide, the one that proposes first.
    pub fn actors(&self, config: &NetworkConfig) -> Vec<String> {
        let voters = config.voters().map(|(actor, _)| actor.name.clone());
        let others = voters.filter(|actor| *actor != self.proposer);
        std::iter::once(self.proposer.clone()).chain(others).collect()
    }

    /// Stops what was started here.
    ///
    /// # Errors
    /// A process had to be killed.
    pub async fn leave(self) -> CliResult<()> {
        let Some(own) = self.own else { return Ok(()) };
        let directory = self.network.path().display().to_string();
        eprintln!("\nStopping the network in {directory}...");
        // Its receiver is gone only if that task has ended.
        let _ = own.stop.send(());
        let bad = own
            .stopped
            .await
            .unwrap_or_else(|_| vec!["the network".to_owned()]);
        eprintln!("Stopped. Its ledger is kept; remove {directory} to begin with an empty one.");
        if bad.is_empty() {
            return Ok(());
        }
        Err(CliError::refused(
            format!("{} did not stop as it should", bad.join(", ")),
            format!("see {directory}/logs"),
        ))
    }
}

/// Keeps the processes running until it is asked to stop them.
async fn keep(mut started: Started, mut asked: oneshot::Receiver<()>) -> Vec<String> {
    let mut narrator = Narrator::new(Terminal::stderr(), None);
    loop {
        tokio::select! {
            _ = &mut asked => break,
            happened = started.fleet.next() => {
                eprintln!("{}", narrator.process(&happened, &started.fleet));
            }
        }
    }
    started.stop().await
}

/// What is saved is approved in every actor's name, unread: that is for networks on which nothing rests.
fn is_for_development(network: &NetworkDir, config: &NetworkConfig) -> CliResult<()> {
    for (actor, peer) in config.voters() {
        if !is_loopback(&peer.address) {
            return Err(CliError::usage(
                format!(
                    "{}'s peer is at {}: contracts are developed on networks that nobody else reaches",
                    actor.name, peer.address
                ),
                "name no network, and one is started here; on this one use `e2l chaincode propose`",
            ));
        }
        let (certificate, _) = network.identity_files(&actor.name, Role::Admin);
        if !certificate.is_file() {
            return Err(missing(&actor.name, &certificate));
        }
    }
    Ok(())
}

fn missing(actor: &str, certificate: &Path) -> CliError {
    CliError::usage(
        format!(
            "{actor}'s admin is not here: there is no {}",
            certificate.display()
        ),
        "name a network that is wholly on this machine, or none, and one is started here",
    )
}

/// Whether an address `host:port` leads to this machine alone.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_for_development() {
        for address in ["127.0.0.1:7051", "localhost:1", "[::1]:7051", "127.9.9.9:2"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in [
            "10.0.0.1:7051",
            "peer.example:1",
            "localhost.example:1",
            "[::2]:1",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
