//! `docs/format/vectors.json` holds what this code computes, so that a verifier in another language can be
//! checked against it, and so that no change of a format goes unnoticed.
//!
//! `E2L_BLESS=1 cargo test --workspace --test vectors` writes the file anew. A changed vector is a changed
//! format: it needs a new version byte or context, not a blessing.
// It reads a file: the crate itself must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

#[path = "vectors/governance.rs"]
mod governance_vectors;
#[path = "vectors/proofs.rs"]
mod proofs;
mod support;

use e2l_ledger::event::{Event, EventKind, Facts, Observation};
use e2l_ledger::proof::Anchor;
use e2l_ledger::*;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use p256::ecdsa::signature::Signer as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

const NETWORK: &str = "vectors";
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000_000;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/format/vectors.json")
}

/// The file as it stands; empty where there is none yet.
fn stored() -> Value {
    match std::fs::read_to_string(path()) {
        Ok(text) => serde_json::from_str(&text).expect("vectors.json is JSON"),
        Err(_) => Value::Null,
    }
}

enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// A member with a key that everyone knows.
struct Identity {
    certificate: Certificate,
    key: Key,
    secret: [u8; 32],
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

/// The authority of actor `provider`; its key is 32 bytes of 1.
struct Authority {
    der: Vec<u8>,
    params: CertificateParams,
    key: KeyPair,
}

fn ed25519_key_pair(secret: &[u8; 32]) -> KeyPair {
    let der = ed25519_dalek::SigningKey::from_bytes(secret)
        .to_pkcs8_der()
        .unwrap();
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_bytes().into(), &rcgen::PKCS_ED25519).unwrap()
}

fn authority(known: &Value) -> Authority {
    let key = ed25519_key_pair(&[1; 32]);
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "provider authority");
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2125, 1, 1);
    let der = match known["keys"]["authority"]["certificate"].as_str() {
        Some(text) => hex::decode(text).unwrap(),
        None => params.self_signed(&key).unwrap().der().to_vec(),
    };
    Authority { der, params, key }
}

/// Certificates are taken from the file once they are there: how a library lays out DER may change.
fn identity(
    known: &Value,
    authority: &Authority,
    role: Role,
    algorithm: Algorithm,
    secret: [u8; 32],
) -> Identity {
    let name = format!("{role}-one");
    let (key, pair) = match algorithm {
        Algorithm::Ed25519 => {
            let key = ed25519_dalek::SigningKey::from_bytes(&secret);
            (Key::Ed25519(key), ed25519_key_pair(&secret))
        }
        Algorithm::EcdsaP256 => {
            let key = p256::SecretKey::from_slice(&secret).unwrap();
            let der = key.to_pkcs8_der().unwrap();
            let pair =
                KeyPair::from_pkcs8_der_and_sign_algo(&der.as_bytes().into(), &rcgen::PKCS_ECDSA_P256_SHA256)
                    .unwrap();
            (Key::P256(key.into()), pair)
        }
    };
    let der = match known["keys"][role.as_str()]["certificate"].as_str() {
        Some(text) => hex::decode(text).unwrap(),
        None => {
            let member = Member {
                actor: "provider".into(),
                role,
                name,
            };
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, &member.name);
            let uri = member.spiffe_id(NETWORK).as_str().try_into().unwrap();
            params.subject_alt_names = vec![SanType::URI(uri)];
            params.not_before = rcgen::date_time_ymd(2025, 1, 1);
            params.not_after = rcgen::date_time_ymd(2125, 1, 1);
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            let issuer = Issuer::from_params(&authority.params, &authority.key);
            params.signed_by(&pair, &issuer).unwrap().der().to_vec()
        }
    };
    Identity {
        certificate: Certificate::parse(&der).unwrap(),
        key,
        secret,
    }
}

fn event() -> Event {
    Event {
        kind: EventKind::Container,
        action: "die".into(),
        actor_id: "4e5f8a1b".repeat(8),
        attributes: BTreeMap::from([
            ("exitCode".into(), "7".into()),
            ("image".into(), "nginx:1.27".into()),
            ("note".into(), "zwei\nZeilen, \"ä\"".into()),
        ]),
        scope: "local".into(),
        time: 1_767_225_600,
        time_nano: START,
        received_nano: START + 1_500_000,
        sequence: 3,
        observation: Observation::Observed,
        facts: Some(Facts {
            image_digest: Some("sha256:00ff".into()),
            started_nano: Some(START - 5_000_000_000),
            finished_nano: Some(START - 1_000_000),
            exit_code: Some(7),
            oom_killed: None,
        }),
    }
}

