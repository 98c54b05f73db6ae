//! An actor's authority, its members' identities on disk, and a network's configuration around them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod link;

use e2l_identity::{Authority, Identity, Issued, StaticTrust, Trust, Validity};
use e2l_ledger::{
    ActorConfig, Digest, EngineProfile, Limits, Member, NetworkConfig, PeerConfig, Policy, Role, Suffrage,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SanType,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// The network's name.
pub const NETWORK: &str = "testnet";

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// From yesterday until tomorrow.
pub fn valid() -> Validity {
    Validity::days(now(), 1)
}

/// Over since a day.
pub fn expired() -> Validity {
    Validity {
        not_before: now() - Duration::days(9),
        not_after: now() - Duration::days(1),
    }
}

/// Holds from tomorrow on.
pub fn not_yet_valid() -> Validity {
    Validity {
        not_before: now() + Duration::days(1),
        not_after: now() + Duration::days(9),
    }
}

pub fn member(actor: &str, role: Role, name: &str) -> Member {
    Member {
        actor: actor.to_owned(),
        role,
        name: name.to_owned(),
    }
}

/// An issued certificate with its key, through the files that a process reads.
pub fn identity(issued: &Issued) -> Identity {
    let home = tempfile::tempdir().unwrap();
    issued.write(home.path(), "it").unwrap();
    Identity::load(&home.path().join("it.pem"), &home.path().join("it.key")).unwrap()
}

/// Two actors with a peer each.
pub struct Two {
    pub provider: Authority,
    pub user: Authority,
    pub config: NetworkConfig,
}

impl Two {
    pub fn new() -> Self {
        let provider = Authority::create("provider", valid()).unwrap();
        let user = Authority::create("user", valid()).unwrap();
        let actor = |authority: &Authority, name: &str, raft_id| ActorConfig {
            name: name.to_owned(),
            authorities: vec![authority.certificate_der().to_vec()],
            peer: Some(PeerConfig {
                name: "peer".to_owned(),
                raft_id,
                address: "127.0.0.1:1".to_owned(),
            }),
            suffrage: Suffrage::Voter,
        };
        let config = NetworkConfig {
            network: NETWORK.to_owned(),
            actors: vec![actor(&provider, "provider", 1), actor(&user, "user", 2)],
            revoked: BTreeSet::new(),
            finality: Policy::Majority,
            lifecycle: Policy::All,
            limits: Limits::default(),
            chaincodes: Vec::new(),
            engine: engine(),
            next_raft_id: 3,
            executables: Default::default(),
            replaced_collectors: Vec::new(),
        };
        Self {
            provider,
            user,
            config,
        }
    }

    pub fn trust(&self) -> Arc<dyn Trust> {
        Arc::new(StaticTrust(Arc::new(self.config.clone())))
    }

    /// A good identity of the provider.
    pub fn of_provider(&self, role: Role, name: &str) -> Identity {
        self.in_time(role, name, valid())
    }

    /// An identity of the provider with a validity of its own.
    pub fn in_time(&self, role: Role, name: &str, validity: Validity) -> Identity {
        let member = member("provider", role, name);
        identity(&self.provider.issue(NETWORK, &member, validity, &[]).unwrap())
    }

    /// The user's peer.
    pub fn user_peer(&self) -> Identity {
        let member = member("user", Role::Peer, "peer");
        identity(&self.user.issue(NETWORK, &member, valid(), &[]).unwrap())
    }
}

pub fn engine() -> EngineProfile {
    EngineProfile {
        engine: "none".to_owned(),
        architecture: "any".to_owned(),
        configuration: Digest::ZERO,
    }
}

/// The provider's authority, with its key in the hands of someone who issues what [`Authority`] does not.
pub struct Forger {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, for a configuration that trusts it.
    pub der: Vec<u8>,
}

impl Forger {
    pub fn new() -> Self {
        Self::with(KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    /// The same with a key of another kind.
    pub fn with(key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "forger");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    /// A certificate with these URIs and this CommonName, and its key (PKCS #8), both DER.
    pub fn forge(&self, uris: &[&str], common_name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        (self.issue(uris, common_name, &key), key.serialize_der())
    }

    /// A certificate for this key, DER.
    pub fn issue(&self, uris: &[&str], common_name: &str, key: &KeyPair) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        for uri in uris {
            params
                .subject_alt_names
                .push(SanType::URI((*uri).try_into().unwrap()));
        }
        params.signed_by(key, &self.issuer).unwrap().der().to_vec()
    }
}

/// Every file below a directory, with its mode and content.
pub fn files(directory: &Path) -> Vec<(std::path::PathBuf, u32, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            let content = std::fs::read(&path).unwrap();
            found.push((path, mode, content));
        }
    }
    found.sort();
    found
}
