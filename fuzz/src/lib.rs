//! What must hold for any bytes: one function per target, which panics when it does not. libFuzzer calls them with
//! bytes of its own (`fuzz_targets/`), the tests of `corpus` with the corpus.

mod borrowed;
// Not in `tests/`: for those cargo would link every target anew.
#[cfg(test)]
mod corpus;
mod reconcile;
mod truth;

// Where the borrowed modules look for each other.
use borrowed::{built, entry_value, error, recent, reserved, source_tree, tar, toolchain};

use borrowed::engine_event::EngineEvent;
use borrowed::frame;
use borrowed::package::{Described, Package};
use borrowed::proof_file::{ProofFile, ProofKind};
use borrowed::record::{Position, Record};
use e2l_event::Event;
use e2l_ledger::governance::{
    Change, Decision, GovernanceProposal, ProposalIndex, ProposalRecord, ProposedChange, Proposing, Verdict,
};
use e2l_ledger::proof::{
    AncestryProof, Auditor, ConfigChange, Evidence, FinalHeaderProof, LogPageProof, Receipt, SenderHeadProof,
};
use e2l_ledger::{
    BatchHeader, Block, Canonical, Certificate, Digest, Envelope, Genesis, GenesisFile, Header, Limits,
    LogHead, NetworkConfig, PackedEnvelope, PackedProposal, ProposalHeader, RequestHeader, SenderHead,
    SignedBatch, SignedProposal, SignedRequest, SignedVote, TransactionResult,
};
use truth::truth;

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 18] = [
    ("decode", decode),
    ("event", event),
    ("certificate", certificate),
    ("final_header", final_header),
    ("receipt", receipt),
    ("log_page", log_page),
    ("sender_head", sender_head),
    ("ancestry", ancestry),
    ("evidence", evidence),
    ("proof_file", proof_file),
    ("genesis", genesis),
    ("audit", audit),
    ("vote", vote),
    ("spool", spool),
    ("engine_event", engine_event),
    ("config_change", config_change),
    ("governance", governance),
    ("package", package),
];

/// What decodes has this encoding and no other.
fn one_encoding<T: Canonical>(bytes: &[u8]) {
    if let Ok(decoded) = T::decode(bytes) {
        assert!(
            decoded.encode() == bytes,
            "{}: two encodings of one object",
            T::WHAT
        );
    }
}

/// Decoders by the number that the first byte of the input names.
pub const DECODERS: [fn(&[u8]); 25] = [
    one_encoding::<Block>,
    one_encoding::<Header>,
    one_encoding::<SignedProposal>,
    one_encoding::<ProposalHeader>,
    one_encoding::<Envelope>,
    one_encoding::<SignedBatch>,
    one_encoding::<BatchHeader>,
    one_encoding::<SignedRequest>,
    one_encoding::<RequestHeader>,
    one_encoding::<SignedVote>,
    one_encoding::<TransactionResult>,
    one_encoding::<Genesis>,
    one_encoding::<NetworkConfig>,
    one_encoding::<SenderHead>,
    one_encoding::<LogHead>,
    one_encoding::<Receipt>,
    one_encoding::<LogPageProof>,
    packed_envelope,
    packed_proposal,
    one_encoding::<GovernanceProposal>,
    one_encoding::<Proposing>,
    one_encoding::<Decision>,
    one_encoding::<ProposalRecord>,
    one_encoding::<ProposalIndex>,
    one_encoding::<ConfigChange>,
];

/// What unpacks is packed again to the same content, however it was compressed.
fn packed_envelope(bytes: &[u8]) {
    one_encoding::<PackedEnvelope>(bytes);
    let unpacked = PackedEnvelope::decode(bytes).map(|packed| packed.unpack(&Limits::default()));
    if let Ok(Ok(envelope)) = unpacked {
        let again = PackedEnvelope::pack(&envelope).unpack(&Limits::default());
        assert!(
            again.as_ref() == Ok(&envelope),
            "an envelope does not survive packing"
        );
    }
}

fn packed_proposal(bytes: &[u8]) {
    one_encoding::<PackedProposal>(bytes);
    if let Ok(inspected) = PackedProposal::inspect(bytes, &Limits::default(), |_| None) {
        let again = PackedProposal::pack(&inspected.proposal).encode();
        let again = PackedProposal::inspect(&again, &Limits::default(), |_| None);
        assert!(again.is_ok_and(|again| again.proposal == inspected.proposal));
    }
}

