//! What the proofs among the format's test vectors (docs/format/vectors.json) prove: the only things that any bytes may
//! prove against the same genesis.

use e2l_ledger::proof::{
    AncestryProof, Anchor, ConfigChange, Evidence, FinalHeaderProof, LogPageProof, Receipt, SenderHeadProof,
    Signed,
};
use e2l_ledger::{
    Canonical, Certificate, Digest, Genesis, GenesisFile, Header, NetworkConfig, Role, SignedVote,
};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

/// Name of the vectors' genesis that the targets verify against.
pub const GENESIS: &str = "three-actors";

/// A log: chaincode and name.
pub type Log = (String, Vec<u8>);

/// What is true.
pub struct Truth {
    pub anchor: Anchor,
    pub config: NetworkConfig,
    pub certificates: HashSet<Vec<u8>>,
    pub headers: HashSet<Digest>,
    pub transactions: HashSet<(Digest, u32, Vec<u8>)>,
    pub lengths: HashSet<(Digest, Log, u64)>,
    pub entries: HashSet<(Log, u64, Digest, Vec<u8>)>,
    pub heads: HashSet<(Digest, String, Vec<u8>)>,
    pub guilts: HashSet<(String, (Digest, Digest))>,
    /// Digests of the configurations that were made of that of the genesis.
    pub changes: HashSet<Digest>,
    /// The genesis that the anchor is made from.
    pub genesis: Genesis,
    /// Digests of every genesis that all actors have approved.
    pub geneses: HashSet<Digest>,
    /// A small ledger of its own: canonical bytes of its blocks.
    pub ledger: Vec<Vec<u8>>,
    /// Certificates of peers, in DER.
    pub peers: Vec<Vec<u8>>,
    /// Votes that were cast, encoded.
    pub votes: BTreeSet<Vec<u8>>,
}

/// The vectors.
pub fn vectors() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    VECTORS.get_or_init(|| {
        serde_json::from_str(include_str!("../../docs/format/vectors.json")).expect("the vectors are JSON")
    })
}

/// Bytes of a vector's encoding.
pub fn bytes(text: &Value) -> Vec<u8> {
    hex::decode(text.as_str().expect("a text")).expect("hexadecimal")
}

/// The one truth.
pub fn truth() -> &'static Truth {
    static TRUTH: OnceLock<Truth> = OnceLock::new();
    TRUTH.get_or_init(Truth::read)
}

impl Truth {
    fn read() -> Self {
        let proofs = &vectors()["proofs"];
        let file = serde_json::from_value::<GenesisFile>(proofs["genesis_files"][GENESIS].clone());
        let genesis = file.expect("a genesis file").genesis;
        let certificates = proofs["certificates"].as_object().expect("certificates");
        let mut truth = Self {
            anchor: Anchor::checked(&genesis),
            config: genesis.config.clone(),
            certificates: certificates.values().map(bytes).collect(),
            headers: HashSet::from([genesis.header().digest()]),
            transactions: HashSet::new(),
            lengths: HashSet::new(),
            entries: HashSet::new(),
            heads: HashSet::new(),
            guilts: HashSet::new(),
            changes: HashSet::new(),
            geneses: HashSet::new(),
            ledger: Vec::new(),
            peers: Vec::new(),
            votes: BTreeSet::new(),
            genesis,
        };
        truth.peers = certificates
            .values()
            .map(bytes)
            .filter(|der| is_peers(der))
            .collect();
        for file in proofs["genesis_files"]
            .as_object()
            .expect("genesis files")
            .values()
        {
            let file: GenesisFile = serde_json::from_value(file.clone()).expect("a genesis file");
            truth.geneses.insert(file.genesis.digest());
        }
        for block in proofs["ledger"].as_array().expect("a ledger") {
            truth.ledger.push(bytes(&block["block"]));
            let proof = FinalHeaderProof::decode(&bytes(&block["finality"])).expect("a proof");
            truth.learn_votes(&proof);
        }
        let mut chain: Vec<Header> = Vec::new();
        for vector in proofs["vectors"].as_array().expect("vectors") {
            // Those that are proven after a change are of another configuration than the anchor's.
            let after = vector["after"].is_array();
            if vector["proves"].is_object() && vector["genesis"] == GENESIS && !after {
                truth.learn(
                    vector["kind"].as_str().expect("a kind"),
                    &bytes(&vector["encoding"]),
                    &mut chain,
                );
            }
        }
        truth
    }

