//! Vectors of proofs: true ones with what they prove, and forged ones with how they fail.

use crate::support::{Certificates, Identity, Ledger, Members, event_log};
use e2l_ledger::proof::{
    AncestryProof, Anchor, ConfigChange, Evidence, FinalHeader, FinalHeaderProof, LogPageProof, ProofError,
    Receipt, SenderHeadProof, Signed,
};
use e2l_ledger::*;
use serde_json::{Value, json};

/// What a verifier finds: what is proven, or the name of the failure and whether it leaves the matter open.
pub fn verdict(kind: &str, bytes: &[u8], anchor: &Anchor) -> Value {
    let found =
        match kind {
            "final_header" => read(bytes, |proof: FinalHeaderProof| {
                proof.verify(anchor).map(|found| block(&found))
            }),
            "receipt" => read(bytes, |proof: Receipt| {
                proof.verify(anchor).map(|found| json!({
            "transaction": found.result.id,
            "index": found.index,
            "code": found.result.code as u8,
            "sender": found.sender.to_string(),
            "call": found.call.map(|call| json!([call.chaincode, call.function, hex::encode(call.argument)])),
            "block": block(&found.block),
        }))
            }),
            "log_page" => read(bytes, |proof: LogPageProof| {
                proof.verify(anchor).map(|found| json!({
                "length": found.length,
                "positions": found.entries.iter().map(|entry| entry.position).collect::<Vec<_>>(),
                "values": found.entries.iter().map(|entry| hex::encode(&entry.value)).collect::<Vec<_>>(),
                "block": block(&found.block),
            }))
            }),
            "ancestry" => read(bytes, |proof: AncestryProof| {
                proof.verify(anchor).map(|found| {
                    let ranges = proof
                        .ranges
                        .iter()
                        .map(|range| json!([range.from, range.headers]));
                    json!({ "headers": ranges.collect::<Vec<_>>(), "block": block(&found) })
                })
            }),
            "sender_head" => read(bytes, |proof: SenderHeadProof| {
                proof.verify(anchor).map(|found| {
                    json!({
                        "sender": proof.sender.to_string(),
                        "incarnation": proof.head.incarnation,
                        "sequence": proof.head.sequence,
                        "batch": proof.head.digest,
                        "block": block(&found),
                    })
                })
            }),
            "config_change" => read(bytes, |proof: ConfigChange| {
                proof
                    .verify(anchor)
                    .map(|header| json!({ "height": header.height, "config_root": proof.config.root() }))
            }),
            "evidence" => read(bytes, |proof: Evidence| {
                proof.verify(anchor).map(|found| {
                    json!({
                        "guilty": found.member.to_string(),
                        "statements": [found.statements.0, found.statements.1],
                    })
                })
            }),
            other => panic!("no such kind of proof: {other}"),
        };
    match found {
        Ok(Ok(proves)) => json!({ "proves": proves }),
        Ok(Err(error)) => json!({ "failure": name(&error), "undecided": error.is_undecided() }),
        Err(_) => json!({ "failure": "Encoding", "undecided": false }),
    }
}

fn read<P: Canonical>(
    bytes: &[u8],
    verify: impl FnOnce(P) -> Result<Value, ProofError>,
) -> Result<Result<Value, ProofError>, DecodeError> {
    P::decode(bytes).map(verify)
}

fn block(found: &FinalHeader) -> Value {
    json!({
        "height": found.header.height,
        "digest": found.header.digest(),
        "endorsed_by": found.endorsed_by,
        "voters": found.voters,
    })
}

fn name(error: &ProofError) -> &'static str {
    match error {
        ProofError::OtherNetwork { .. } => "OtherNetwork",
        ProofError::Configuration { .. } => "Configuration",
        ProofError::Chain { .. } => "Chain",
        ProofError::Endorsement { .. } => "Endorsement",
        ProofError::TooFewEndorsements { .. } => "TooFewEndorsements",
        ProofError::Certificate(_) => "Certificate",
        ProofError::Signature { .. } => "Signature",
        ProofError::NotIncluded { .. } => "NotIncluded",
        ProofError::Inconsistent(_) => "Inconsistent",
        ProofError::NoContradiction(_) => "NoContradiction",
    }
}