/// Everything with a canonical encoding; the first byte says what.
pub fn decode(bytes: &[u8]) {
    if let Some((kind, bytes)) = bytes.split_first()
        && let Some(decoder) = DECODERS.get(usize::from(*kind))
    {
        decoder(bytes);
    }
}

/// Events, which contracts read.
pub fn event(bytes: &[u8]) {
    if let Ok(event) = Event::decode(bytes) {
        let encoded = event.encode();
        assert!(
            Event::decode(&encoded).as_ref() == Ok(&event),
            "an event does not survive its encoding"
        );
    }
}

/// Certificates, which strangers send before anything is known of them.
pub fn certificate(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::parse(bytes) {
        assert!(certificate.der() == bytes);
        let issued = certificate.check_issued(&truth().config).is_ok();
        assert!(
            !issued || truth().certificates.contains(bytes),
            "a certificate that no authority issued"
        );
    }
}

/// Proofs that a header is final: what verifies is a header that was final.
pub fn final_header(bytes: &[u8]) {
    let Ok(proof) = FinalHeaderProof::decode(bytes) else {
        return;
    };
    assert!(proof.encode() == bytes);
    if let Ok(proven) = proof.verify(&truth().anchor) {
        assert!(
            truth().headers.contains(&proven.header.digest()),
            "a header that was never final"
        );
        assert!(proven.endorsed_by.len() <= proven.voters);
    }
}

/// Receipts: what verifies is a transaction that happened, at its place.
pub fn receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::decode(bytes) else {
        return;
    };
    if let Ok(proven) = receipt.verify(&truth().anchor) {
        let what = (proven.block.header.digest(), proven.index, proven.result.encode());
        assert!(
            truth().transactions.contains(&what),
            "a transaction that never happened"
        );
    }
}

/// Pages of a log: what verifies is what was there, and no more or less.
pub fn log_page(bytes: &[u8]) {
    let Ok(page) = LogPageProof::decode(bytes) else {
        return;
    };
    if let Ok(proven) = page.verify(&truth().anchor) {
        let log = (page.chaincode.clone(), page.log.clone());
        let head = (proven.block.header.digest(), log.clone(), proven.length);
        // Any name that no log bears is truly absent.
        let absent = proven.length == 0 && !truth().entries.iter().any(|(known, ..)| *known == log);
        assert!(
            absent || truth().lengths.contains(&head),
            "a log that was never that long"
        );
        for entry in &proven.entries {
            let place = (
                log.clone(),
                entry.position,
                entry.provenance.transaction,
                entry.value.clone(),
            );
            assert!(truth().entries.contains(&place), "an entry that never was");
        }
    }
}

/// Where senders stand: what verifies is where that one stood.
pub fn sender_head(bytes: &[u8]) {
    let Ok(proof) = SenderHeadProof::decode(bytes) else {
        return;
    };
    assert!(proof.encode() == bytes);
    if let Ok(block) = proof.verify(&truth().anchor) {
        let sender = proof.sender.to_string();
        let stood = |(_, known, head): &(Digest, String, Vec<u8>)| {
            *known == sender && *head != SenderHead::default().encode()
        };
        let absent = proof.head == SenderHead::default() && !truth().heads.iter().any(stood);
        let place = (block.header.digest(), sender.clone(), proof.head.encode());
        assert!(
            absent || truth().heads.contains(&place),
            "a sender that never stood there"
        );
    }
}

/// Headers below a final one: what verifies was there.
pub fn ancestry(bytes: &[u8]) {
    let Ok(proof) = AncestryProof::decode(bytes) else {
        return;
    };
    assert!(proof.encode() == bytes);
    if proof.verify(&truth().anchor).is_ok() {
        let shown = proof.ranges.iter().flat_map(|range| &range.headers);
        for header in shown {
            assert!(truth().headers.contains(header), "a header that was never there");
        }
    }
}

/// Changes of the configuration: what verifies is a change that was made.
pub fn config_change(bytes: &[u8]) {
    let Ok(change) = ConfigChange::decode(bytes) else {
        return;
    };
    assert!(change.encode() == bytes);
    if change.verify(&truth().anchor).is_ok() {
        assert!(
            truth().changes.contains(&change.config.root()),
            "a change that was never made"
        );
    }
}