/// An object's name, encoding and digest.
fn object<T: Canonical>(value: &T, digest: Digest) -> Value {
    let bytes = value.encode();
    assert_eq!(
        T::decode(&bytes).unwrap().encode(),
        bytes,
        "{} comes back",
        T::WHAT
    );
    json!({ "encoding": hex::encode(bytes), "digest": digest })
}

fn signature(signature: &Signature) -> Value {
    json!({
        "certificate": signature.certificate,
        "algorithm": signature.algorithm,
        "bytes": hex::encode(signature.bytes),
    })
}

/// The four members and what each signs.
struct World {
    authority: Authority,
    collector: Identity,
    admin: Identity,
    peer: Identity,
}

impl World {
    fn new(known: &Value) -> Self {
        let authority = authority(known);
        let make = |role, algorithm, secret| identity(known, &authority, role, algorithm, secret);
        let collector = make(Role::Collector, Algorithm::Ed25519, [2; 32]);
        let admin = make(Role::Admin, Algorithm::EcdsaP256, [3; 32]);
        let peer = make(Role::Peer, Algorithm::Ed25519, [4; 32]);
        Self {
            authority,
            collector,
            admin,
            peer,
        }
    }

    fn keys(&self) -> Value {
        let mut keys = Map::new();
        keys.insert(
            "authority".into(),
            json!({
                "algorithm": Algorithm::Ed25519,
                "secret": hex::encode([1u8; 32]),
                "certificate": hex::encode(&self.authority.der),
                "certificate_digest": Domain::Certificate.hash(&self.authority.der),
            }),
        );
        for identity in [&self.collector, &self.admin, &self.peer] {
            let certificate = &identity.certificate;
            keys.insert(
                certificate.member().role.to_string(),
                json!({
                    "algorithm": certificate.algorithm(),
                    "secret": hex::encode(identity.secret),
                    "public": hex::encode(certificate.key()),
                    "spiffe_id": certificate.member().spiffe_id(NETWORK),
                    "certificate": hex::encode(certificate.der()),
                    "certificate_digest": certificate.digest(),
                }),
            );
        }
        Value::Object(keys)
    }

    fn genesis(&self) -> Genesis {
        Genesis {
            created_nano: START,
            config: NetworkConfig {
                network: NETWORK.into(),
                actors: vec![ActorConfig {
                    name: "provider".into(),
                    authorities: vec![self.authority.der.clone()],
                    peer: Some(PeerConfig {
                        name: "peer-one".into(),
                        raft_id: 1,
                        address: "127.0.0.1:7051".into(),
                    }),
                    suffrage: Suffrage::Voter,
                }],
                revoked: BTreeSet::from([Digest([9; 32])]),
                finality: Policy::Majority,
                lifecycle: Policy::AtLeast(1),
                limits: Limits::default(),
                chaincodes: vec![ChaincodeDefinition {
                    name: "eventdb".into(),
                    version: "1.0.0".into(),
                    digest: Domain::Chaincode.hash(b"not a component"),
                }],
                engine: EngineProfile {
                    engine: "wasmtime 48.0.8".into(),
                    architecture: "x86_64".into(),
                    configuration: Digest([8; 32]),
                },
                next_raft_id: 2,
                executables: BTreeSet::from([Digest([5; 32])]),
                replaced_collectors: vec![ReplacedCollector {
                    component: Some(Digest([4; 32])),
                    until_nano: START + 3_600_000_000_000,
                }],
            },
        }
    }

    fn batch(&self, network: Digest) -> SignedBatch {
        let calls: Vec<Call> = (3..=5)
            .map(|sequence| Call {
                chaincode: "eventdb".into(),
                function: "createEvent".into(),
                argument: Event { sequence, ..event() }.encode(),
            })
            .collect();
        let header = BatchHeader {
            network,
            sender: self.collector.certificate.member().clone(),
            incarnation: 1,
            sequence: 2,
            previous: Digest([7; 32]),
            created_nano: START + 2_000_000,
            count: 3,
            calls_root: SignedBatch::calls_root(&calls),
            component: Some(Digest([4; 32])),
            executable: Digest([5; 32]),
        };
        SignedBatch::sign(header, calls, &self.collector)
    }

    fn request(&self, network: Digest) -> SignedRequest {
        let call = Call {
            chaincode: "eventdb".into(),
            function: "createEvent".into(),
            argument: event().encode(),
        };
        SignedRequest::sign(network, [6; 16], 100, call, &self.admin)
    }

