use super::GOVERNANCE;
use crate::config::{
    ActorConfig, ChaincodeDefinition, ConfigError, EngineProfile, Limits, NetworkConfig, PeerConfig,
    PeerPlace,
};
use crate::hash::{Digest, Domain};
use crate::policy::Policy;
use crate::suffrage::Suffrage;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One change of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Deploys a contract under a name that is free, or replaces the one that has it.
    Chaincode(ChaincodeDefinition),
    /// Ends a contract; its state stays.
    RemoveChaincode(String),
    /// Sets all limits.
    Limits(Limits),
    /// Revokes certificates, by digest: what they signed before stays valid.
    Revoke(BTreeSet<Digest>),
    /// Sets an actor's certificate authorities, DER bytes. What others have issued for it is no longer trusted.
    Authorities {
        /// The actor.
        actor: String,
        /// Its authorities.
        #[serde(with = "crate::config::hex_list")]
        authorities: Vec<Vec<u8>>,
    },
    /// Admits an actor.
    AddActor(NewActor),
    /// Removes an actor: from the next height on nothing that it signs is accepted.
    RemoveActor(String),
    /// Gives an actor a new peer, in place of the one it has: one with an empty disk, and another Raft id.
    ReplacePeer {
        /// The actor.
        actor: String,
        /// Its peer from now on.
        peer: PeerPlace,
    },
    /// An actor's peer, the same one, is found elsewhere.
    MovePeer {
        /// The actor.
        actor: String,
        /// `host:port` that others reach it at.
        address: String,
    },
    /// Gives an actor that has a peer a vote, as soon as that is ready, or takes it.
    Vote {
        /// The actor.
        actor: String,
        /// Whether it is to vote.
        votes: bool,
    },
    /// Sets the policies.
    Policies {
        /// Endorsements that make a block final.
        finality: Policy,
        /// Approvals that change chaincode and configuration.
        lifecycle: Policy,
    },
    /// Sets what executes chaincode. Peers of a release with another engine stop at that height.
    Engine(EngineProfile),
    /// Sets the executables that collectors may have, by BLAKE3; none: any.
    Executables(BTreeSet<Digest>),
}

/// An actor that is to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewActor {
    /// Its name.
    pub name: String,
    /// DER bytes of its certificate authorities.
    #[serde(with = "crate::config::hex_list")]
    pub authorities: Vec<Vec<u8>>,
    /// Its peer, if it runs one.
    pub peer: Option<PeerPlace>,
    /// Whether it is to vote, as soon as its peer is ready.
    pub votes: bool,
}

impl Change {
    /// What it replaces, as it is in `config`: a digest over that part of the configuration; zero if there is none. A
    /// revocation adds to others and replaces nothing.
    pub fn replaced_in(&self, config: &NetworkConfig) -> Digest {
        let part = match self {
            Self::Chaincode(ChaincodeDefinition { name, .. }) | Self::RemoveChaincode(name) => {
                config.chaincode(name).and_then(|known| borsh::to_vec(known).ok())
            }
            Self::Limits(_) => borsh::to_vec(&config.limits).ok(),
            Self::Revoke(_) => None,
            Self::Authorities { actor, .. } => {
                let actor = config.actor(actor);
                actor.and_then(|actor| borsh::to_vec(&actor.authorities).ok())
            }
            Self::AddActor(NewActor { name: actor, .. }) | Self::RemoveActor(actor) => {
                config.actor(actor).and_then(|actor| borsh::to_vec(actor).ok())
            }
            Self::ReplacePeer { actor, .. } | Self::MovePeer { actor, .. } => {
                let actor = config.actor(actor);
                actor.and_then(|actor| borsh::to_vec(&actor.peer).ok())
            }
            Self::Vote { actor, .. } => {
                let actor = config.actor(actor);
                actor.and_then(|actor| borsh::to_vec(&actor.suffrage).ok())
            }
            Self::Policies { .. } => borsh::to_vec(&(config.finality, config.lifecycle)).ok(),
            Self::Engine(_) => borsh::to_vec(&config.engine).ok(),
            Self::Executables(_) => borsh::to_vec(&config.executables).ok(),
        };
        part.map_or(Digest::ZERO, |part| Domain::ConfigPart.hash(&part))
    }

