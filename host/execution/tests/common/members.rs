//! Members with keys, and the genesis that names their authority.

use super::contracts;
use e2l_identity::{Authority, Validity};
use e2l_ledger::{
    ActorConfig, Algorithm, Certificate, ChaincodeDefinition, Digest, EngineProfile, Genesis, Limits, Member,
    NetworkConfig, PeerConfig, Policy, Role, Signature, Signer, Suffrage,
};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer as _, SigningKey};
use time::OffsetDateTime;

/// Time of the genesis: fixed, for nothing here may depend on a clock.
pub const CREATED: i64 = 1_800_000_000_000_000_000;
pub const NETWORK: &str = "test";
pub const ACTOR: &str = "provider";
/// The other voting actors, which order nothing here.
pub const OTHERS: [&str; 2] = ["developer", "user"];

pub struct Identity {
    certificate: Certificate,
    key: SigningKey,
}

impl Signer for Identity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, digest: &Digest) -> Signature {
        Signature {
            certificate: self.certificate.digest(),
            algorithm: Algorithm::Ed25519,
            bytes: self.key.sign(digest.as_bytes()).to_bytes(),
        }
    }
}

pub struct Members {
    pub peer: Identity,
    pub collector: Identity,
    pub admin: Identity,
    /// Admins of the other voting actors.
    pub others: [Identity; 2],
    pub client: Identity,
    /// Peer of the first of the other voting actors.
    pub other_peer: Identity,
    /// Its authority is not the one in the genesis.
    pub stranger: Identity,
    pub genesis: Genesis,
}

impl Members {
    pub fn new(limits: Limits) -> Self {
        let now = OffsetDateTime::from_unix_timestamp_nanos(i128::from(CREATED)).unwrap();
        let validity = Validity::days(now, 365);
        let authority = Authority::create(ACTOR, validity).unwrap();
        let other = Authority::create(ACTOR, validity).unwrap();
        let others = OTHERS.map(|actor| Authority::create(actor, validity).unwrap());
        let issue_to = |authority: &Authority, actor: &str, role, name: &str| {
            let member = Member {
                actor: actor.into(),
                role,
                name: name.into(),
            };
            let issued = authority.issue(NETWORK, &member, validity, &[]).unwrap();
            Identity {
                certificate: Certificate::parse(&issued.certificate_der).unwrap(),
                key: SigningKey::from_pkcs8_pem(&issued.key_pem).unwrap(),
            }
        };
        let issue = |authority: &Authority, role, name: &str| issue_to(authority, ACTOR, role, name);
        let known = [
            (ACTOR, authority.certificate_der()),
            (OTHERS[0], others[0].certificate_der()),
            (OTHERS[1], others[1].certificate_der()),
        ];
        Self {
            others: [0, 1].map(|at| issue_to(&others[at], OTHERS[at], Role::Admin, "admin")),
            other_peer: issue_to(&others[0], OTHERS[0], Role::Peer, "peer"),
            peer: issue(&authority, Role::Peer, "peer"),
            collector: issue(&authority, Role::Collector, "collector-1"),
            admin: issue(&authority, Role::Admin, "admin"),
            client: issue(&authority, Role::Client, "client"),
            stranger: issue(&other, Role::Collector, "collector-2"),
            genesis: genesis(known, limits),
        }
    }
}

fn genesis(known: [(&str, &[u8]); 3], limits: Limits) -> Genesis {
    let mut actors: Vec<ActorConfig> = (1..)
        .zip(known)
        .map(|(raft_id, (name, authority))| ActorConfig {
            name: name.into(),
            authorities: vec![authority.to_vec()],
            peer: Some(PeerConfig {
                name: "peer".into(),
                raft_id,
                address: format!("127.0.0.1:{raft_id}"),
            }),
            suffrage: Suffrage::Voter,
        })
        .collect();
    actors.sort_by(|one, other| one.name.cmp(&other.name));
    let chaincodes = contracts().iter().map(|(name, digest, _)| ChaincodeDefinition {
        name: (*name).into(),
        version: "1.0.0".into(),
        digest: *digest,
    });
    let config = NetworkConfig {
        network: NETWORK.into(),
        actors,
        chaincodes: chaincodes.collect(),
        engine: EngineProfile {
            engine: "any".into(),
            architecture: "any".into(),
            configuration: Digest::ZERO,
        },
        finality: Policy::Majority,
        limits,
        revoked: Default::default(),
        lifecycle: Policy::All,
        next_raft_id: 100,
        executables: Default::default(),
        replaced_collectors: Vec::new(),
    };
    config.check().unwrap();
    Genesis {
        created_nano: CREATED,
        config,
    }
}