    fn proposal(&self, genesis: &Genesis) -> SignedProposal {
        let network = genesis.digest();
        let header = ProposalHeader {
            network,
            leader: self.peer.certificate.member().clone(),
            term: 5,
            height: 1,
            previous: network,
            time_nano: START + 3_000_000,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: 0,
        };
        let certificates = vec![
            self.collector.certificate.der().to_vec(),
            self.admin.certificate.der().to_vec(),
        ];
        let envelopes = vec![
            Envelope::Batch(self.batch(network)),
            Envelope::Request(self.request(network)),
        ];
        SignedProposal::sign(header, certificates, envelopes, &self.peer)
    }
}

fn contexts() -> Value {
    let rows = Domain::ALL.iter().map(|(domain, context)| {
        assert_eq!(
            domain.context(),
            *context,
            "the table is in the order of the enum"
        );
        json!({ "context": context, "of_nothing": domain.hash(b""), "of_abc": domain.hash(b"abc") })
    });
    rows.collect()
}

fn leaf(n: u32) -> Digest {
    Domain::Value.hash(&n.to_be_bytes())
}

fn lists() -> Value {
    let trees = [0u32, 1, 2, 3, 4, 5, 7, 8, 9, 1000].into_iter().map(|count| {
        let leaves: Vec<Digest> = (0..count).map(leaf).collect();
        let mut head = LogHead::default();
        for entry in &leaves {
            head.append(*entry);
        }
        assert_eq!(head.root(), merkle_root(&leaves));
        json!({
            "count": count,
            "root": merkle_root(&leaves),
            "log_head": hex::encode(head.encode()),
            "peaks": head.peaks,
        })
    });
    let trees: Vec<Value> = trees.collect();
    let leaves: Vec<Digest> = (0..7).map(leaf).collect();
    let proofs: Vec<Value> = (0..7)
        .map(|index| json!(InclusionProof::new(&leaves, index).unwrap()))
        .collect();
    json!({ "leaf": "value(index as 4 bytes, big-endian)", "trees": trees, "proofs_of_7": proofs })
}

fn maps(genesis: &Genesis) -> Value {
    let keys: Vec<StateKey> = (0..6u8).map(|n| StateKey::value("eventdb", &[b'k', n])).collect();
    let rows = [0usize, 1, 2, 3, 6].into_iter().map(|count| {
        let entries: Vec<(&StateKey, Vec<u8>)> = keys[..count]
            .iter()
            .zip(0u8..)
            .map(|(key, n)| (key, vec![b'v', n]))
            .collect();
        let changes = entries
            .iter()
            .map(|(key, value)| (key.hash(), Some(Domain::Value.hash(value))))
            .collect();
        let mut map = StateMap::default();
        map.update(changes);
        let entries: Vec<Value> = entries
            .iter()
            .map(|(key, value)| json!({ "key": hex::encode(key.as_bytes()), "value": hex::encode(value) }))
            .collect();
        json!({ "entries": entries, "root": map.root() })
    });
    let maps: Vec<Value> = rows.collect();
    let member = Member {
        actor: "provider".into(),
        role: Role::Collector,
        name: "collector-one".into(),
    };
    let named = [
        ("config", StateKey::config()),
        (
            "sender provider/collector/collector-one",
            StateKey::sender(&member),
        ),
        ("certificate 0909..09", StateKey::certificate(&Digest([9; 32]))),
        ("request 0909..09", StateKey::request(&Digest([9; 32]))),
        ("value `k` of eventdb", StateKey::value("eventdb", b"k")),
        ("log `l` of eventdb", StateKey::log("eventdb", b"l")),
    ];
    let state_keys: Vec<Value> = named
        .iter()
        .map(|(what, key)| json!({ "what": what, "key": hex::encode(key.as_bytes()), "hash": key.hash() }))
        .collect();
    json!({ "maps": maps, "state_keys": state_keys, "genesis_state_root": genesis.header().state_root })
}

/// Kept while they unpack to the envelopes: how well they are compressed is nobody's affair.
fn packed_envelopes(known: &Value, envelopes: &[Arc<Envelope>]) -> Value {
    let packed = envelopes.iter().enumerate().map(|(number, envelope)| {
        let kept = known["packed_envelopes"][number]["encoding"].as_str();
        let kept = kept.map(|text| hex::decode(text).unwrap());
        let unpacks = |bytes: &Vec<u8>| {
            PackedEnvelope::decode(bytes)
                .is_ok_and(|packed| packed.unpack(&Limits::default()).as_ref() == Ok(&**envelope))
        };
        let bytes = kept
            .filter(unpacks)
            .unwrap_or_else(|| PackedEnvelope::pack(envelope).encode());
        json!({ "encoding": hex::encode(bytes) })
    });
    packed.collect()
}