/// Has an anchor learn the changes that a vector is verified after.
pub fn learn(anchor: &Anchor, vector: &Value) {
    for change in vector["after"].as_array().into_iter().flatten() {
        let bytes = hex::decode(change.as_str().unwrap()).unwrap();
        anchor.learn(&ConfigChange::decode(&bytes).unwrap()).unwrap();
    }
}

/// All of them; `known` is what the file holds.
pub fn compute(known: &Value) -> Value {
    let certificates = serde_json::from_value(known["certificates"].clone()).unwrap_or_default();
    let hexadecimal: std::collections::BTreeMap<String, String> = certificates;
    let known = hexadecimal
        .into_iter()
        .map(|(of, der)| (of, hex::decode(der).unwrap()));
    let mut vectors = Vectors::new(Members::with(Certificates::known(known.collect())));
    vectors.blocks();
    vectors.receipts();
    vectors.pages();
    vectors.heads();
    vectors.ancestry();
    vectors.evidence();
    vectors.changes();
    let certificates = vectors.ledger.members.certificates.all();
    let certificates = certificates
        .iter()
        .map(|(of, der)| (of.clone(), json!(hex::encode(der))));
    json!({
        "certificates": certificates.collect::<serde_json::Map<_, _>>(),
        "ledger": ledger(&vectors),
        "genesis_files": { "three-actors": vectors.ledger.members.genesis, "another": vectors.another },
        "vectors": vectors.made,
    })
}

/// A small ledger of its own, under the first genesis: each block with the proof that it is final.
fn ledger(vectors: &Vectors) -> Value {
    let mut ledger = Ledger::of(Members::with(Certificates::known(
        vectors.ledger.members.certificates.all(),
    )));
    ledger.add(&[&["web", "db"], &["web"]]);
    ledger.add(&[&["web"]]);
    ledger.add(&[&["db", "web"], &["db"]]);
    let endorsers: Vec<&Identity> = vectors.majority.iter().collect();
    let encoded = ledger.blocks.iter().map(|block| {
        let proof = ledger.finality(block.header.height, &endorsers);
        json!({ "block": hex::encode(block.encode()), "finality": hex::encode(proof.encode()) })
    });
    encoded.collect()
}

struct Vectors {
    ledger: Ledger,
    /// A genesis of the same actors, one nanosecond younger.
    another: GenesisFile,
    majority: Vec<Identity>,
    made: Vec<Value>,
}

impl Vectors {
    fn new(members: Members) -> Self {
        let mut younger = Members::with(Certificates::known(members.certificates.all()));
        younger.genesis.genesis.created_nano += 1;
        younger.approve();
        let mut ledger = Ledger::of(members);
        ledger.add(&[&["web", "db"], &["web"]]);
        let admin = ledger.members.one("user", Role::Admin, "admin");
        let call = Call {
            chaincode: "eventdb".into(),
            function: "createEvent".into(),
            argument: b"web".to_vec(),
        };
        ledger.add_request(SignedRequest::sign(
            ledger.members.network(),
            [6; 16],
            100,
            call,
            &admin,
        ));
        ledger.add(&[&["web", "cache", "web"]]);
        let mut refused = ledger.batch(&["web"]);
        refused.signature.bytes[0] ^= 1;
        ledger.add_refused(
            Envelope::Batch(refused),
            ValidationCode::BadCreatorSignature,
            "the signature does not match",
        );
        ledger.add(&[&["web"]]);
        let majority = ["developer", "user"]
            .map(|actor| ledger.members.peer(actor))
            .to_vec();
        Self {
            ledger,
            another: younger.genesis,
            majority,
            made: Vec::new(),
        }
    }

    fn push(&mut self, kind: &str, name: &str, genesis: &str, bytes: &[u8], expected: &str) {
        self.push_after(kind, name, genesis, &[], bytes, expected);
    }

