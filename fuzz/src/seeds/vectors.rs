//! What the vectors hold as it is read: objects, an event, certificates and proofs.

use super::{Seed, file_name};
use crate::{TARGETS, truth};

/// Seeds of them all.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = objects();
    seeds.push((
        "event",
        "event".to_owned(),
        truth::bytes(&truth::vectors()["event"]["encoding"]),
    ));
    seeds.extend(certificates());
    seeds.extend(proofs());
    seeds
}

/// Objects, behind the number of their decoder (`crate::DECODERS`).
fn objects() -> Vec<Seed> {
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
        (17, &vectors["packed_envelopes"][0]),
        (17, &vectors["packed_envelopes"][1]),
    ];
    for (number, (kind, object)) in objects.into_iter().enumerate() {
        let bytes = [vec![kind], truth::bytes(&object["encoding"])].concat();
        seeds.push(("decode", format!("object-{number}"), bytes));
    }
    seeds
}

fn certificates() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let certificates = truth::vectors()["proofs"]["certificates"]
        .as_object()
        .expect("certificates");
    for (name, der) in certificates {
        seeds.push(("certificate", file_name(name), truth::bytes(der)));
    }
    seeds
}

/// Proofs for the targets of their kinds, and for `decode` those of which it knows the kind.
fn proofs() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for vector in truth::vectors()["proofs"]["vectors"].as_array().expect("vectors") {
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
