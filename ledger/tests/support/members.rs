use e2l_ledger::*;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use p256::ecdsa::signature::Signer as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

pub const NETWORK: &str = "proofs";
/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000_000_000;

#[derive(Clone)]
enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// A member with its key: ECDSA P-256 for admins, Ed25519 for all others.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    key: Key,
}

impl Signer for Identity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, digest: &Digest) -> Signature {
        let bytes = match &self.key {
            Key::Ed25519(key) => ed25519_dalek::Signer::sign(key, digest.as_bytes()).to_bytes(),
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(digest.as_bytes());
                signature.normalize_s().unwrap_or(signature).to_bytes().into()
            }
        };
        Signature {
            certificate: self.certificate.digest(),
            algorithm: self.certificate.algorithm(),
            bytes,
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

fn key_of(member: &Member, of: &str) -> (Key, KeyPair) {
    if member.role != Role::Admin {
        let key = secret(of);
        let pair = key_pair(&key);
        return (Key::Ed25519(key), pair);
    }
    let key = p256::SecretKey::from_slice(blake3::hash(of.as_bytes()).as_bytes()).unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der.as_bytes().into(), &rcgen::PKCS_ECDSA_P256_SHA256);
    (Key::P256(key.into()), pair.unwrap())
}

/// DER bytes of certificates, by what they are of. Those that are known are not made anew: how a library lays
/// out DER may change.
#[derive(Default)]
pub struct Certificates(RefCell<BTreeMap<String, Vec<u8>>>);

impl Certificates {
    pub fn known(certificates: BTreeMap<String, Vec<u8>>) -> Self {
        Self(RefCell::new(certificates))
    }

    pub fn all(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.borrow().clone()
    }

    fn get(&self, of: String, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        self.0.borrow_mut().entry(of).or_insert_with(make).clone()
    }
}

impl Authority {
    fn new(actor: &str, certificates: &Certificates) -> Self {
        let key = key_pair(&secret(&format!("authority of {actor}")));
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, actor);
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2125, 1, 1);
        let der = certificates.get(format!("authority of {actor}"), || {
            params.self_signed(&key).unwrap().der().to_vec()
        });
        Self { params, key, der }
    }

    fn issue(&self, member: Member, until: i32, certificates: &Certificates) -> Identity {
        let of = format!("{member} until {until}");
        let (key, pair) = key_of(&member, &of);
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, &member.name);
        params.subject_alt_names = vec![SanType::URI(
            member.spiffe_id(NETWORK).as_str().try_into().unwrap(),
        )];
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = certificates.get(of, || params.signed_by(&pair, &issuer).unwrap().der().to_vec());
        Identity {
            certificate: Certificate::parse(&der).unwrap(),
            key,
        }
    }
}

/// Three actors with an authority each.
pub struct Members {
    authorities: BTreeMap<String, Authority>,
    pub certificates: Certificates,
    pub genesis: GenesisFile,
}

impl Members {
    pub fn new() -> Self {
        Self::with(Certificates::default())
    }

    pub fn with(certificates: Certificates) -> Self {
        let names = ["developer", "provider", "user"];
        let authorities: BTreeMap<String, Authority> = names
            .iter()
            .map(|name| ((*name).to_owned(), Authority::new(name, &certificates)))
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
                suffrage: Suffrage::Voter,
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
            next_raft_id: 100,
            executables: Default::default(),
            replaced_collectors: Vec::new(),
        };
        let genesis = Genesis {
            created_nano: START,
            config,
        };
        let mut members = Self {
            authorities,
            certificates,
            genesis: GenesisFile {
                genesis,
                approvals: Vec::new(),
            },
        };
        members.approve();
        members
    }

    /// Every actor's admin signs the genesis.
    pub fn approve(&mut self) {
        let sign = |name| Approval::sign(&self.genesis.genesis, &self.one(name, Role::Admin, "admin"));
        self.genesis.approvals = self.authorities.keys().map(|name| sign(name)).collect();
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
        self.authorities[actor].issue(member, year, &self.certificates)
    }

    /// Someone whose certificate only looks as if the actor's authority had issued it.
    pub fn impostor(&self, actor: &str, role: Role, name: &str) -> Identity {
        let member = Member {
            actor: actor.to_owned(),
            role,
            name: name.to_owned(),
        };
        let none = Certificates::default();
        let mut authority = Authority::new(actor, &none);
        authority.key = key_pair(&secret("a key that no actor has"));
        authority.issue(member, 2125, &none)
    }

    pub fn peer(&self, actor: &str) -> Identity {
        self.one(actor, Role::Peer, "peer")
    }

    pub fn network(&self) -> Digest {
        self.genesis.genesis.digest()
    }
}
