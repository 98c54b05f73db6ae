use super::GOVERNANCE;
use crate::config::{ChaincodeDefinition, ConfigError, Limits, NetworkConfig};
use crate::hash::{Digest, Domain};
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
                let found = config.actors.iter_mut().find(|known| known.name == *actor);
                let found = found.ok_or_else(|| {
                    ConfigError::Missing(format!("`{actor}` is not an actor of the network"))
                })?;
                found.authorities.clone_from(authorities);
            }
        }
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