    /// One that is verified with changes of the configuration known.
    fn push_after(
        &mut self,
        kind: &str,
        name: &str,
        genesis: &str,
        after: &[&ConfigChange],
        bytes: &[u8],
        expected: &str,
    ) {
        let file = match genesis {
            "another" => &self.another,
            _ => &self.ledger.members.genesis,
        };
        let mut vector =
            json!({ "kind": kind, "name": name, "genesis": genesis, "encoding": hex::encode(bytes) });
        if !after.is_empty() {
            let encoded = after.iter().map(|change| hex::encode(change.encode()));
            vector["after"] = encoded.collect();
        }
        let anchor = Anchor::new(file).unwrap();
        learn(&anchor, &vector);
        let found = verdict(kind, bytes, &anchor);
        assert_eq!(
            found["failure"].as_str().unwrap_or("none"),
            expected,
            "{kind} {name}: {found}"
        );
        for (field, value) in found.as_object().unwrap() {
            vector[field] = value.clone();
        }
        self.made.push(vector);
    }

    fn holds(&mut self, kind: &str, name: &str, proof: &impl Canonical) {
        self.push(kind, name, "three-actors", &proof.encode(), "none");
    }

    fn fails(&mut self, kind: &str, name: &str, proof: &impl Canonical, expected: &str) {
        self.push(kind, name, "three-actors", &proof.encode(), expected);
    }

    fn finality(&self, height: u64) -> FinalHeaderProof {
        self.ledger
            .finality(height, &self.majority.iter().collect::<Vec<_>>())
    }

    fn by(&self, endorsers: &[&Identity]) -> FinalHeaderProof {
        self.ledger.finality(self.ledger.blocks.len() as u64, endorsers)
    }

    fn blocks(&mut self) {
        const KIND: &str = "final_header";
        let [developer, provider, user] =
            ["developer", "provider", "user"].map(|actor| self.ledger.members.peer(actor));
        let sealed = self.by(&[&developer, &provider, &user]);
        self.holds(KIND, "endorsed by all", &sealed);
        let below = self.finality(3);
        self.holds(KIND, "by endorsements of a header two above", &below);

        self.fails(
            KIND,
            "one endorsement only",
            &self.by(&[&user]),
            "TooFewEndorsements",
        );
        self.fails(KIND, "one actor twice", &self.by(&[&user, &user]), "Endorsement");
        let mut hole = below.clone();
        hole.descendants.remove(0);
        self.fails(KIND, "a header in between is missing", &hole, "Chain");
        let mut lower = below.clone();
        lower.descendants.pop();
        self.fails(
            KIND,
            "the endorsements are of a header above",
            &lower,
            "Endorsement",
        );
        let mut altered = below;
        altered.endorsements[0].signature.bytes[40] ^= 1;
        self.fails(
            KIND,
            "an endorsement's signature is altered",
            &altered,
            "Signature",
        );
        let impostor = self.ledger.members.impostor("developer", Role::Peer, "peer");
        self.fails(
            KIND,
            "an endorser that no authority vouches for",
            &self.by(&[&impostor, &user]),
            "Certificate",
        );
        let expired = self.ledger.members.until("developer", Role::Peer, "peer", 2026);
        self.fails(
            KIND,
            "an endorser expired at block time",
            &self.by(&[&expired, &user]),
            "Certificate",
        );
        let other = self.ledger.members.one("developer", Role::Collector, "peer");
        self.fails(
            KIND,
            "an endorser that is no peer",
            &self.by(&[&other, &user]),
            "Endorsement",
        );

        let newest = self.ledger.blocks.len() - 1;
        let root = self.ledger.blocks[newest].header.config_root;
        self.ledger.blocks[newest].header.config_root = Digest([9; 32]);
        let changed = self.finality(newest as u64 + 1);
        self.ledger.blocks[newest].header.config_root = root;
        self.fails(KIND, "another configuration", &changed, "Configuration");
        self.push(
            KIND,
            "another network",
            "another",
            &sealed.encode(),
            "OtherNetwork",
        );
        let longer = [sealed.encode(), vec![0]].concat();
        self.push(KIND, "a trailing byte", "three-actors", &longer, "Encoding");
    }

