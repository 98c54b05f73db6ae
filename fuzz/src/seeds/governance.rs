//! What the network decides on.

use super::Seed;
use crate::borrowed::built::Built;
use crate::borrowed::package::{Described, Package};
use crate::borrowed::source_tree::SourceTree;
use crate::borrowed::toolchain::Toolchain;
use crate::truth::{self, truth};
use e2l_ledger::Canonical;
use e2l_ledger::governance::GovernanceProposal;

/// Proposals, decisions and records; of the proposals those that can be made under the truth's configuration too.
pub fn seeds() -> Vec<Seed> {
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
    let source = SourceTree::read(place.path()).expect("a crate");
    let component = b"a component".to_vec();
    let built = Built {
        digest: e2l_ledger::Domain::Chaincode.hash(&component),
        component,
        toolchain: Toolchain {
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
