use e2l_ledger::*;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::collections::{BTreeMap, BTreeSet};

pub const NETWORK: &str = "proofs";
/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000_000_000;

/// A member with its key.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    key: ed25519_dalek::SigningKey,
}

impl Signer for Identity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, digest: &Digest) -> Signature {
        Signature {
            certificate: self.certificate.digest(),
            algorithm: Algorithm::Ed25519,
            bytes: ed25519_dalek::Signer::sign(&self.key, digest.as_bytes()).to_bytes(),
        }
    }
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

fn key_pair(key: &ed25519_dalek::SigningKey) -> KeyPair {
    let der = key.to_pkcs8_der().unwrap();
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_bytes().into(), &rcgen::PKCS_ED25519).unwrap()
}

fn secret(of: &str) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(blake3::hash(of.as_bytes()).as_bytes())
}

impl Authority {
    fn new(actor: &str) -> Self {
        let key = key_pair(&secret(&format!("authority of {actor}")));
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, actor);
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2125, 1, 1);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    fn issue(&self, member: Member, until: i32) -> Identity {
        let key = secret(&format!("{member} until {until}"));
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, &member.name);
        params.subject_alt_names = vec![SanType::URI(
            member.spiffe_id(NETWORK).as_str().try_into().unwrap(),
        )];
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key_pair(&key), &issuer).unwrap();
        Identity {
            certificate: Certificate::parse(der.der()).unwrap(),
            key,
        }
    }
}

/// Three actors with an authority each.
pub struct Members {
    authorities: BTreeMap<String, Authority>,
    pub genesis: GenesisFile,
}

impl Members {
    pub fn new() -> Self {
        let names = ["developer", "provider", "user"];
        let authorities: BTreeMap<String, Authority> = names
            .iter()
            .map(|name| ((*name).to_owned(), Authority::new(name)))
            .collect();
        let actors = authorities
            .iter()
            .zip(1..)
            .map(|((name, authority), raft_id)| ActorConfig {
                name: name.clone(),
                authorities: vec![authority.der.clone()],
                peer: Some(PeerConfig {
                    name: "peer".to_owned(),
                    raft_id,
                    address: format!("127.0.0.1:{raft_id}"),
                }),
                voting: true,
            });
        let config = NetworkConfig {
            network: NETWORK.to_owned(),
            actors: actors.collect(),
            revoked: BTreeSet::new(),
            finality: Policy::Majority,
            lifecycle: Policy::All,
            limits: Limits::default(),
            chaincodes: Vec::new(),
            engine: EngineProfile {
                engine: "none".to_owned(),
                architecture: "none".to_owned(),
                configuration: Digest::ZERO,
            },
        };
        let genesis = Genesis {
            created_nano: START,
            config,
        };
        let mut members = Self {
            authorities,
            genesis: GenesisFile {
                genesis,
                approvals: Vec::new(),
            },
        };
        members.genesis.approvals = names
            .iter()
            .map(|name| Approval::sign(&members.genesis.genesis, &members.one(name, Role::Admin, "admin")))
            .collect();
        members
    }

    pub fn one(&self, actor: &str, role: Role, name: &str) -> Identity {
        self.until(actor, role, name, 2125)
    }

    /// A member whose certificate ends with the year before.
    pub fn until(&self, actor: &str, role: Role, name: &str, year: i32) -> Identity {
        let member = Member {
            actor: actor.to_owned(),
            role,
            name: name.to_owned(),
        };
        self.authorities[actor].issue(member, year)
    }

    /// Someone whose certificate only looks as if the actor's authority had issued it.
    pub fn impostor(&self, actor: &str, role: Role, name: &str) -> Identity {
        let member = Member {
            actor: actor.to_owned(),
            role,
            name: name.to_owned(),
        };
        let mut authority = Authority::new(actor);
        authority.key = key_pair(&secret("a key that no actor has"));
        authority.issue(member, 2125)
    }

    pub fn peer(&self, actor: &str) -> Identity {
        self.one(actor, Role::Peer, "peer")
    }

    pub fn network(&self) -> Digest {
        self.genesis.genesis.digest()
    }
}
