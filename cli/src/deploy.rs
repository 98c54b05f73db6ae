//! A new network's directory: identities and genesis from the identity crate, and every process's
//! configuration beside them.

use crate::collector_file::CollectorFile;
use crate::component::{Component, engine};
use crate::error::{CliError, CliResult};
use crate::network_dir::{NEW_ACTOR_FILE, NetworkDir, NetworkFile, write_toml};
use crate::profile::{JoinedPeer, Profile};
use e2l_client::PeerAddress;
use e2l_identity::{
    ActorPlan, ChaincodePlan, IdentityError, JoinPlan, NetworkPlan, create_network, prepare_actor,
};
use e2l_ledger::{ChaincodeDefinition, Domain, GenesisFile, Limits, Policy, Role};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// Lowest port that is tried for a peer on this machine. Below the range from which the kernel takes ports for
/// outgoing connections, so that they are still free when the network starts again.
const FIRST_PORT: u16 = 7051;
/// Ports that are tried.
const TRIED_PORTS: u16 = 2000;

/// A network to be.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Its name.
    pub name: String,
    /// Its actors; the first is the default one.
    pub actors: Vec<String>,
    /// Their peers' addresses, in the same order.
    pub addresses: Vec<String>,
    /// Collectors by actor.
    pub collectors: BTreeMap<String, u32>,
    /// Endorsements that make a block final.
    pub finality: Policy,
    /// Approvals that change the network.
    pub lifecycle: Policy,
    /// Component that is active from the first block on, if any.
    pub chaincode: Option<PathBuf>,
    /// Events per second of a synthetic source, for collectors that are told to use one.
    pub synthetic_rate: Option<f64>,
}

/// `peer.toml`. The peer's own crate reads it and refuses what it does not know; a test compares the two.
#[derive(Debug, Serialize)]
struct PeerFile<'a> {
    genesis: &'a str,
    certificate: &'a str,
    key: &'a str,
    chaincode_dir: &'a str,
    data_dir: &'a str,
    listen: &'a str,
    log: &'a str,
}

/// Makes the directory. It is not there, or empty.
///
/// # Errors
/// Names or addresses make no sense, the actors are too few for a policy, the component cannot be read, or files cannot be
/// written.
pub fn create(directory: &Path, options: &NetworkOptions) -> CliResult<NetworkDir> {
    let component = options.chaincode.as_deref().map(Component::load).transpose()?;
    let actors = options
        .actors
        .iter()
        .zip(&options.addresses)
        .map(|(name, address)| ActorPlan {
            name: name.clone(),
            peer_address: address.clone(),
            collectors: options.collectors.get(name).map_or(0, |count| *count as usize),
        });
    let plan = NetworkPlan {
        network: options.name.clone(),
        actors: actors.collect(),
        limits: Limits::default(),
        finality: options.finality,
        lifecycle: options.lifecycle,
        chaincode: component.map(|component| ChaincodePlan {
            name: component.name,
            version: component.version,
            component: component.bytes,
        }),
        engine: engine(),
        now: OffsetDateTime::now_utc(),
    };
    create_network(directory, &plan).map_err(refuse)?;
    let file = NetworkFile {
        network: options.name.clone(),
        actors: options.actors.clone(),
    };
    NetworkDir::write_order(directory, &file)?;
    let network = NetworkDir::open(directory)?;
    for (actor, address) in options.actors.iter().zip(&options.addresses) {
        write_configurations(&network, actor, address, options.synthetic_rate)?;
    }
    Ok(network)
}

/// An actor that is to join a network.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// Its name.
    pub actor: String,
    /// Its peer's address.
    pub address: String,
    /// How many collectors it gets.
    pub collectors: u32,
    /// Whether it asks for a vote.
    pub votes: bool,
    /// Components of the genesis's contracts.
    pub chaincodes: Vec<PathBuf>,
}

/// Makes the directory of an actor that is to join the network of a genesis, with the file that the network's actors need
/// to agree to it.
///
/// # Errors
/// The name makes no sense, a component of the genesis is missing, or files cannot be written.
pub fn prepare_to_join(
    directory: &Path,
    genesis: GenesisFile,
    options: &JoinOptions,
) -> CliResult<NetworkDir> {
    let mut components = Vec::new();
    for definition in &genesis.genesis.config.chaincodes {
        components.push(find_component(definition, &options.chaincodes)?);
    }
    let network = genesis.genesis.config.network.clone();
    let plan = JoinPlan {
        genesis,
        actor: ActorPlan {
            name: options.actor.clone(),
            peer_address: options.address.clone(),
            collectors: options.collectors as usize,
        },
        votes: options.votes,
        components,
        now: OffsetDateTime::now_utc(),
    };
    let new_actor = prepare_actor(directory, &plan).map_err(refuse)?;
    let file = NetworkFile {
        network,
        actors: vec![options.actor.clone()],
    };
    NetworkDir::write_order(directory, &file)?;
    let network = NetworkDir::open(directory)?;
    let path = network.actor_dir(&options.actor).join(NEW_ACTOR_FILE);
    let json = serde_json::to_vec_pretty(&new_actor).map_err(|error| {
        CliError::usage(
            format!("cannot write {} as JSON: {error}", path.display()),
            "report this as a defect",
        )
    })?;
    std::fs::write(&path, json).map_err(|error| CliError::file("write", &path, &error))?;
    write_configurations(&network, &options.actor, &options.address, None)?;
    Ok(network)
}

