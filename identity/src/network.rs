//! A new network: every actor's authority and members, and the genesis that all of them approve.

use crate::authority::{Authority, Validity};
use crate::error::IdentityError;
use crate::files::write_public;
use crate::identity::Identity;
use e2l_ledger::governance::NewActor;
use e2l_ledger::{
    ActorConfig, Approval, ChaincodeDefinition, Domain, EngineProfile, Genesis, GenesisFile, Limits, Member,
    NetworkConfig, PeerConfig, PeerPlace, Policy, Role, Suffrage, validate_name,
};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// How long an authority's certificate holds, days.
const AUTHORITY_DAYS: i64 = 3650;
/// How long a member's first certificate holds, days.
const MEMBER_DAYS: i64 = 825;
/// Name of an actor's first peer.
const PEER: &str = "peer";

/// An actor to be.
#[derive(Debug, Clone)]
pub struct ActorPlan {
    /// Its name.
    pub name: String,
    /// `host:port` of its peer.
    pub peer_address: String,
    /// How many collectors it gets: `collector-1`, `collector-2`, ...
    pub collectors: usize,
}

/// The chaincode of the first block.
#[derive(Debug, Clone)]
pub struct ChaincodePlan {
    /// Name that calls use.
    pub name: String,
    /// Version, for people.
    pub version: String,
    /// Bytes of the component.
    pub component: Vec<u8>,
}

/// A network to be.
#[derive(Debug, Clone)]
pub struct NetworkPlan {
    /// Its name: must be unique, for it is the trust domain of every certificate.
    pub network: String,
    /// Its actors.
    pub actors: Vec<ActorPlan>,
    /// Bounds.
    pub limits: Limits,
    /// Endorsements that make a block final.
    pub finality: Policy,
    /// Approvals that change contracts and configuration.
    pub lifecycle: Policy,
    /// Chaincode that is active from the first block on; without one the actors deploy their first together.
    pub chaincode: Option<ChaincodePlan>,
    /// What executes it.
    pub engine: EngineProfile,
    /// Now.
    pub now: OffsetDateTime,
}

/// Writes the directory of a new network and returns its genesis. The directory appears whole or not at all.
///
/// # Errors
/// The directory is not empty, a name or address cannot be used, or a file cannot be written.
pub fn create_network(directory: &Path, plan: &NetworkPlan) -> Result<GenesisFile, IdentityError> {
    make_whole(directory, |temporary| build(temporary, plan))
}

/// Makes a directory that appears whole or not at all.
fn make_whole<T>(
    directory: &Path,
    build: impl FnOnce(&Path) -> Result<T, IdentityError>,
) -> Result<T, IdentityError> {
    if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(IdentityError::NotEmpty(directory.to_owned()));
    }
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| IdentityError::Write { path, source }
    };
    let parent = directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(fail(parent))?;
    let name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let temporary = parent.join(format!(".{name}.{}.new", std::process::id()));
    let built = match build(&temporary) {
        Ok(built) => built,
        Err(error) => {
            // What was begun is of no use; the error that stopped it is what counts.
            let _ = std::fs::remove_dir_all(&temporary);
            return Err(error);
        }
    };
    if directory.exists() {
        std::fs::remove_dir(directory).map_err(fail(directory))?;
    }
    std::fs::rename(&temporary, directory).map_err(fail(directory))?;
    Ok(built)
}

/// An actor that is to join a network.
#[derive(Debug, Clone)]
pub struct JoinPlan {
    /// The network's genesis, which the caller has checked.
    pub genesis: GenesisFile,
    /// The actor.
    pub actor: ActorPlan,
    /// Whether it asks for a vote.
    pub votes: bool,
    /// The components that the genesis names: its peer executes all from the first block on.
    pub components: Vec<Vec<u8>>,
    /// Now.
    pub now: OffsetDateTime,
}

/// Writes the directory of an actor that is to join, and returns what the actors of the network have to agree to. The
/// directory appears whole or not at all.
///
/// # Errors
/// As [`create_network`].
pub fn prepare_actor(directory: &Path, plan: &JoinPlan) -> Result<NewActor, IdentityError> {
    validate_name(&plan.actor.name)?;
    make_whole(directory, |directory| {
        let network = &plan.genesis.genesis.config.network;
        let authority = members(directory, network, plan.now, &plan.actor)?;
        distribute(
            directory,
            std::slice::from_ref(&plan.actor),
            &plan.components,
            &plan.genesis,
        )?;
        Ok(NewActor {
            name: plan.actor.name.clone(),
            authorities: vec![authority.certificate_der().to_vec()],
            peer: Some(PeerPlace {
                name: PEER.to_owned(),
                address: plan.actor.peer_address.clone(),
            }),
            votes: plan.votes,
        })
    })
}