/// What is proposed, or after a first byte of 1 what became of it. What can be made gives a usable configuration, another one,
/// and can be made once; nothing is approved by fewer than the policy demands.
pub fn governance(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let config = &truth().config;
    if *kind == 1 {
        let Ok(record) = ProposalRecord::decode(bytes) else {
            return;
        };
        let said = |approves: bool| {
            let of = |actor: &str| {
                record
                    .votes
                    .get(actor)
                    .is_some_and(|vote| vote.approves == approves)
            };
            config.voters().filter(|(actor, _)| of(&actor.name)).count()
        };
        let (voters, required) = (
            config.voters().count(),
            config.lifecycle.required(config.voters().count()),
        );
        let expected = match (said(true) >= required, voters - said(false) < required) {
            (true, _) => Verdict::Approved,
            (false, true) => Verdict::Rejected,
            (false, false) => Verdict::Undecided,
        };
        // A removal and an actor's own peer have rules of their own (`ledger/tests/removals.rs`); nothing is approved by none.
        let verdict = record.verdict(config);
        let has_own_rules = |change: &ProposedChange| {
            matches!(
                change.change,
                Change::RemoveActor(_) | Change::ReplacePeer { .. } | Change::MovePeer { .. }
            )
        };
        if record.proposal.changes.iter().any(has_own_rules) {
            assert!(
                verdict != Verdict::Approved || said(true) > 0,
                "approved by nobody"
            );
            return;
        }
        assert!(verdict == expected, "a verdict that was not voted for");
        return;
    }
    let Ok(proposal) = GovernanceProposal::decode(bytes) else {
        return;
    };
    if let Ok(changed) = proposal.apply(config) {
        assert!(changed.check().is_ok(), "a configuration that is not usable");
        assert!(changed.root() != config.root(), "a change of nothing");
        assert!(NetworkConfig::decode(&changed.encode()).as_ref() == Ok(&changed));
        // Each change sets something: a second time there is nothing left to change.
        assert!(
            proposal.apply(&changed).is_err(),
            "a proposal that can be made twice"
        );
        let name = e2l_ledger::governance::GOVERNANCE;
        assert!(
            changed.chaincode(name).is_none(),
            "a contract in the governance's place"
        );
    }
}

/// Packages, which approvers read: what is read has one form, holds the component that it names, and leads nowhere else.
pub fn package(bytes: &[u8]) {
    let Ok(package) = Package::decode(bytes) else {
        return;
    };
    assert!(
        package.encode().expect("what was read can be written") == bytes,
        "two packages of one content"
    );
    let digest = e2l_ledger::Domain::Chaincode.hash(&package.component);
    assert!(package.manifest.digest == digest, "another component");
    for path in package.source.files().keys() {
        let parts = std::path::Path::new(path).components();
        let inside = parts
            .into_iter()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        assert!(inside, "{path} leads out of the source");
    }
    let manifest = &package.manifest;
    assert!(manifest.describes(&Described {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        functions: manifest.functions.clone(),
    }));
}

/// Evidence: whoever is convicted is guilty of just that.
pub fn evidence(bytes: &[u8]) {
    let Ok(evidence) = Evidence::decode(bytes) else {
        return;
    };
    assert!(evidence.encode() == bytes);
    if let Ok(guilt) = evidence.verify(&truth().anchor) {
        let (one, other) = guilt.statements;
        let statements = if one < other { (one, other) } else { (other, one) };
        assert!(
            truth().guilts.contains(&(guilt.member.to_string(), statements)),
            "{} is convicted of what it did not say",
            guilt.member
        );
    }
}

/// Proof files as `e2l verify` reads them: what verifies holds only proofs of what is true.
pub fn proof_file(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<ProofFile>(bytes) else {
        return;
    };
    if file.verify(&truth().anchor).is_err() {
        return;
    }
    for proof in &file.proofs {
        let proof = hex::decode(proof).expect("what verifies is hexadecimal");
        match file.kind {
            ProofKind::Receipt => receipt(&proof),
            ProofKind::History => log_page(&proof),
            ProofKind::Evidence => evidence(&proof),
            ProofKind::Checkpoint => final_header(&proof),
        }
    }
}

