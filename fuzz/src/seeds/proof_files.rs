//! Proof files.

use super::{Seed, file_name};
use crate::borrowed::proof_file::ProofFile;
use crate::truth::{self, truth};
use e2l_ledger::Canonical;
use e2l_ledger::proof::{Evidence, FinalHeaderProof, LogPageProof, Receipt};

/// A proof file of each kind.
pub fn seeds() -> Vec<Seed> {
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
        let text = serde_json::to_vec(&file).expect("JSON");
        seeds.push(("proof_file", file_name(&name), text));
    }
    seeds
}
