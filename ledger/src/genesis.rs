//! The genesis: block 0. Its hash is the network's name to every signature.

use crate::block::Header;
use crate::canonical::Canonical;
use crate::certificate::{Certificate, CertificateError};
use crate::config::{ConfigError, NetworkConfig};
use crate::hash::{Digest, Domain};
use crate::keys::StateKey;
use crate::map::StateMap;
use crate::member::Role;
use crate::merkle::merkle_root;
use crate::signature::{Algorithm, Signature, SignatureError, Signer};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the actors agreed on at the start.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// When it was made, nanoseconds since the Unix epoch; the time of block 0.
    pub created_nano: i64,
    /// Configuration of the first block.
    pub config: NetworkConfig,
}

impl Canonical for Genesis {
    const WHAT: &'static str = "genesis";
}

/// Why a genesis cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The configuration makes no sense.
    #[error("the genesis configuration is not usable: {0}")]
    Config(#[from] ConfigError),
    /// An approval's certificate is not acceptable.
    #[error("approval by `{actor}`: {source}")]
    Certificate {
        /// Actor of the approval.
        actor: String,
        /// What is wrong.
        source: CertificateError,
    },
    /// An approval's signature does not hold.
    #[error("approval by `{actor}`: {source}")]
    Signature {
        /// Actor of the approval.
        actor: String,
        /// What is wrong.
        source: SignatureError,
    },
    /// An approval was not made by an admin of its actor.
    #[error("an approval was signed by {0}, which is not an admin")]
    NotAdmin(String),
    /// Actors have not approved.
    #[error("actors {0:?} have not approved this genesis: every actor's admin must sign it")]
    NotApproved(Vec<String>),
}

impl Genesis {
    /// The network's hash.
    pub fn digest(&self) -> Digest {
        self.digest_as(Domain::Genesis)
    }

    /// What an actor's admin signs.
    pub fn approval_digest(&self) -> Digest {
        Domain::GenesisApproval.hash(self.digest().as_bytes())
    }

    /// The state before the first block.
    pub fn initial_state(&self) -> Vec<(StateKey, Vec<u8>)> {
        vec![(StateKey::config(), self.config.encode())]
    }

    /// The header of block 0.
    pub fn header(&self) -> Header {
        let mut map = StateMap::default();
        let leaves = self.initial_state();
        let changes = leaves
            .iter()
            .map(|(key, value)| (key.hash(), Some(Domain::Value.hash(value))));
        let state_root = map.update(changes.collect());
        Header {
            network: self.digest(),
            height: 0,
            previous: Digest::ZERO,
            proposal: self.digest(),
            data_root: merkle_root(&[]),
            envelopes: 0,
            results_root: merkle_root(&[]),
            transactions: 0,
            state_root,
            config_root: self.config.root(),
            next_config_root: self.config.root(),
            time_nano: self.created_nano,
        }
    }
}

/// An actor's signature over a genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// DER bytes of the admin's certificate, hexadecimal.
    pub certificate: String,
    /// Algorithm of the signature.
    pub algorithm: Algorithm,
    /// 64 bytes, hexadecimal.
    pub signature: String,
}

impl Approval {
    /// Approves a genesis in the name of the signer's actor.
    pub fn sign(genesis: &Genesis, signer: &dyn Signer) -> Self {
        let signature = signer.sign(&genesis.approval_digest());
        Self {
            certificate: hex::encode(signer.certificate().der()),
            algorithm: signature.algorithm,
            signature: hex::encode(signature.bytes),
        }
    }

    fn check(&self, genesis: &Genesis) -> Result<String, GenesisError> {
        let unknown = |why: &str| GenesisError::Certificate {
            actor: "unknown".to_owned(),
            source: CertificateError::Malformed(why.to_owned()),
        };
        let der = hex::decode(&self.certificate).map_err(|_| unknown("not hexadecimal"))?;
        let certificate = Certificate::parse(&der).map_err(|source| GenesisError::Certificate {
            actor: "unknown".to_owned(),
            source,
        })?;
        let actor = certificate.member().actor.clone();
        if certificate.member().role != Role::Admin {
            return Err(GenesisError::NotAdmin(certificate.member().to_string()));
        }
        certificate
            .check(&genesis.config, genesis.created_nano)
            .map_err(|source| GenesisError::Certificate {
                actor: actor.clone(),
                source,
            })?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(&self.signature, &mut bytes).map_err(|_| GenesisError::Signature {
            actor: actor.clone(),
            source: SignatureError::Mismatch,
        })?;
        let signature = Signature {
            certificate: certificate.digest(),
            algorithm: self.algorithm,
            bytes,
        };
        signature
            .verify(&genesis.approval_digest(), &certificate)
            .map_err(|source| GenesisError::Signature {
                actor: actor.clone(),
                source,
            })?;
        Ok(actor)
    }
}

/// `genesis.json`: the genesis and every actor's approval. The approvals are beside what they sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// The genesis.
    pub genesis: Genesis,
    /// One per actor.
    pub approvals: Vec<Approval>,
}

impl GenesisFile {
    /// Checks the configuration and that every actor's admin approved it.
    ///
    /// # Errors
    /// Names the actor whose approval is missing or does not hold.
    pub fn check(&self) -> Result<(), GenesisError> {
        self.genesis.config.check()?;
        let mut missing: BTreeSet<&str> = self
            .genesis
            .config
            .actors
            .iter()
            .map(|actor| actor.name.as_str())
            .collect();
        for approval in &self.approvals {
            missing.remove(approval.check(&self.genesis)?.as_str());
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(GenesisError::NotApproved(
            missing.into_iter().map(str::to_owned).collect(),
        ))
    }
}