    /// Makes the change. Whether the whole makes sense is for [`NetworkConfig::check`] to say.
    ///
    /// # Errors
    /// What it is about is not there, or may not be changed.
    pub fn apply(&self, config: &mut NetworkConfig) -> Result<(), ConfigError> {
        match self {
            Self::Chaincode(definition) => {
                if definition.name == GOVERNANCE {
                    return Err(ConfigError::Missing(format!(
                        "no contract can be deployed as `{GOVERNANCE}`: choose another name"
                    )));
                }
                let place = config
                    .chaincodes
                    .binary_search_by(|known| known.name.cmp(&definition.name));
                match place {
                    Ok(at) => config.chaincodes[at] = definition.clone(),
                    Err(at) => config.chaincodes.insert(at, definition.clone()),
                }
            }
            Self::RemoveChaincode(name) => {
                let count = config.chaincodes.len();
                config.chaincodes.retain(|known| known.name != *name);
                if config.chaincodes.len() == count {
                    return Err(ConfigError::Missing(format!("no chaincode `{name}` is active")));
                }
            }
            Self::Limits(limits) => {
                keeps_batches(&config.limits, limits)?;
                config.limits = limits.clone();
            }
            Self::Revoke(certificates) => config.revoked.extend(certificates.iter().copied()),
            Self::Authorities { actor, authorities } => {
                found(config, actor)?.authorities.clone_from(authorities);
            }
            Self::AddActor(actor) => actor.admit(config)?,
            Self::RemoveActor(actor) => {
                found(config, actor)?;
                config.actors.retain(|known| known.name != *actor);
            }
            Self::ReplacePeer { actor, peer } => {
                if found(config, actor)?
                    .peer
                    .as_ref()
                    .is_some_and(|old| old.name == peer.name)
                {
                    return Err(ConfigError::Missing(format!(
                        "the peer of `{actor}` is named `{}` already: a new one needs a certificate of another name",
                        peer.name
                    )));
                }
                let peer = config.admit_peer(peer);
                found(config, actor)?.peer = Some(peer);
            }
            Self::MovePeer { actor, address } => peer_of(config, actor)?.address.clone_from(address),
            Self::Vote { actor, votes } => {
                let actor = found(config, actor)?;
                actor.suffrage = match (votes, actor.suffrage) {
                    (false, _) => Suffrage::Nonvoter,
                    (true, Suffrage::Voter) => Suffrage::Voter,
                    (true, _) => Suffrage::Staging,
                };
            }
            Self::Policies { finality, lifecycle } => {
                config.finality = *finality;
                config.lifecycle = *lifecycle;
            }
            Self::Engine(engine) => config.engine = engine.clone(),
            Self::Executables(executables) => config.executables.clone_from(executables),
        }
        Ok(())
    }
}

fn found<'a>(config: &'a mut NetworkConfig, name: &str) -> Result<&'a mut ActorConfig, ConfigError> {
    let found = config.actors.iter_mut().find(|known| known.name == name);
    found.ok_or_else(|| ConfigError::Missing(format!("`{name}` is not an actor of the network")))
}

fn peer_of<'a>(config: &'a mut NetworkConfig, actor: &str) -> Result<&'a mut PeerConfig, ConfigError> {
    let found = found(config, actor)?.peer.as_mut();
    found.ok_or_else(|| ConfigError::Missing(format!("actor `{actor}` has no peer")))
}

