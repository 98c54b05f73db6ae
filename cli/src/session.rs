//! One command's connection to the peers.

use crate::checkpoint_file;
use crate::error::{CliError, CliResult};
use crate::network_dir::read_genesis;
use crate::output::{Format, Style, Terminal};
use crate::settings::{Place, Settings};
use e2l_client::{ClientOptions, Introduction, LedgerClient, PeerAddress, Verifier, wire};
use e2l_identity::{ExpectedPeer, Identity, client_config, introduction_config};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Digest, GenesisFile, Header, NetworkConfig, Role, Signer};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Who asks, whom, and how the answer is shown. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    client: LedgerClient,
    genesis: Arc<GenesisFile>,
    anchor: Arc<Anchor>,
    network: Digest,
    identity: Arc<Identity>,
    format: Format,
    chaincode_dir: Option<PathBuf>,
    checkpoint: Option<PathBuf>,
}

impl Session {
    /// Reads the identity and prepares the client; connects at the first call.
    ///
    /// # Errors
    /// The identity cannot be read or has another role than is needed; an actor is not known.
    pub fn open(settings: Settings, role: Role) -> CliResult<Self> {
        let material = Material::of(&settings, role)?;
        let identity = Identity::load(&material.certificate, &material.key).map_err(|error| {
            CliError::usage(
                error,
                "name another actor or profile, or get a certificate with `e2l cert issue`",
            )
        })?;
        check_role(&identity, role)?;
        let config = &material.genesis.genesis.config;
        let mut peers = PeerAddress::voters(config, None);
        peers.extend(material.joined.clone());
        let rank = |peer: &PeerAddress| material.prefer.iter().position(|actor| *actor == peer.actor);
        peers.sort_by_key(|peer| rank(peer).unwrap_or(usize::MAX));
        let anchor = Arc::new(Anchor::new(&material.genesis).map_err(|error| {
            CliError::refused(
                format!("the genesis cannot be trusted: {error}"),
                "get the genesis that all actors have signed",
            )
        })?);
        let tls = client_config(&identity, anchor.clone(), ExpectedPeer::Any)
            .map_err(|error| CliError::usage(error, "check the identity's files and the genesis"))?;
        let introduction = introduction_config(&identity, &config.network)
            .map_err(|error| CliError::usage(error, "check the identity's files and the genesis"))?;
        let introduction = Introduction::new(introduction, anchor.clone());
        let options = ClientOptions {
            read_timeout: settings.timeout,
            submit_timeout: settings.timeout.max(Duration::from_secs(30)),
            patience: settings.timeout.min(Duration::from_secs(3)),
            ..ClientOptions::default()
        };
        let chaincode_dir = match (&settings.place, material.prefer.first()) {
            (Place::Network(network), Some(actor)) => Some(network.actor_dir(actor).join("peer/chaincode")),
            _ => None,
        };
        Ok(Self {
            client: LedgerClient::following(peers, &tls, options, introduction)?,
            anchor,
            network: material.genesis.genesis.digest(),
            genesis: material.genesis,
            identity: Arc::new(identity),
            format: settings.format,
            chaincode_dir,
            checkpoint: settings.checkpoint,
        })
    }

    /// Components of the chaincodes, where this machine has an actor's peer.
    pub fn chaincode_dir(&self) -> Option<PathBuf> {
        self.chaincode_dir.clone().filter(|directory| directory.is_dir())
    }

    /// The genesis with its approvals.
    pub fn genesis_file(&self) -> &GenesisFile {
        &self.genesis
    }

    /// The client: the preferred actor's peer first, the others when it does not answer.
    pub fn client(&self) -> &LedgerClient {
        &self.client
    }

    /// What a peer says of itself: the preferred one's, or that of the first that answers.
    ///
    /// # Errors
    /// No peer answers.
    pub async fn status(&self) -> CliResult<wire::StatusReply> {
        Ok(self.client.status().await?)
    }

