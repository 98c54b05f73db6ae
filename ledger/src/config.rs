//! The configuration under which a block is executed. `config_root` in the header commits to it.

use crate::canonical::Canonical;
use crate::collector_code::ReplacedCollector;
use crate::governance::{GOVERNANCE, PROPOSAL_MAX_BYTES};
use crate::hash::{Digest, Domain};
use crate::member::{InvalidName, Member, Role, validate_name};
use crate::policy::Policy;
use crate::suffrage::Suffrage;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Bytes as hexadecimal text in JSON.
pub(crate) mod hex_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        list.iter()
            .map(hex::encode)
            .collect::<Vec<_>>()
            .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| hex::decode(text).map_err(serde::de::Error::custom))
            .collect()
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A name is not a name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Two things that must differ are the same.
    #[error("{what} `{name}` stands twice in the configuration")]
    Twice {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something that must be there is not.
    #[error("{0}")]
    Missing(String),
    /// A limit is outside its range.
    #[error("limit `{name}` is {value}, it must be from {min} to {max}")]
    Limit {
        /// Field.
        name: &'static str,
        /// Value found.
        value: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
}

/// The peer an actor runs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Name in its certificate.
    pub name: String,
    /// Raft node id; a replaced disk gets a new one.
    pub raft_id: u64,
    /// `host:port` that other peers and clients reach it at.
    pub address: String,
}

/// Where a peer that is to be admitted is found. Its Raft id is given when it is.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerPlace {
    /// Name in its certificate.
    pub name: String,
    /// `host:port` that other peers and clients reach it at.
    pub address: String,
}

/// A member organisation.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorConfig {
    /// Its name.
    pub name: String,
    /// DER bytes of its certificate authorities.
    #[serde(with = "hex_list")]
    pub authorities: Vec<Vec<u8>>,
    /// Its peer; an actor without one submits and reads through others'.
    pub peer: Option<PeerConfig>,
    /// Whether it votes.
    pub suffrage: Suffrage,
}

/// An active chaincode.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChaincodeDefinition {
    /// Name that calls use.
    pub name: String,
    /// Version, for people.
    pub version: String,
    /// Digest of the component ([`Domain::Chaincode`]).
    pub digest: Digest,
}

/// What executes chaincode: peers with another engine refuse to execute and endorse.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineProfile {
    /// Name and version of the engine.
    pub engine: String,
    /// Processor architecture: stack use of compiled code depends on it.
    pub architecture: String,
    /// Digest of every setting that can change a result.
    pub configuration: Digest,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $default:literal, $min:literal..=$max:literal;)*) => {
        /// Bounds that every peer enforces alike.
        #[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            fn check(&self) -> Result<(), ConfigError> {
                $(if !($min..=$max).contains(&self.$name) {
                    return Err(ConfigError::Limit { name: stringify!($name), value: self.$name, min: $min, max: $max });
                })*
                Ok(())
            }
        }
    };
}