fn compute(known: &Value) -> Value {
    let world = World::new(known);
    let genesis = world.genesis();
    let network = genesis.digest();
    let approval = Approval::sign(&genesis, &world.admin);
    let file = GenesisFile {
        genesis: genesis.clone(),
        approvals: vec![approval],
    };
    file.check().expect("the genesis of the vectors holds");

    let proposal = world.proposal(&genesis);
    let batch = world.batch(network);
    let request = world.request(network);
    for (envelope, signer) in [
        (Envelope::Batch(batch.clone()), &world.collector),
        (Envelope::Request(request.clone()), &world.admin),
    ] {
        let inspection = Inspection::of(&envelope);
        check_envelope(
            &envelope,
            &inspection,
            &signer.certificate,
            &network,
            &genesis.config,
            START,
        )
        .unwrap();
        check_signature(&envelope, &signer.certificate).unwrap();
    }
    proposal.check(&network, &genesis.config.limits).unwrap();

    let mut ids: Vec<Digest> = (0..3).map(|index| batch.header.transaction_id(index)).collect();
    ids.push(request.header.transaction_id());
    let results: Vec<TransactionResult> = ids
        .iter()
        .zip([
            ValidationCode::Valid,
            ValidationCode::Valid,
            ValidationCode::ContractRejected,
            ValidationCode::Valid,
        ])
        .map(|(id, code)| TransactionResult {
            id: *id,
            code,
            fuel: 4321,
            output: b"out".to_vec(),
        })
        .collect();
    let header = Header {
        network,
        height: 1,
        previous: genesis.header().digest(),
        proposal: proposal.header.digest(),
        data_root: proposal.header.envelopes_root,
        envelopes: 2,
        results_root: TransactionResult::root(&results),
        transactions: 4,
        state_root: Digest([5; 32]),
        config_root: genesis.config.root(),
        next_config_root: genesis.config.root(),
        time_nano: proposal.header.time_nano,
    };
    let block = Block {
        header: header.clone(),
        proposal: proposal.clone(),
        results: results.clone(),
    };
    assert!(block.is_consistent());

    let acknowledgement = Acknowledgement {
        network,
        height: 1,
        proposal: proposal.header.digest(),
    };
    let endorsement = Endorsement {
        network,
        height: 1,
        header: header.digest(),
    };
    let votes = [
        Vote::Acknowledgement(acknowledgement.clone()),
        Vote::Endorsement(endorsement.clone()),
    ]
    .map(|vote| SignedVote::sign(vote, &world.peer));

    let provenance = Provenance {
        transaction: ids[0],
        sender: Arc::new(batch.header.sender.clone()),
        height: 1,
        index: 0,
        block_time_nano: header.time_nano,
    };
    let value = Domain::Value.hash(&batch.calls[0].argument);
    json!({
        "about": "Test vectors of docs/format. Written by ledger/tests/vectors.rs. Bytes are hexadecimal. The keys are known to everyone: trust nothing they sign.",
        "contexts": contexts(),
        "keys": world.keys(),
        "event": { "encoding": hex::encode(event().encode()) },
        "call": { "chaincode": "eventdb", "function": "createEvent", "argument_digest": value, "digest": batch.calls[0].digest() },
        "batch_header": object(&batch.header, batch.header.digest()),
        "batch_signature": signature(&batch.signature),
        "signed_batch": { "encoding": hex::encode(batch.encode()) },
        "request_header": object(&request.header, request.header.digest()),
        "request_signature": signature(&request.signature),
        "signed_request": { "encoding": hex::encode(request.encode()) },
        "envelopes": proposal.envelopes.iter().map(|e| object(&**e, e.digest())).collect::<Vec<_>>(),
        "packed_envelopes": packed_envelopes(known, &proposal.envelopes),
        "transaction_ids": ids,
        "proposal_header": object(&proposal.header, proposal.header.digest()),
        "proposal_signature": signature(&proposal.signature),
        "results": results.iter().map(|r| object(r, r.digest())).collect::<Vec<_>>(),
        "header": object(&header, header.digest()),
        "block": { "encoding": hex::encode(block.encode()) },
        "acknowledgement": object(&acknowledgement, votes[0].vote.digest()),
        "endorsement": object(&endorsement, votes[1].vote.digest()),
        "signed_votes": votes.iter().map(|v| json!({ "encoding": hex::encode(v.encode()), "signature": signature(&v.signature) })).collect::<Vec<_>>(),
        "sender_head": { "encoding": hex::encode(SenderHead::after(&batch.header).encode()) },
        "log_entry": { "provenance": hex::encode(borsh::to_vec(&provenance).unwrap()), "value_digest": value, "digest": LogEntry::digest(&provenance, &value) },
        "lists": lists(),
        "proofs": proofs::compute(&known["proofs"]),
        "governance": governance_vectors::compute(&genesis.config),
        "state": maps(&genesis),
        "config": object(&genesis.config, genesis.config.root()),
        "genesis": object(&genesis, genesis.digest()),
        "genesis_approval": genesis.approval_digest(),
        "genesis_file": file,
        "genesis_header": object(&genesis.header(), genesis.header().digest()),
    })
}