/// Genesis files: what every actor has approved is a genesis that they did approve.
pub fn genesis(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<GenesisFile>(bytes) else {
        return;
    };
    if file.check().is_ok() {
        let digest = file.genesis.digest();
        assert!(
            truth().geneses.contains(&digest),
            "a genesis that nobody approved"
        );
    }
}

/// Whole ledgers: pairs of a block and its proof, each behind four bytes of length. What the auditor passes is the
/// true ledger.
pub fn audit(bytes: &[u8]) {
    let truth = truth();
    let mut auditor = Auditor::new(&truth.anchor, truth.genesis.header());
    let mut rest = bytes;
    let mut next = || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (piece, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = behind;
        Some(piece)
    };
    while let (Some(block), Some(proof)) = (next(), next()) {
        let (Ok(decoded), Ok(proof)) = (Block::decode(block), FinalHeaderProof::decode(proof)) else {
            return;
        };
        let height = auditor.height() as usize;
        if auditor.check(&decoded, &proof).is_err() {
            return;
        }
        assert!(
            truth.ledger.get(height).is_some_and(|known| known == block),
            "a block that never was"
        );
    }
}

/// Votes as a peer takes them in: which certificate, one of the known ones or, for 255, one behind two bytes of length;
/// then the vote. What is signed was said.
pub fn vote(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else {
        return;
    };
    let (certificate, bytes) = match truth().peers.get(usize::from(*which)) {
        Some(certificate) => (Certificate::parse(certificate), rest),
        None => {
            let Some((length, rest)) = rest.split_first_chunk::<2>() else {
                return;
            };
            let Some((der, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))) else {
                return;
            };
            (Certificate::parse(der), rest)
        }
    };
    let (Ok(certificate), Ok(vote)) = (certificate, SignedVote::decode(bytes)) else {
        return;
    };
    assert!(vote.encode() == bytes);
    let issued = certificate.check_issued(&truth().config).is_ok();
    let signed = vote.signature.verify(&vote.vote.digest(), &certificate).is_ok();
    assert!(
        !(issued && signed) || truth().votes.contains(bytes),
        "a vote that was never cast"
    );
}

/// What a collector finds in its spool: frames behind a salt, or after a first byte of 1 one record.
pub fn spool(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    if *kind == 1 {
        if let Ok(record) = borsh::from_slice::<Record>(rest) {
            assert!(
                borsh::to_vec(&record).expect("memory") == rest,
                "two encodings of one record"
            );
        }
        return;
    }
    let Some((salt, mut rest)) = rest.split_first_chunk::<16>() else {
        return;
    };
    while let Some(found) = frame::read(rest, salt) {
        let mut again = [&[0; frame::HEADER][..], found.payload].concat();
        frame::seal(&mut again, found.group, salt);
        assert!(again == rest[..found.size], "two frames of one group");
        rest = &rest[found.size..];
    }
    let _ = frame::any_in(rest, salt);
}

/// Lines of an engine: what becomes an event survives its encoding, and is recorded without a command line.
pub fn engine_event(bytes: &[u8]) {
    let Some(parsed) = std::str::from_utf8(bytes).ok().map(EngineEvent::parse) else {
        return;
    };
    if let Ok(Ok(Some(event))) = parsed.map(|event| event.normalise(1)) {
        let action = borrowed::rules::redact_action(&event.action);
        let hidden =
            !action.starts_with("exec_") || !action.contains(':') || action.ends_with(": [redacted]");
        assert!(hidden, "a command line is shown: {action}");
        assert!(Event::decode(&event.encode()).as_ref() == Ok(&event));
    }
}

