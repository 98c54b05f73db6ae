//! What must hold for any bytes: one function per target, which panics when it does not. libFuzzer calls them with
//! bytes of its own (`fuzz_targets/`), `tests/corpus.rs` with the corpus.

mod truth;

use e2l_event::Event;
use e2l_ledger::proof::{AncestryProof, Evidence, FinalHeaderProof, LogPageProof, Receipt, SenderHeadProof};
use e2l_ledger::{
    BatchHeader, Block, Canonical, Certificate, Digest, Envelope, Genesis, Header, LogHead, NetworkConfig,
    ProposalHeader, RequestHeader, SenderHead, SignedBatch, SignedProposal, SignedRequest, SignedVote,
    TransactionResult,
};
use truth::truth;

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 9] = [
    ("decode", decode),
    ("event", event),
    ("certificate", certificate),
    ("final_header", final_header),
    ("receipt", receipt),
    ("log_page", log_page),
    ("sender_head", sender_head),
    ("ancestry", ancestry),
    ("evidence", evidence),
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
pub const DECODERS: [fn(&[u8]); 17] = [
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
];

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

/// Seeds of every target, from the format's test vectors: target, name, bytes.
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let vectors = truth::vectors();
    let mut seeds = Vec::new();
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
            _ => None,
        };
        if let Some(kind) = decoder {
            seeds.push(("decode", name.clone(), [vec![kind], bytes.clone()].concat()));
        }
        seeds.push((target, name, bytes));
    }
    seeds
}

fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}