#[test]
fn the_formats_are_those_of_the_document() {
    let known = stored();
    let computed = compute(&known);
    if std::env::var_os("E2L_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&computed).unwrap() + "\n";
        std::fs::write(path(), text).unwrap();
        return;
    }
    let (Value::Object(known), Value::Object(computed)) = (known, computed) else {
        panic!("docs/format/vectors.json is missing: write it with E2L_BLESS=1");
    };
    for (name, value) in &computed {
        assert_eq!(
            known.get(name),
            Some(value),
            "vector `{name}` changed: a format must not change without a new version byte or context"
        );
    }
    assert_eq!(
        known.len(),
        computed.len(),
        "docs/format/vectors.json holds vectors that nothing computes"
    );
}

#[test]
fn the_proofs_in_the_file_hold_and_the_forged_ones_do_not() {
    let known = &stored()["proofs"];
    let anchor = |name: &Value| {
        let file = known["genesis_files"][name.as_str().unwrap()].clone();
        Anchor::new(&serde_json::from_value(file).unwrap()).unwrap()
    };
    let vectors = known["vectors"].as_array().unwrap();
    for vector in vectors {
        let bytes = hex::decode(vector["encoding"].as_str().unwrap()).unwrap();
        let kind = vector["kind"].as_str().unwrap();
        let anchor = anchor(&vector["genesis"]);
        proofs::learn(&anchor, vector);
        let found = proofs::verdict(kind, &bytes, &anchor);
        for (field, value) in found.as_object().unwrap() {
            assert_eq!(&vector[field], value, "{kind} {}", vector["name"]);
        }
    }
    let proven = vectors.iter().filter(|vector| vector.get("proves").is_some());
    let forged = vectors.iter().filter(|vector| vector.get("failure").is_some());
    assert!(proven.count() >= 15 && forged.count() >= 15);
}

#[test]
fn the_decoder_takes_no_other_bytes() {
    let known = stored();
    let bytes = hex::decode(known["block"]["encoding"].as_str().unwrap()).unwrap();
    assert!(Block::decode(&bytes).unwrap().is_consistent());
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Block::decode(&longer).is_err(), "a trailing byte");
    let mut other = bytes.clone();
    other[0] = 2;
    assert!(Block::decode(&other).is_err(), "another version");
    for end in [0, 1, 33, bytes.len() / 2, bytes.len() - 1] {
        assert!(Block::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn the_document_names_every_context_every_code_and_every_failure() {
    let read = |name: &str| std::fs::read_to_string(path().with_file_name(name)).unwrap();
    let contexts = read("README.md");
    for (_, context) in Domain::ALL {
        assert!(
            contexts.contains(&format!("`{context}`")),
            "docs/format/README.md lacks `{context}`"
        );
    }
    let proofs = read("proofs.md");
    for vector in stored()["proofs"]["vectors"].as_array().unwrap() {
        if let Some(failure) = vector["failure"].as_str() {
            let verdict = if vector["undecided"] == true {
                "undecided"
            } else {
                "false"
            };
            let row = format!("| `{failure}` | {verdict} |");
            assert!(proofs.contains(&row), "docs/format/proofs.md lacks `{row}`");
        }
    }
    let codes = read("validation-codes.md");
    for code in ValidationCode::ALL {
        let row = format!("| {} | `{code}` |", *code as u8);
        assert!(
            codes.contains(&row),
            "docs/format/validation-codes.md lacks `{row}`"
        );
    }
}