fn build(directory: &Path, plan: &NetworkPlan) -> Result<GenesisFile, IdentityError> {
    let mut actors: Vec<&ActorPlan> = plan.actors.iter().collect();
    actors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut configs = Vec::new();
    for (actor, raft_id) in actors.iter().zip(1..) {
        let authority = members(directory, &plan.network, plan.now, actor)?;
        configs.push(ActorConfig {
            name: actor.name.clone(),
            authorities: vec![authority.certificate_der().to_vec()],
            peer: Some(PeerConfig {
                name: PEER.to_owned(),
                raft_id,
                address: actor.peer_address.clone(),
            }),
            suffrage: Suffrage::Voter,
        });
    }
    let definition = plan.chaincode.iter().map(|chaincode| ChaincodeDefinition {
        name: chaincode.name.clone(),
        version: chaincode.version.clone(),
        digest: Domain::Chaincode.hash(&chaincode.component),
    });
    let created_nano = i64::try_from(plan.now.unix_timestamp_nanos()).unwrap_or(i64::MAX);
    let genesis = Genesis {
        created_nano,
        config: NetworkConfig {
            network: plan.network.clone(),
            actors: configs,
            revoked: BTreeSet::new(),
            finality: plan.finality,
            lifecycle: plan.lifecycle,
            limits: plan.limits.clone(),
            chaincodes: definition.collect(),
            engine: plan.engine.clone(),
            next_raft_id: actors.len() as u64 + 1,
            executables: Default::default(),
            replaced_collectors: Vec::new(),
        },
    };
    genesis.config.check()?;
    let mut approvals = Vec::new();
    for actor in &actors {
        let admin = directory.join("actors").join(&actor.name).join("admin");
        let identity = Identity::load(&admin.join("admin.pem"), &admin.join("admin.key"))?;
        approvals.push(Approval::sign(&genesis, &identity));
    }
    let file = GenesisFile { genesis, approvals };
    let components: Vec<Vec<u8>> = plan
        .chaincode
        .iter()
        .map(|chaincode| chaincode.component.clone())
        .collect();
    distribute(directory, &plan.actors, &components, &file)?;
    Ok(file)
}

/// Keys and certificates of an actor's members; returns its authority.
fn members(
    directory: &Path,
    network: &str,
    now: OffsetDateTime,
    actor: &ActorPlan,
) -> Result<Authority, IdentityError> {
    let home = directory.join("actors").join(&actor.name);
    let authority = Authority::create(&actor.name, Validity::days(now, AUTHORITY_DAYS))?;
    authority.save(&home.join("ca"))?;
    let host = actor
        .peer_address
        .rsplit_once(':')
        .map_or(actor.peer_address.as_str(), |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_owned();
    let mut wanted = vec![
        (Role::Peer, PEER.to_owned(), PEER, vec![host]),
        (Role::Admin, "admin".to_owned(), "admin", Vec::new()),
        (Role::Client, "client".to_owned(), "client", Vec::new()),
    ];
    for number in 1..=actor.collectors {
        wanted.push((
            Role::Collector,
            format!("collector-{number}"),
            "collector",
            Vec::new(),
        ));
    }
    for (role, name, stem, addresses) in wanted {
        let member = Member {
            actor: actor.name.clone(),
            role,
            name,
        };
        let validity = Validity::days(now, MEMBER_DAYS);
        let issued = authority.issue(network, &member, validity, &addresses)?;
        issued.write(&home.join(&member.name), stem)?;
    }
    Ok(authority)
}

/// Gives every process its own copy of what it must know.
fn distribute(
    directory: &Path,
    actors: &[ActorPlan],
    components: &[Vec<u8>],
    file: &GenesisFile,
) -> Result<(), IdentityError> {
    let path = directory.join("genesis.json");
    let json = serde_json::to_vec_pretty(file).map_err(|error| IdentityError::Write {
        path: path.clone(),
        source: error.into(),
    })?;
    write_public(&path, &json)?;
    for actor in actors {
        let home = directory.join("actors").join(&actor.name);
        let mut homes: Vec<PathBuf> = ["peer", "admin", "client"].map(|name| home.join(name)).into();
        homes.extend((1..=actor.collectors).map(|number| home.join(format!("collector-{number}"))));
        for home in &homes {
            write_public(&home.join("genesis.json"), &json)?;
        }
        let chaincodes = home.join("peer").join("chaincode");
        for component in components {
            let digest = Domain::Chaincode.hash(component);
            write_public(&chaincodes.join(format!("{digest}.wasm")), component)?;
        }
    }
    Ok(())
}