/// Seeds of every target, from the format's test vectors: target, name, bytes.
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let vectors = truth::vectors();
    let mut seeds = more_seeds();
    seeds.extend(governance_seeds());
    let objects = [
        (0, &vectors["block"]),
        (1, &vectors["header"]),
        (3, &vectors["proposal_header"]),
        (4, &vectors["envelopes"][0]),
        (4, &vectors["envelopes"][1]),
        (5, &vectors["signed_batch"]),
        (6, &vectors["batch_header"]),
        (7, &vectors["signed_request"]),
        (8, &vectors["request_header"]),
        (9, &vectors["signed_votes"][0]),
        (9, &vectors["signed_votes"][1]),
        (10, &vectors["results"][0]),
        (11, &vectors["genesis"]),
        (12, &vectors["config"]),
        (13, &vectors["sender_head"]),
        (17, &vectors["packed_envelopes"][0]),
        (17, &vectors["packed_envelopes"][1]),
    ];
    for (number, (kind, object)) in objects.into_iter().enumerate() {
        let bytes = [vec![kind], truth::bytes(&object["encoding"])].concat();
        seeds.push(("decode", format!("object-{number}"), bytes));
    }
    seeds.push((
        "event",
        "event".to_owned(),
        truth::bytes(&vectors["event"]["encoding"]),
    ));
    let certificates = vectors["proofs"]["certificates"]
        .as_object()
        .expect("certificates");
    for (name, der) in certificates {
        seeds.push(("certificate", file_name(name), truth::bytes(der)));
    }
    for vector in vectors["proofs"]["vectors"].as_array().expect("vectors") {
        let (kind, name) = (
            vector["kind"].as_str().expect("a kind"),
            vector["name"].as_str().expect("a name"),
        );
        let (target, _) = TARGETS
            .iter()
            .find(|(target, _)| *target == kind)
            .expect("a target of that kind");
        let bytes = truth::bytes(&vector["encoding"]);
        let name = file_name(name);
        let decoder = match kind {
            "receipt" => Some(15),
            "log_page" => Some(16),
            "config_change" => Some(24),
            _ => None,
        };
        if let Some(decoder) = decoder {
            // Other kinds of proofs have vectors of the same names.
            let name = match kind {
                "config_change" => format!("config-change-{name}"),
                _ => name.clone(),
            };
            seeds.push(("decode", name, [vec![decoder], bytes.clone()].concat()));
        }
        seeds.push((target, name, bytes));
    }
    seeds
}

/// Proposals, decisions and records; of the proposals those that can be made under the truth's configuration too.
fn governance_seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let vectors = &truth::vectors()["governance"];
    let list = |name: &str| vectors[name].as_array().expect("a list").clone();
    let mut objects = vec![
        (19, vectors["proposal"].clone()),
        (20, vectors["proposing"].clone()),
        (21, vectors["decision"].clone()),
        (23, vectors["index"].clone()),
    ];
    objects.extend(list("alone").into_iter().map(|vector| (19, vector)));
    objects.extend(list("refused").into_iter().map(|vector| (19, vector)));
    objects.extend(list("records").into_iter().map(|vector| (22, vector)));
    let mut seeds = Vec::new();
    for (number, (kind, object)) in objects.into_iter().enumerate() {
        let bytes = truth::bytes(&object["encoding"]);
        let name = format!("governance-{number}");
        if kind == 22 {
            seeds.push(("governance", name.clone(), [&[1][..], &bytes].concat()));
        }
        if let Ok(mut proposal) = GovernanceProposal::decode(&bytes) {
            for proposed in &mut proposal.changes {
                proposed.replaces = proposed.change.replaced_in(&truth().config);
            }
            seeds.push((
                "governance",
                name.clone(),
                [&[0][..], &proposal.encode()].concat(),
            ));
        }
        seeds.push(("decode", name, [vec![kind], bytes].concat()));
    }
    seeds.push(("package", "package".to_owned(), a_package()));
    seeds
}

/// A package of a crate of two files, with a component in name only: what is one is for others to say.
fn a_package() -> Vec<u8> {
    let place = tempfile::tempdir().expect("a directory");
    for (name, text) in [("Cargo.toml", "[package]"), ("lib.rs", "//! Nothing.")] {
        std::fs::write(place.path().join(name), text).expect("it can be written");
    }
    let source = source_tree::SourceTree::read(place.path()).expect("a crate");
    let component = b"a component".to_vec();
    let built = built::Built {
        digest: e2l_ledger::Domain::Chaincode.hash(&component),
        component,
        toolchain: toolchain::Toolchain {
            rustc: "rustc 1.0.0".to_owned(),
            host: "here".to_owned(),
            release: "1.0.0".to_owned(),
        },
    };
    let described = Described {
        name: "counter".to_owned(),
        version: "1.0.0".to_owned(),
        functions: Vec::new(),
    };
    let package = Package::new(built, described, source).expect("a package");
    package.encode().expect("its bytes")
}