limits! {
    /// Most transactions in a block.
    block_max_transactions: 1000, 1..=100_000;
    /// Most bytes of envelopes in a block.
    block_max_bytes: 2_097_152, 65_536..=33_554_432;
    /// Longest time a transaction waits for its block to fill, milliseconds; with 0 a block is
    /// cut when those before it are final, or soon after.
    block_timeout_ms: 0, 0..=60_000;
    /// Most transactions in a batch.
    batch_max_transactions: 500, 1..=100_000;
    /// Most bytes in a batch.
    batch_max_bytes: 1_048_576, 1024..=16_777_216;
    /// Most bytes of one call's argument.
    argument_max_bytes: 262_144, 256..=4_194_304;
    /// Blocks applied beyond the last final one before the leader stops cutting.
    max_unfinal_blocks: 64, 1..=4096;
    /// How far a block's time may be ahead of a follower's clock, milliseconds.
    clock_drift_ms: 5000, 10..=3_600_000;
    /// Events whose engine time is further from block time are marked late, milliseconds.
    collection_window_ms: 60_000, 1000..=86_400_000;
    /// Most blocks a signed request may lie ahead of its last height.
    request_lifetime_blocks: 100_000, 1..=10_000_000;
    /// Fuel of one call.
    fuel_per_call: 50_000_000, 100_000..=10_000_000_000;
    /// Linear memory of a contract, bytes.
    contract_memory_bytes: 33_554_432, 1_048_576..=1_073_741_824;
    /// Most bytes a call may return.
    output_max_bytes: 65_536, 256..=4_194_304;
    /// Most bytes a query may return.
    query_output_max_bytes: 4_194_304, 4096..=67_108_864;
    /// Most writes of one call.
    writes_per_call: 256, 1..=65_536;
    /// Most bytes written by one call.
    write_bytes_per_call: 1_048_576, 1024..=16_777_216;
    /// Most bytes of a chaincode component.
    component_max_bytes: 4_194_304, 1024..=16_711_680;
    /// Fuel of a migration, which runs once when a contract is replaced.
    migration_fuel: 20_000_000_000, 100_000..=1_000_000_000_000;
    /// Most writes of a migration.
    migration_writes: 1_000_000, 1..=100_000_000;
    /// Most bytes written by a migration.
    migration_write_bytes: 268_435_456, 1024..=4_294_967_295;
    /// How long batches of the collectors' last component are taken after another came into force, milliseconds of
    /// block time.
    collector_grace_ms: 3_600_000, 0..=2_592_000_000;
    /// Longest time between two inventories of one collector, milliseconds: what runs is attested so often.
    inventory_interval_ms: 3_600_000, 1000..=31_536_000_000;
    /// Fuel of one step of a preparation, of which each block runs one.
    preparation_fuel: 20_000_000, 100_000..=10_000_000_000;
    /// Most steps of a preparation.
    preparation_steps: 100_000, 1..=100_000_000;
}

/// The configuration of a network at some height.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The network's name: the trust domain of its SPIFFE ids.
    pub network: String,
    /// Members, sorted by name.
    pub actors: Vec<ActorConfig>,
    /// Digests of revoked certificates.
    pub revoked: BTreeSet<Digest>,
    /// Endorsements that make a block final.
    pub finality: Policy,
    /// Approvals that change chaincode and configuration.
    pub lifecycle: Policy,
    /// Bounds.
    pub limits: Limits,
    /// Active chaincodes, sorted by name.
    pub chaincodes: Vec<ChaincodeDefinition>,
    /// What executes them.
    pub engine: EngineProfile,
    /// Raft id of the next peer that is admitted: none is ever given twice, since a peer without its disk must not
    /// speak for what it has promised before.
    pub next_raft_id: u64,
    /// BLAKE3 of the executables that collectors may have; none: any.
    #[serde(default)]
    pub executables: BTreeSet<Digest>,
    /// Components of collectors that were replaced, and how long batches that name them are taken; the newest last.
    #[serde(default)]
    pub replaced_collectors: Vec<ReplacedCollector>,
}

impl Canonical for NetworkConfig {
    const WHAT: &'static str = "network configuration";
}

impl Limits {
    /// Most bytes of the argument of a call to this chaincode: a proposal brings its components.
    pub fn argument_bytes(&self, chaincode: &str) -> u64 {
        if chaincode == GOVERNANCE {
            self.argument_max_bytes.max(self.proposal_bytes())
        } else {
            self.argument_max_bytes
        }
    }

    /// Most bytes of a proposal to change the network.
    fn proposal_bytes(&self) -> u64 {
        self.component_max_bytes.saturating_add(PROPOSAL_MAX_BYTES)
    }

    /// Most bytes that the one call of a request may bring.
    pub fn request_bytes(&self) -> u64 {
        self.argument_max_bytes.max(self.proposal_bytes())
    }
}

impl NetworkConfig {
    /// Commitment to the configuration.
    pub fn root(&self) -> Digest {
        self.digest_as(Domain::Config)
    }

    /// An actor by name.
    pub fn actor(&self, name: &str) -> Option<&ActorConfig> {
        self.actors.iter().find(|actor| actor.name == name)
    }

    /// An active chaincode by name.
    pub fn chaincode(&self, name: &str) -> Option<&ChaincodeDefinition> {
        self.chaincodes.iter().find(|chaincode| chaincode.name == name)
    }

    /// The actors that vote, with their peers.
    pub fn voters(&self) -> impl Iterator<Item = (&ActorConfig, &PeerConfig)> {
        self.actors
            .iter()
            .filter(|actor| actor.suffrage == Suffrage::Voter)
            .filter_map(|a| a.peer.as_ref().map(|p| (a, p)))
    }