/// The component that a definition names by its digest, among files.
fn find_component(definition: &ChaincodeDefinition, files: &[PathBuf]) -> CliResult<Vec<u8>> {
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| CliError::file("read", file, &error))?;
        if Domain::Chaincode.hash(&bytes) == definition.digest {
            return Ok(bytes);
        }
    }
    Err(CliError::usage(
        format!(
            "the genesis has chaincode `{}` with digest {}, and no file that is named has it",
            definition.name, definition.digest
        ),
        "get the component from another actor (it lies in the directory `chaincode` of its peer), and name it with \
         --chaincode FILE",
    ))
}

fn refuse(error: IdentityError) -> CliError {
    match error {
        IdentityError::Write { path, source } => CliError::file("write", &path, &source),
        IdentityError::NotEmpty(path) => CliError::usage(
            format!("{} is not empty", path.display()),
            "give a new directory, or remove that one first",
        ),
        other => CliError::usage(other, "correct the names and addresses; nothing was written"),
    }
}

fn write_configurations(
    network: &NetworkDir,
    actor: &str,
    address: &str,
    synthetic_rate: Option<f64>,
) -> CliResult<()> {
    let home = network.actor_dir(actor);
    let peer = PeerFile {
        genesis: "genesis.json",
        certificate: "peer.pem",
        key: "peer.key",
        chaincode_dir: "chaincode",
        data_dir: "data",
        listen: address,
        log: "info,openraft=warn",
    };
    write_toml(
        &home.join("peer").join("peer.toml"),
        &format!("{actor}'s peer: e2l-peer --config peer.toml"),
        &peer,
    )?;
    for role in [Role::Client, Role::Admin] {
        let joined = network.joined_peer(actor)?;
        write_profile(&home.join(role.as_str()), actor, role, joined)?;
    }
    for directory in network.collector_dirs(actor)? {
        let file = CollectorFile::new(actor, synthetic_rate);
        write_toml(
            &directory.join("collector.toml"),
            &format!("A collector of {actor}: e2l-collector --config collector.toml"),
            &file,
        )?;
    }
    Ok(())
}

/// Writes `profile.toml` beside an identity.
///
/// # Errors
/// It cannot be written.
pub fn write_profile(
    directory: &Path,
    actor: &str,
    role: Role,
    joined: Option<PeerAddress>,
) -> CliResult<Profile> {
    let profile = Profile {
        genesis: "genesis.json".into(),
        certificate: format!("{role}.pem").into(),
        key: format!("{role}.key").into(),
        peers: vec![actor.to_owned()],
        checkpoint: None,
        output: None,
        timeout: None,
        joined: joined.map(|peer| JoinedPeer {
            actor: peer.actor,
            name: peer.name,
            address: peer.address,
        }),
    };
    write_toml(
        &directory.join("profile.toml"),
        &format!("A {role} of {actor}: e2l ... --profile profile.toml"),
        &profile,
    )?;
    Ok(profile)
}

/// The chaincode component: as named, else `$E2L_CHAINCODE`, else beside the program, else where `make
/// chaincode` puts it.
///
/// # Errors
/// None of them is a file.
pub fn find_chaincode(named: Option<&Path>) -> CliResult<PathBuf> {
    let variable = std::env::var_os("E2L_CHAINCODE")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    for (path, source) in [
        (named.map(Path::to_owned), "--chaincode"),
        (variable, "E2L_CHAINCODE"),
    ] {
        let Some(path) = path else { continue };
        if path.is_file() {
            return Ok(path);
        }
        return Err(CliError::usage(
            format!("{source} names {}, which is not a file", path.display()),
            "correct it, or leave it out",
        ));
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name("eventdb.wasm"));
    let places: Vec<PathBuf> = beside
        .into_iter()
        .chain([PathBuf::from("target/chaincode/eventdb.wasm")])
        .collect();
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        CliError::usage(
            format!("no chaincode component is at {}", places.join(" or ")),
            "build it with `make chaincode`, or name one with --chaincode FILE or E2L_CHAINCODE",
        )
    })
}

/// Addresses on this machine that nobody listens on.
///
/// # Errors
/// There are not enough.
pub fn free_addresses(count: usize) -> CliResult<Vec<String>> {
    let mut held = Vec::new();
    for port in FIRST_PORT..FIRST_PORT + TRIED_PORTS {
        if held.len() == count {
            break;
        }
        let address = format!("127.0.0.1:{port}");
        // Each is held until all are found: two searches at a time must not find the same.
        if let Ok(listener) = TcpListener::bind(&address) {
            held.push((address, listener));
        }
    }
    if held.len() < count {
        return Err(CliError::usage(
            format!("fewer than {count} ports are free from {FIRST_PORT} on"),
            "stop what listens there, or use `e2l network init` with --addresses",
        ));
    }
    Ok(held.into_iter().map(|(address, _)| address).collect())
}