/// Of what the vectors do not hold as it is read.
fn more_seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let proofs = &truth::vectors()["proofs"];
    let mut seeds = Vec::new();
    for (name, file) in proofs["genesis_files"].as_object().expect("genesis files") {
        let text = serde_json::to_vec(file).expect("JSON");
        seeds.push(("genesis", file_name(name), text));
    }
    let behind = |bytes: Vec<u8>| [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat();
    let blocks = proofs["ledger"].as_array().expect("a ledger").iter();
    let ledger: Vec<Vec<u8>> = blocks
        .flat_map(|block| [&block["block"], &block["finality"]])
        .map(|text| behind(truth::bytes(text)))
        .collect();
    seeds.push(("audit", "ledger".to_owned(), ledger.concat()));
    for (number, vote) in truth().votes.iter().enumerate() {
        let known = truth().peers.iter().position(|der| {
            let certificate = Certificate::parse(der).expect("a certificate");
            let vote = SignedVote::decode(vote).expect("a vote");
            vote.signature.certificate == certificate.digest()
        });
        let which = u8::try_from(known.expect("its certificate")).expect("few");
        seeds.push(("vote", format!("vote-{number}"), [&[which][..], vote].concat()));
    }
    seeds.extend(
        file_seeds()
            .into_iter()
            .map(|(name, text)| ("proof_file", name, text)),
    );
    let position = Record::Position(Position {
        source: "replay".to_owned(),
        lines: 7,
    });
    let record = borsh::to_vec(&[&Record::Final { batch: 3 }, &position][1]).expect("memory");
    let mut framed = [&[0; frame::HEADER][..], &record].concat();
    frame::seal(&mut framed, 1, &[7; 16]);
    seeds.push(("spool", "record".to_owned(), [&[1][..], &record].concat()));
    seeds.push((
        "spool",
        "frames".to_owned(),
        [&[0][..], &[7; 16], &framed, &framed].concat(),
    ));
    for (name, line) in ENGINE_LINES {
        seeds.push(("engine_event", name.to_owned(), line.as_bytes().to_vec()));
    }
    seeds
}

const ENGINE_LINES: [(&str, &str); 2] = [
    (
        "die",
        r#"{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"1"}},"scope":"local","time":1,"timeNano":1000000001}"#,
    ),
    (
        "exec",
        r#"{"Type":"container","Action":"exec_create: mysql -psecret","Actor":{"ID":"a"},"timeNano":5}"#,
    ),
];

/// A proof file of each kind.
fn file_seeds() -> Vec<(String, Vec<u8>)> {
    let anchor = &truth().anchor;
    let network = *anchor.network();
    let mut seeds = Vec::new();
    for vector in truth::vectors()["proofs"]["vectors"].as_array().expect("vectors") {
        let after = vector["after"].is_array();
        if !vector["proves"].is_object() || vector["genesis"] != truth::GENESIS || after {
            continue;
        }
        let bytes = truth::bytes(&vector["encoding"]);
        let file = match vector["kind"].as_str().expect("a kind") {
            "receipt" => {
                let receipt = Receipt::decode(&bytes).expect("a receipt");
                let proven = receipt.verify(anchor).expect("it holds");
                ProofFile::of_receipt(network, &receipt, &proven)
            }
            "evidence" => {
                let evidence = Evidence::decode(&bytes).expect("evidence");
                let guilt = evidence.verify(anchor).expect("it holds");
                ProofFile::of_evidence(network, &evidence, &guilt)
            }
            "final_header" => {
                let proof = FinalHeaderProof::decode(&bytes).expect("a proof");
                let block = proof.verify(anchor).expect("it holds");
                ProofFile::of_checkpoint(network, &proof, &block)
            }
            "log_page" => {
                let page = LogPageProof::decode(&bytes).expect("a page");
                match ProofFile::of_history(network, &[page], anchor) {
                    Ok(file) => file,
                    // A part of a log, or values that are no events.
                    Err(_) => continue,
                }
            }
            _ => continue,
        };
        let name = format!(
            "{}-{}",
            vector["kind"].as_str().expect("a kind"),
            vector["name"].as_str().expect("a name")
        );
        seeds.push((file_name(&name), serde_json::to_vec(&file).expect("JSON")));
    }
    seeds
}

fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}