    /// A block that changes the configuration, and one above that is executed under the new one: the user has no vote there.
    fn changes(&mut self) {
        const KIND: &str = "config_change";
        let [developer, provider, user] =
            ["developer", "provider", "user"].map(|actor| self.ledger.members.peer(actor));
        let mut ledger = Ledger::of(Members::with(Certificates::known(
            self.ledger.members.certificates.all(),
        )));
        let mut config = ledger.members.genesis.genesis.config.clone();
        config.limits.block_max_transactions = 400;
        for actor in &mut config.actors {
            if actor.name == "user" {
                actor.suffrage = Suffrage::Nonvoter;
            }
        }
        ledger.add(&[&["web"]]);
        ledger.add(&[&["db"]]);
        ledger.blocks[1].header.next_config_root = config.root();
        let change = |finality| ConfigChange {
            config: config.clone(),
            finality,
        };
        let made = change(ledger.finality(2, &[&developer, &user]));
        self.holds(KIND, "the limits and a vote", &made);
        let one = change(ledger.finality(2, &[&user]));
        self.fails(KIND, "one endorsement only", &one, "TooFewEndorsements");
        let mut altered = made.clone();
        altered.config.limits.block_max_transactions += 1;
        self.fails(KIND, "the configuration is altered", &altered, "NotIncluded");
        let mut unchanged = made.clone();
        unchanged.finality = self.finality(2);
        unchanged.config = ledger.members.genesis.genesis.config.clone();
        self.fails(KIND, "a block that changes nothing", &unchanged, "NotIncluded");
        self.push(KIND, "another network", "another", &made.encode(), "OtherNetwork");
        let mut unusable = made.clone();
        unusable.config.limits.block_max_transactions = 0;
        ledger.blocks[1].header.next_config_root = unusable.config.root();
        unusable.finality = ledger.finality(2, &[&developer, &user]);
        self.fails(
            KIND,
            "a configuration that is not usable",
            &unusable,
            "Inconsistent",
        );
        ledger.blocks[1].header.next_config_root = config.root();

        ledger.add(&[&["cache"]]);
        let header = &mut ledger.blocks[2].header;
        (header.config_root, header.next_config_root) = (config.root(), config.root());
        self.endorsed_above_a_change(&ledger, &made, [&developer, &provider, &user]);
    }

    fn endorsed_above_a_change(
        &mut self,
        ledger: &Ledger,
        change: &ConfigChange,
        [developer, provider, user]: [&Identity; 3],
    ) {
        const KIND: &str = "final_header";
        let above = ledger.finality(3, &[developer, provider]);
        self.fails(KIND, "a change that is not known", &above, "Configuration");
        let mut after = |name: &str, proof: FinalHeaderProof, expected: &str| {
            self.push_after(KIND, name, "three-actors", &[change], &proof.encode(), expected);
        };
        after("after a change", above, "none");
        after(
            "below a change, endorsed above it",
            ledger.finality(2, &[developer, provider]),
            "none",
        );
        after(
            "the endorser has a vote below the change only",
            ledger.finality(2, &[developer, user]),
            "Endorsement",
        );
        after(
            "the endorser has lost its vote",
            ledger.finality(3, &[developer, user]),
            "Endorsement",
        );
    }

    fn receipt(&self, height: u64, index: usize) -> Receipt {
        let sender = match height {
            2 => self.ledger.members.one("user", Role::Admin, "admin"),
            _ => self.ledger.members.one("provider", Role::Collector, "collector"),
        };
        let block = &self.ledger.blocks[height as usize - 1];
        let certificate = sender.certificate().der().to_vec();
        Receipt::new(block, index, certificate, self.finality(height)).unwrap()
    }

    fn receipts(&mut self) {
        const KIND: &str = "receipt";
        let executed = self.receipt(3, 1);
        self.holds(KIND, "a call of a batch", &executed);
        self.holds(KIND, "the last call of a block", &self.receipt(1, 2));
        self.holds(KIND, "a request", &self.receipt(2, 0));
        let refused = self.receipt(4, 0);
        self.holds(KIND, "a refused statement", &refused);

        let mut altered = executed.clone();
        altered.result.code = ValidationCode::ContractRejected;
        self.fails(KIND, "the result is altered", &altered, "NotIncluded");
        let mut altered = executed.clone();
        if let proof::Subject::Call { call, .. } = &mut altered.subject {
            call.argument[0] ^= 1;
        }
        self.fails(KIND, "the call is altered", &altered, "NotIncluded");
        let mut altered = executed.clone();
        altered.signature.bytes[0] ^= 1;
        self.fails(KIND, "the sender's signature is altered", &altered, "NotIncluded");
        let mut moved = executed.clone();
        let neighbour = self.receipt(3, 0);
        (moved.result, moved.result_path) = (neighbour.result, neighbour.result_path);
        self.fails(KIND, "with a neighbour's result", &moved, "Inconsistent");
        let mut elsewhere = executed.clone();
        elsewhere.finality = self.finality(1);
        self.fails(KIND, "in another block", &elsewhere, "NotIncluded");
        let mut unknown = executed.clone();
        unknown.certificate = self.majority[0].certificate().der().to_vec();
        self.fails(KIND, "with another's certificate", &unknown, "Inconsistent");
        let mut framed = refused.clone();
        framed.certificate = self.majority[0].certificate().der().to_vec();
        self.fails(
            KIND,
            "a refused statement with another's certificate",
            &framed,
            "Inconsistent",
        );
        let mut shown = refused;
        shown.subject = executed.subject.clone();
        self.fails(
            KIND,
            "a refused statement as an executed call",
            &shown,
            "NotIncluded",
        );
        let mut one = executed;
        one.finality = self.ledger.finality(3, &[&self.majority[0]]);
        self.fails(KIND, "one endorsement only", &one, "TooFewEndorsements");
    }