    /// The actor whose peer this member is, and that peer; `None` if it is no actor's.
    pub fn peer_of(&self, member: &Member) -> Option<(&ActorConfig, &PeerConfig)> {
        let actor = self.actor(&member.actor)?;
        let peer = actor.peer.as_ref()?;
        (member.role == Role::Peer && peer.name == member.name).then_some((actor, peer))
    }

    /// Whether this member is the peer of a voting actor.
    pub fn is_voting_peer(&self, member: &Member) -> bool {
        self.peer_of(member)
            .is_some_and(|(actor, _)| actor.suffrage == Suffrage::Voter)
    }

    /// Whether this member is the peer of an actor that is to vote and does not yet.
    pub fn is_staging_peer(&self, member: &Member) -> bool {
        self.peer_of(member)
            .is_some_and(|(actor, _)| actor.suffrage == Suffrage::Staging)
    }

    /// The actor whose peer has this Raft id.
    pub fn actor_of_raft_id(&self, id: u64) -> Option<(&ActorConfig, &PeerConfig)> {
        self.actors
            .iter()
            .filter_map(|a| a.peer.as_ref().map(|p| (a, p)))
            .find(|(_, peer)| peer.raft_id == id)
    }

    /// Gives the next Raft id to a new peer.
    pub(crate) fn admit_peer(&mut self, place: &PeerPlace) -> PeerConfig {
        let raft_id = self.next_raft_id;
        self.next_raft_id = raft_id.saturating_add(1);
        PeerConfig {
            name: place.name.clone(),
            raft_id,
            address: place.address.clone(),
        }
    }

    /// Checks that the configuration makes sense.
    ///
    /// # Errors
    /// Bad or repeated names, repeated Raft ids or such as are still to be given, no voter, a voter without a peer, an actor
    /// without authority, a limit out of range, a policy that can never be met.
    pub fn check(&self) -> Result<(), ConfigError> {
        validate_name(&self.network)?;
        strictly_sorted("actor", self.actors.iter().map(|actor| actor.name.as_str()))?;
        strictly_sorted(
            "chaincode",
            self.chaincodes.iter().map(|chaincode| chaincode.name.as_str()),
        )?;
        let mut ids = BTreeSet::new();
        for actor in &self.actors {
            validate_name(&actor.name)?;
            if actor.authorities.is_empty() {
                return Err(ConfigError::Missing(format!(
                    "actor `{}` has no certificate authority",
                    actor.name
                )));
            }
            let Some(peer) = &actor.peer else {
                if actor.suffrage == Suffrage::Nonvoter {
                    continue;
                }
                return Err(ConfigError::Missing(format!(
                    "actor `{}` is to vote and has no peer",
                    actor.name
                )));
            };
            validate_name(&peer.name)?;
            if peer.raft_id >= self.next_raft_id {
                return Err(ConfigError::Missing(format!(
                    "the peer of `{}` has Raft id {}, and the next one to be given is {}",
                    actor.name, peer.raft_id, self.next_raft_id
                )));
            }
            if !ids.insert(peer.raft_id) {
                return Err(ConfigError::Twice {
                    what: "Raft id",
                    name: peer.raft_id.to_string(),
                });
            }
        }
        for chaincode in &self.chaincodes {
            validate_name(&chaincode.name)?;
        }
        let voters = self.voters().count();
        for (name, policy) in [("finality", self.finality), ("lifecycle", self.lifecycle)] {
            if voters == 0 || policy.required(voters) > voters {
                return Err(ConfigError::Missing(format!(
                    "the {name} policy needs {} voting actors with a peer, there are {voters}",
                    policy.required(voters)
                )));
            }
        }
        self.limits.check()
    }
}

/// Names must be in strict order: then none stands twice, and there is one encoding of a set.
fn strictly_sorted<'a>(what: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let names: Vec<&str> = names.collect();
    match names.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(pair) if pair[0] == pair[1] => Err(ConfigError::Twice {
            what,
            name: pair[0].to_owned(),
        }),
        Some(pair) => Err(ConfigError::Missing(format!(
            "{what}s must be sorted by name: `{}` stands before `{}`",
            pair[0], pair[1]
        ))),
    }
}
