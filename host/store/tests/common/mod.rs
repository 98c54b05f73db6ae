//! Real signers and consistent blocks for the tests of the store.
#![allow(dead_code)]

use e2l_ledger::{
    Algorithm, BatchHeader, Block, Call, Canonical, Certificate, Digest, Domain, EngineProfile, Envelope,
    Genesis, Header, Limits, LogEntry, LogHead, Member, NetworkConfig, Policy, ProposalHeader, Provenance,
    Role, Signature, SignedBatch, SignedProposal, SignedRequest, Signer, StateKey, TransactionResult,
    ValidationCode,
};
use e2l_store::{BlockWrite, LedgerStore, LogItem, LogNode, LogRun, LogValue, Tip};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::HashMap;
use std::sync::Arc;

pub struct TestSigner {
    certificate: Certificate,
    key: SigningKey,
}

impl TestSigner {
    pub fn new(actor: &str, role: Role, name: &str) -> Self {
        let member = Member {
            actor: actor.into(),
            role,
            name: name.into(),
        };
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let uri = member.spiffe_id("test").try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::URI(uri)];
        let certificate = params.self_signed(&pair).unwrap();
        Self {
            certificate: Certificate::parse(certificate.der()).unwrap(),
            key: SigningKey::from_pkcs8_der(&pair.serialize_der()).unwrap(),
        }
    }
}