    fn page(&self, container: &str, from: u64, limit: u64) -> LogPageProof {
        self.ledger
            .page(container, from, limit, &self.majority.iter().collect::<Vec<_>>())
    }

    fn pages(&mut self) {
        const KIND: &str = "log_page";
        let whole = self.page("web", 0, 6);
        self.holds(KIND, "a whole log", &whole);
        self.holds(KIND, "a page in the middle", &self.page("web", 2, 2));
        self.holds(KIND, "the last page", &self.page("web", 5, 500));
        self.holds(KIND, "a page after the end", &self.page("web", 6, 500));
        for (what, beside_a_leaf) in [
            ("an absent log, beside another's leaf", true),
            ("an absent log, where nothing is", false),
        ] {
            let mut pages = (0..100).map(|n| self.page(&format!("absent-{n}"), 0, 5));
            let page = pages
                .find(|page| page.head_proof.other.is_some() == beside_a_leaf)
                .unwrap();
            self.holds(KIND, what, &page);
        }

        let mut hidden = whole.clone();
        hidden.entries.remove(2);
        self.fails(KIND, "an entry is hidden", &hidden, "NotIncluded");
        let mut shorter = self.page("web", 0, 4);
        shorter.head = LogHead {
            length: 4,
            peaks: shorter.head.peaks[..1].to_vec(),
        };
        shorter.beside.clear();
        self.fails(
            KIND,
            "the last two are hidden, with a head that fits",
            &shorter,
            "NotIncluded",
        );
        let mut denied = self.page("absent-0", 0, 5);
        denied.log = event_log("web");
        self.fails(
            KIND,
            "a log is denied with another's absence",
            &denied,
            "NotIncluded",
        );
        let mut swapped = whole.clone();
        swapped.entries.swap(0, 1);
        self.fails(KIND, "two entries are swapped", &swapped, "NotIncluded");
        let mut redated = whole.clone();
        redated.entries[0].provenance.block_time_nano += 1;
        self.fails(KIND, "an entry's time is altered", &redated, "NotIncluded");
        let mut extra = self.page("web", 2, 2);
        extra.beside.push(Digest::ZERO);
        self.fails(KIND, "a hash too many", &extra, "NotIncluded");
        let mut hollow = self.page("absent-0", 0, 5);
        hollow.head.peaks.push(Digest::ZERO);
        self.fails(KIND, "an empty log with a peak", &hollow, "Inconsistent");
    }

    fn heads(&mut self) {
        const KIND: &str = "sender_head";
        let [known, unknown] = ["provider", "user"].map(|actor| {
            let collector = self.ledger.members.one(actor, Role::Collector, "collector");
            let endorsers: Vec<&Identity> = self.majority.iter().collect();
            self.ledger
                .sender_head(collector.certificate().member(), &endorsers)
        });
        self.holds(KIND, "a collector", &known);
        self.holds(KIND, "a collector without a batch", &unknown);

        let mut behind = known.clone();
        behind.head.sequence -= 1;
        self.fails(KIND, "a batch is hidden", &behind, "NotIncluded");
        let mut denied = known.clone();
        denied.head = SenderHead::default();
        self.fails(KIND, "all batches are hidden", &denied, "NotIncluded");
        let mut lent = known.clone();
        lent.sender = unknown.sender.clone();
        self.fails(KIND, "another's head", &lent, "NotIncluded");
        let mut one = known;
        one.finality = self.by(&[&self.majority[0]]);
        self.fails(KIND, "one endorsement only", &one, "TooFewEndorsements");
    }

