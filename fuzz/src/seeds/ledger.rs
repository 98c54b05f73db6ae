//! A ledger, and what was signed for it.

use super::{Seed, file_name};
use crate::truth::{self, truth};
use e2l_ledger::{Canonical, Certificate, SignedVote};

/// Genesis files, a whole ledger and votes.
pub fn seeds() -> Vec<Seed> {
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
    seeds
}