impl NewActor {
    fn admit(&self, config: &mut NetworkConfig) -> Result<(), ConfigError> {
        let place = config.actors.binary_search_by(|known| known.name.cmp(&self.name));
        let Err(at) = place else {
            return Err(ConfigError::Twice {
                what: "actor",
                name: self.name.clone(),
            });
        };
        let peer = self.peer.as_ref().map(|place| config.admit_peer(place));
        config.actors.insert(
            at,
            ActorConfig {
                name: self.name.clone(),
                authorities: self.authorities.clone(),
                peer,
                suffrage: if self.votes {
                    Suffrage::Staging
                } else {
                    Suffrage::Nonvoter
                },
            },
        );
        Ok(())
    }
}

/// A collector has signed what is in its spool, and no smaller batch can take its place: what was small enough when it
/// was signed must stay so.
fn keeps_batches(now: &Limits, then: &Limits) -> Result<(), ConfigError> {
    let bounds = [
        (
            "batch_max_transactions",
            now.batch_max_transactions,
            then.batch_max_transactions,
        ),
        ("batch_max_bytes", now.batch_max_bytes, then.batch_max_bytes),
        (
            "argument_max_bytes",
            now.argument_max_bytes,
            then.argument_max_bytes,
        ),
    ];
    match bounds.into_iter().find(|(_, now, then)| then < now) {
        None => Ok(()),
        Some((name, now, then)) => Err(ConfigError::Missing(format!(
            "limit `{name}` cannot be lowered from {now} to {then}: collectors have signed batches that are within it"
        ))),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chaincode(ChaincodeDefinition {
                name,
                version,
                digest,
            }) => {
                write!(
                    f,
                    "chaincode {name} becomes version {version} ({})",
                    digest.short()
                )
            }
            Self::RemoveChaincode(name) => write!(f, "chaincode {name} ends"),
            Self::Limits(_) => f.write_str("limits change"),
            Self::Revoke(certificates) => {
                let shown: Vec<String> = certificates.iter().map(Digest::short).collect();
                write!(f, "certificates are revoked: {}", shown.join(", "))
            }
            Self::Authorities { actor, authorities } => {
                write!(
                    f,
                    "{actor} has {} certificate authorities from now on",
                    authorities.len()
                )
            }
            Self::AddActor(actor) => write!(f, "{actor}"),
            Self::RemoveActor(actor) => write!(f, "actor {actor} leaves the network"),
            Self::ReplacePeer { actor, peer } => {
                write!(f, "{actor} gets a new peer `{}` at {}", peer.name, peer.address)
            }
            Self::MovePeer { actor, address } => write!(f, "{actor}'s peer moves to {address}"),
            Self::Vote { actor, votes: true } => write!(f, "{actor} gets a vote"),
            Self::Vote { actor, votes: false } => write!(f, "{actor} loses its vote"),
            Self::Policies { finality, lifecycle } => {
                write!(
                    f,
                    "blocks are final by {finality}, changes are made by {lifecycle}"
                )
            }
            Self::Engine(engine) => write!(
                f,
                "contracts are executed by {} on {} ({})",
                engine.engine,
                engine.architecture,
                engine.configuration.short()
            ),
            Self::Executables(executables) if executables.is_empty() => {
                f.write_str("collectors may have any executable")
            }
            Self::Executables(executables) => {
                let shown: Vec<String> = executables.iter().map(Digest::short).collect();
                write!(
                    f,
                    "collectors may have these executables alone: {}",
                    shown.join(", ")
                )
            }
        }
    }
}

impl fmt::Display for NewActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, peer, votes, ..
        } = self;
        let what = if *votes { "with a vote" } else { "without a vote" };
        write!(f, "{name} joins the network {what}")?;
        match peer {
            Some(peer) => write!(f, ", its peer `{}` is at {}", peer.name, peer.address),
            None => f.write_str(", without a peer"),
        }
    }
}

/// A change, and what it is meant to replace: it is void when that was changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedChange {
    /// What it replaces: [`Change::replaced_in`] the configuration that the proposer saw.
    pub replaces: Digest,
    /// The change.
    pub change: Change,
}

impl ProposedChange {
    /// A change of this configuration.
    pub fn of(config: &NetworkConfig, change: Change) -> Self {
        Self {
            replaces: change.replaced_in(config),
            change,
        }
    }
}