    fn ancestry(&mut self) {
        const KIND: &str = "ancestry";
        let endorsers: Vec<&Identity> = self.majority.iter().collect();
        let some = self.ledger.ancestry(&[0..1, 2..4], &endorsers);
        let all = self.ledger.ancestry(std::slice::from_ref(&(0..5)), &endorsers);
        let one = self
            .ledger
            .ancestry(std::slice::from_ref(&(1..2)), &endorsers[..1]);
        self.holds(KIND, "two runs of headers", &some);
        self.holds(KIND, "all headers", &all);

        let mut another = some.clone();
        another.ranges[1].headers[0] = Digest([9; 32]);
        self.fails(KIND, "another header", &another, "NotIncluded");
        let mut moved = some.clone();
        moved.ranges[1].from = 1;
        self.fails(KIND, "headers at other heights", &moved, "NotIncluded");
        let mut shorter = all;
        shorter.head.length = 4;
        shorter.head.peaks.truncate(1);
        shorter.ranges[0].headers.pop();
        self.fails(KIND, "another log of headers", &shorter, "NotIncluded");
        self.fails(KIND, "one endorsement only", &one, "TooFewEndorsements");
    }

    fn endorsement(&self, height: u64, header: u8, by: &Identity) -> Signed<Vote> {
        let statement = Vote::Endorsement(Endorsement {
            network: self.ledger.members.network(),
            height,
            header: Digest([header; 32]),
        });
        let digest = statement.digest();
        signed(statement, digest, by)
    }

    fn evidence(&mut self) {
        const KIND: &str = "evidence";
        let members = &self.ledger.members;
        let user = members.peer("user");
        let renewed = members.until("user", Role::Peer, "peer", 2026);
        let collector = members.one("provider", Role::Collector, "collector");
        let batch = |container: &str| {
            let header = self.ledger.batch(&[container]).header;
            let digest = header.digest();
            signed(header, digest, &collector)
        };
        let batches = Evidence::Batches(batch("web"), batch("db"));
        let proposal = |time_nano| {
            let mut header = self.ledger.blocks[0].proposal.header.clone();
            header.time_nano += time_nano;
            let digest = header.digest();
            signed(header, digest, &user)
        };
        let proposals = Evidence::Proposals(proposal(0), proposal(1));
        let one = self.endorsement(5, 1, &user);
        let votes = Evidence::Votes(one.clone(), self.endorsement(5, 2, &renewed));
        let same = Evidence::Votes(one.clone(), self.endorsement(5, 1, &renewed));
        let heights = Evidence::Votes(one.clone(), self.endorsement(6, 2, &user));
        let two = Evidence::Votes(one.clone(), self.endorsement(5, 2, &self.majority[0]));
        let impostor = members.impostor("user", Role::Peer, "peer");
        let framed = Evidence::Votes(one.clone(), self.endorsement(5, 2, &impostor));
        let mut forged = self.endorsement(5, 2, &user);
        forged.signature = one.signature.clone();
        let forged = Evidence::Votes(one, forged);

        self.holds(
            KIND,
            "votes, one under a certificate that has expired since",
            &votes,
        );
        self.holds(KIND, "batches", &batches);
        self.holds(KIND, "proposals", &proposals);
        self.fails(
            KIND,
            "one statement under two certificates",
            &same,
            "NoContradiction",
        );
        self.fails(KIND, "two heights", &heights, "NoContradiction");
        self.fails(KIND, "two peers", &two, "NoContradiction");
        self.fails(
            KIND,
            "a certificate that no authority issued",
            &framed,
            "Certificate",
        );
        self.fails(KIND, "a statement that was never signed", &forged, "Signature");
        self.push(
            KIND,
            "another network",
            "another",
            &batches.encode(),
            "OtherNetwork",
        );
    }
}

fn signed<T>(statement: T, digest: Digest, by: &Identity) -> Signed<T> {
    Signed {
        statement,
        signature: by.sign(&digest),
        certificate: by.certificate().der().to_vec(),
    }
}