    /// Opens a stream of events, proven unless the caller does without.
    ///
    /// # Errors
    /// No peer answers, or what it sends is not proven.
    pub async fn events(
        &self,
        request: wire::EventsRequest,
        verify: bool,
    ) -> CliResult<BoxStream<'static, CliResult<wire::EventsReply>>> {
        Ok(if verify {
            self.verifier()?
                .events(request)
                .await?
                .map_err(CliError::from)
                .boxed()
        } else {
            self.client.events(request).await?.map_err(CliError::from).boxed()
        })
    }

    /// Reads that are proven against the genesis, and against the last checkpoint if one is named.
    ///
    /// # Errors
    /// Not every actor has approved the genesis; the checkpoint is not there or not of this network.
    pub fn verifier(&self) -> CliResult<Verifier> {
        let verifier = Verifier::new(self.client.clone(), Arc::clone(&self.anchor));
        let Some(path) = &self.checkpoint else {
            return Ok(verifier);
        };
        let checkpoint = checkpoint_file::read(path, &self.anchor)?.ok_or_else(|| {
            CliError::usage(
                format!("there is no checkpoint {}", path.display()),
                "make one with `e2l audit --checkpoint FILE`",
            )
        })?;
        Ok(verifier.since(checkpoint))
    }

    /// What is trusted: the genesis, and the changes of the configuration that were proven since.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The configuration now, after asking for changes of it.
    ///
    /// # Errors
    /// No peer answers, or what it sends is not proven.
    pub async fn current_config(&self) -> CliResult<Arc<NetworkConfig>> {
        e2l_client::learn_changes(&self.client, &self.anchor).await?;
        Ok(self.anchor.newest())
    }

    /// File of the last checkpoint, if one is named.
    pub fn checkpoint(&self) -> Option<&Path> {
        self.checkpoint.as_deref()
    }

    /// Header of the genesis.
    pub fn genesis_header(&self) -> Header {
        self.genesis.genesis.header()
    }

    /// The newest configuration that was proven so far; the genesis's at first.
    pub fn config(&self) -> Arc<NetworkConfig> {
        self.anchor.newest()
    }

    /// Hash of the genesis.
    pub fn network(&self) -> Digest {
        self.network
    }

    /// Number of voting actors.
    pub fn voters(&self) -> usize {
        self.config().voters().count()
    }

    /// Signs in the caller's name.
    pub fn signer(&self) -> &dyn Signer {
        self.identity.as_ref()
    }

    /// Output format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Says something to people, on standard error.
    pub fn note(&self, text: &str) {
        eprintln!("{}", Terminal::stderr().paint(Style::Dim, text));
    }
}

struct Material {
    genesis: Arc<GenesisFile>,
    certificate: PathBuf,
    key: PathBuf,
    prefer: Vec<String>,
    /// The preferred actor's peer, if it has joined after the genesis.
    joined: Option<PeerAddress>,
}

impl Material {
    fn of(settings: &Settings, role: Role) -> CliResult<Self> {
        let material = match &settings.place {
            Place::Network(network) => {
                let actor = network.actor(settings.actor.as_deref())?;
                let (certificate, key) = network.identity_files(actor, role);
                Self {
                    genesis: Arc::clone(network.genesis()),
                    certificate,
                    key,
                    prefer: vec![actor.to_owned()],
                    joined: network.joined_peer(actor)?,
                }
            }
            Place::Profile(profile) => Self {
                genesis: Arc::new(read_genesis(&profile.genesis)?),
                certificate: profile.certificate.clone(),
                key: profile.key.clone(),
                prefer: settings
                    .actor
                    .clone()
                    .into_iter()
                    .chain(profile.peers.clone())
                    .collect(),
                joined: profile.joined.as_ref().map(|peer| PeerAddress {
                    actor: peer.actor.clone(),
                    name: peer.name.clone(),
                    address: peer.address.clone(),
                }),
            },
        };
        let config = &material.genesis.genesis.config;
        let has_joined = |actor: &str| material.joined.as_ref().is_some_and(|peer| peer.actor == actor);
        let is_unknown = |actor: &&String| config.actor(actor).is_none() && !has_joined(actor);
        match material.prefer.iter().find(is_unknown) {
            None => Ok(material),
            Some(unknown) => {
                let known: Vec<&str> = config.actors.iter().map(|actor| actor.name.as_str()).collect();
                Err(CliError::usage(
                    format!("`{unknown}` is not an actor of network {}", config.network),
                    format!("name one of: {}", known.join(", ")),
                ))
            }
        }
    }
}

/// A client may not sign; everyone else may read.
fn check_role(identity: &Identity, wanted: Role) -> CliResult<()> {
    let member = identity.certificate().member();
    if wanted != Role::Admin || member.role == Role::Admin {
        return Ok(());
    }
    Err(CliError::usage(
        format!("{member} may not sign requests: only admins may"),
        "use an admin's profile (admin/profile.toml of your actor)",
    ))
}