impl Signer for TestSigner {
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

pub fn genesis(network: &str) -> Genesis {
    Genesis {
        created_nano: 1_000,
        config: NetworkConfig {
            network: network.into(),
            actors: Vec::new(),
            chaincodes: Vec::new(),
            engine: EngineProfile {
                engine: "none".into(),
                architecture: "any".into(),
                configuration: Digest::ZERO,
            },
            finality: Policy::Majority,
            limits: Limits::default(),
            revoked: Default::default(),
            lifecycle: Policy::All,
            next_raft_id: 1,
            executables: Default::default(),
            replaced_collectors: Vec::new(),
        },
    }
}

pub fn call(argument: Vec<u8>) -> Call {
    Call {
        chaincode: "events".into(),
        function: "createEvent".into(),
        argument,
    }
}

/// An event of `size` bytes: fixed fields, a varied rest that compresses like JSON does.
pub fn event(number: u64, size: usize) -> Vec<u8> {
    let id = Domain::Value.hash(&(number % 1000).to_be_bytes());
    let mut text = format!("{{\"Type\":\"container\",\"Action\":\"start\",\"id\":\"{id}\",\"time\":{number}");
    let mut salt = number;
    while text.len() < size {
        salt += 1;
        let value = Domain::Value.hash(&salt.to_be_bytes());
        text.push_str(&format!(
            ",\"com.example.label{}\":\"{}\"",
            salt % 50,
            value.short()
        ));
    }
    text.truncate(size);
    text.into_bytes()
}

/// Makes blocks and keeps what they do to the logs, as the executor would.
pub struct Chain {
    pub collector: TestSigner,
    pub peer: TestSigner,
    pub admin: TestSigner,
    sequence: u64,
    previous: Digest,
    heads: HashMap<StateKey, LogHead>,
    pub network: Digest,
}

pub fn all_log() -> StateKey {
    StateKey::log("events", b"all")
}

impl Chain {
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            collector: TestSigner::new("provider", Role::Collector, "engine-1"),
            peer: TestSigner::new("provider", Role::Peer, "peer"),
            admin: TestSigner::new("developer", Role::Admin, "root"),
            sequence: 0,
            previous: Digest::ZERO,
            heads: HashMap::new(),
            network: genesis.digest(),
        }
    }

    /// Takes up a chain that a store holds already.
    pub fn resume(store: &LedgerStore) -> Self {
        let mut chain = Self::new(&store.genesis().unwrap());
        let view = store.view();
        chain.heads.insert(all_log(), view.log_head(&all_log()).unwrap());
        for container in 0..1000 {
            let log = StateKey::log("events", format!("c{container}").as_bytes());
            chain.heads.insert(log.clone(), view.log_head(&log).unwrap());
        }
        chain
    }

    pub fn batch(&mut self, calls: Vec<Call>) -> SignedBatch {
        self.sequence += 1;
        let header = BatchHeader {
            network: self.network,
            sender: self.collector.certificate().member().clone(),
            incarnation: 1,
            sequence: self.sequence,
            previous: self.previous,
            created_nano: 5,
            count: calls.len() as u32,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        };
        self.previous = header.digest();
        SignedBatch::sign(header, calls, &self.collector)
    }

    pub fn request(&self, nonce: u8, argument: &[u8]) -> Envelope {
        let call = call(argument.to_vec());
        Envelope::Request(SignedRequest::sign(
            self.network,
            [nonce; 16],
            99,
            call,
            &self.admin,
        ))
    }

    /// Executes envelopes into the block after `tip`; those whose number is in `refused` are refused.
    pub fn block(&self, tip: &Tip, envelopes: Vec<Envelope>, refused: &[usize]) -> Block {
        let time_nano = tip.header.time_nano + 10;
        let mut results = Vec::new();
        for (number, envelope) in envelopes.iter().enumerate() {
            let result = |id, code| TransactionResult {
                id,
                code,
                fuel: 7,
                output: b"ok".to_vec(),
            };
            if refused.contains(&number) {
                results.push(result(envelope.digest(), ValidationCode::SequenceGap));
                continue;
            }
            match envelope {
                Envelope::Batch(batch) => results.extend(
                    (0..batch.header.count)
                        .map(|index| result(batch.header.transaction_id(index), ValidationCode::Valid)),
                ),
                Envelope::Request(request) => {
                    results.push(result(request.header.transaction_id(), ValidationCode::Valid));
                }
            }
        }
        let header = ProposalHeader {
            network: self.network,
            leader: self.peer.certificate().member().clone(),
            term: 1,
            height: tip.height + 1,
            previous: tip.proposal_digest,
            time_nano,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: 0,
        };
        let certificates = vec![self.collector.certificate().der().to_vec()];
        let proposal = SignedProposal::sign(header, certificates, envelopes, &self.peer);
        Block {
            header: Header {
                network: self.network,
                height: tip.height + 1,
                previous: tip.header_digest,
                proposal: proposal.header.digest(),
                data_root: proposal.header.envelopes_root,
                envelopes: proposal.header.envelopes,
                results_root: TransactionResult::root(&results),
                transactions: results.len() as u32,
                state_root: Digest::ZERO,
                config_root: Digest::ZERO,
                next_config_root: Digest::ZERO,
                time_nano,
            },
            proposal,
            results,
        }
    }

    /// A block of one batch of `count` events, each in the log of its container and in the log of all.
    pub fn events(&mut self, tip: &Tip, count: u64, size: usize) -> Prepared {
        let first = self.sequence * count;
        let events: Vec<Vec<u8>> = (first..first + count).map(|number| event(number, size)).collect();
        let batch = self.batch(events.iter().cloned().map(call).collect());
        let ids: Vec<Digest> = (0..count as u32)
            .map(|index| batch.header.transaction_id(index))
            .collect();
        let block = self.block(tip, vec![Envelope::Batch(batch)], &[]);
        let mut logs: HashMap<StateKey, LogRun> = HashMap::new();
        let mut state = HashMap::new();
        for (index, event) in events.iter().enumerate() {
            let container = StateKey::log("events", format!("c{}", (first + index as u64) % 1000).as_bytes());
            let provenance = Provenance {
                transaction: ids[index],
                sender: Arc::new(self.collector.certificate().member().clone()),
                height: block.header.height,
                index: index as u32,
                block_time_nano: block.header.time_nano,
            };
            let digest = LogEntry::digest(&provenance, &Domain::Value.hash(event));
            for log in [container, all_log()] {
                let head = self.heads.entry(log.clone()).or_default();
                let (position, mut nodes) = (head.length, Vec::new());
                head.append_with(digest, |level, root| {
                    nodes.extend(LogNode::kept(level, position, root))
                });
                state.insert(log.clone(), Some(head.encode()));
                let run = logs.entry(log.clone()).or_insert_with(|| LogRun {
                    log: log.hash(),
                    first: position,
                    items: Vec::new(),
                    nodes: Vec::new(),
                });
                run.nodes.extend(nodes);
                run.items.push(LogItem {
                    index: index as u32,
                    value: LogValue::Whole,
                });
            }
        }
        Prepared {
            block,
            state: state.into_iter().collect(),
            logs: logs.into_values().collect(),
        }
    }
}

/// A block with its writes.
pub struct Prepared {
    pub block: Block,
    pub state: Vec<(StateKey, Option<Vec<u8>>)>,
    pub logs: Vec<LogRun>,
}

impl Prepared {
    pub fn write(self, store: &LedgerStore) -> Block {
        store
            .write_block(&BlockWrite {
                block: &self.block,
                state: self.state,
                logs: self.logs,
                packed: Vec::new(),
                raft_applied: b"applied",
                acknowledges: false,
                endorsement: None,
            })
            .unwrap();
        self.block
    }
}