    fn learn(&mut self, kind: &str, encoding: &[u8], chain: &mut Vec<Header>) {
        match kind {
            "final_header" => {
                self.learn_headers(&FinalHeaderProof::decode(encoding).expect("a proof"), chain)
            }
            "receipt" => {
                let receipt = Receipt::decode(encoding).expect("a receipt");
                self.learn_headers(&receipt.finality, chain);
                let proven = receipt.verify(&self.anchor).expect("it holds");
                let header = proven.block.header.digest();
                self.transactions
                    .insert((header, proven.index, proven.result.encode()));
            }
            "log_page" => {
                let page = LogPageProof::decode(encoding).expect("a page");
                self.learn_headers(&page.finality, chain);
                let proven = page.verify(&self.anchor).expect("it holds");
                let log = (page.chaincode.clone(), page.log.clone());
                self.lengths
                    .insert((proven.block.header.digest(), log.clone(), proven.length));
                for entry in proven.entries {
                    let transaction = entry.provenance.transaction;
                    self.entries
                        .insert((log.clone(), entry.position, transaction, entry.value));
                }
            }
            "ancestry" => {
                let proof = AncestryProof::decode(encoding).expect("a proof");
                self.learn_headers(&proof.finality, chain);
                proof.verify(&self.anchor).expect("it holds");
                for range in &proof.ranges {
                    self.headers.extend(&range.headers);
                }
            }
            "config_change" => {
                let change = ConfigChange::decode(encoding).expect("a change");
                self.learn_headers(&change.finality, chain);
                change.verify(&self.anchor).expect("it holds");
                self.changes.insert(change.config.root());
            }
            "sender_head" => {
                let proof = SenderHeadProof::decode(encoding).expect("a proof");
                self.learn_headers(&proof.finality, chain);
                let block = proof.verify(&self.anchor).expect("it holds").header.digest();
                self.heads
                    .insert((block, proof.sender.to_string(), proof.head.encode()));
            }
            _ => {
                let evidence = Evidence::decode(encoding).expect("evidence");
                let guilt = evidence.verify(&self.anchor).expect("it holds");
                if let Evidence::Votes(one, other) = evidence {
                    self.votes.extend([one, other].map(|signed| {
                        let Signed {
                            statement: vote,
                            signature,
                            ..
                        } = signed;
                        SignedVote { vote, signature }.encode()
                    }));
                }
                let (one, other) = guilt.statements;
                let statements = if one < other { (one, other) } else { (other, one) };
                self.guilts.insert((guilt.member.to_string(), statements));
            }
        }
    }

    fn learn_votes(&mut self, proof: &FinalHeaderProof) {
        self.votes
            .extend(proof.endorsements.iter().map(Canonical::encode));
    }

    /// A header that a final one stands on was final, too.
    fn learn_headers(&mut self, proof: &FinalHeaderProof, chain: &mut Vec<Header>) {
        proof.verify(&self.anchor).expect("it holds");
        self.learn_votes(proof);
        for header in std::iter::once(&proof.header).chain(&proof.descendants) {
            self.headers.insert(header.digest());
            self.headers.insert(header.previous);
            chain.push(header.clone());
        }
    }
}

fn is_peers(der: &[u8]) -> bool {
    Certificate::parse(der).is_ok_and(|certificate| certificate.member().role == Role::Peer)
}
