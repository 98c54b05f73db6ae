//! Contracts that the actors approve, and what is none.

use super::decide;
use crate::common::members::Members;
use crate::common::stage::{Stage, approve, component, deploy, limits};
use crate::common::{count, deep};
use e2l_ledger::governance::{ProposalIndex, ProposalStatus};
use e2l_ledger::{Call, Canonical, Limits, StateKey, ValidationCode};

#[test]
fn a_contract_that_all_actors_approve_runs_from_the_next_height_on() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let bytes = component("hostile");
        let proposal = stage.proposal([deploy("counter", "1.0.0", &bytes)], 40);
        let id = proposal.id();
        assert_eq!(
            stage.propose(&proposal, vec![bytes.clone()]),
            (ValidationCode::Valid, id.to_string())
        );
        assert_eq!(stage.record(&id).outcome, ProposalStatus::Open);
        assert_eq!(stage.index().open, [id].into());
        let counting = Call {
            chaincode: "counter".to_owned(),
            ..count()
        };
        let [developer, user] = &members.others;
        assert_eq!(stage.call(developer, approve(id)).0, ValidationCode::Valid);
        // The last approval, and calls around it: the block is executed under the configuration below it.
        let last = stage.signed(user, approve(id));
        let batch = stage.orderer.batch(vec![counting.clone(), count()]);
        let after = stage.orderer.batch(vec![counting.clone()]);
        let codes = stage.block(vec![batch, last, after]);
        let codes: Vec<ValidationCode> = codes.into_iter().map(|(code, _)| code).collect();
        let none = ValidationCode::ExpiredChaincode;
        assert_eq!(codes, [none, ValidationCode::Valid, ValidationCode::Valid, none]);
        let from_height = stage.height() + 1;
        assert_eq!(stage.record(&id).outcome, ProposalStatus::Active { from_height });
        assert_eq!(stage.index().open, [].into());
        assert_eq!(stage.index().closed, [id]);
        let header = stage.peers[0].store.tip().unwrap().header;
        assert_eq!(header.config_root, members.genesis.config.root());
        assert_eq!(header.next_config_root, stage.peers[0].config().root());
        let kept = stage.peers[0].state(&StateKey::config_from(from_height)).unwrap();
        assert_eq!(kept, stage.peers[0].config().encode());
        // It has a key space of its own, beside the one that runs the same component.
        let batch = stage.orderer.batch(vec![counting]);
        assert_eq!(
            stage.block(vec![batch]),
            [(ValidationCode::Valid, "1".to_owned())]
        );
        let header = stage.peers[0].store.tip().unwrap().header;
        assert_eq!(header.config_root, stage.peers[0].config().root());
        assert_eq!(header.next_config_root, header.config_root);
        for peer in &mut stage.peers {
            peer.restart();
            assert_eq!(peer.query("counter", "count", "").unwrap(), "1");
            assert_eq!(peer.query("hostile", "count", "").unwrap(), "1");
        }
    });
}

#[test]
fn what_is_no_contract_is_refused_with_a_code_of_its_own() {
    deep(|| {
        let members = Members::new(Limits {
            component_max_bytes: 100_000,
            ..Limits::default()
        });
        let mut stage = Stage::new(&members);
        let large = component("eventdb");
        assert!(large.len() > 100_000);
        let cases = [
            (b"junk".to_vec(), ValidationCode::NotAComponent),
            (large, ValidationCode::ComponentLimit),
            (importing(), ValidationCode::ForeignImport),
            (
                wasm_encoder::Component::new().finish(),
                ValidationCode::NotAContract,
            ),
        ];
        for (bytes, code) in cases {
            let proposal = stage.proposal([deploy("new", "1", &bytes)], 40);
            let (found, why) = stage.propose(&proposal, vec![bytes]);
            assert_eq!(found, code, "{why}");
            assert_eq!(stage.peers[0].state(&StateKey::proposal(&proposal.id())), None);
            assert_eq!(stage.index(), ProposalIndex::default());
        }
        // Nor is one that does not come along, or comes for nothing.
        let bytes = importing();
        let proposal = stage.proposal([deploy("new", "1", &bytes)], 40);
        assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::BadPayload);
        let proposal = stage.proposal([limits(|limits| limits.block_max_transactions = 7)], 40);
        assert_eq!(
            stage.propose(&proposal, vec![bytes]).0,
            ValidationCode::BadPayload
        );
    });
}

#[test]
fn a_component_that_was_accepted_stays_so_when_the_limit_is_lowered_and_a_peer_starts_anew() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let bytes = component("hostile");
        let proposal = stage.proposal([deploy("counter", "1.0.0", &bytes)], 40);
        let id = proposal.id();
        assert_eq!(
            stage.propose(&proposal, vec![bytes.clone()]).0,
            ValidationCode::Valid
        );
        let lower = limits(|limits| limits.component_max_bytes = 1024);
        decide(&mut stage, vec![lower], Vec::new());
        assert_eq!(stage.peers[0].config().limits.component_max_bytes, 1024);
        // One that has compiled it and one that has not come to the same.
        stage.peers[1].restart();
        stage.approved(id);
        let from_height = stage.height() + 1;
        assert_eq!(stage.record(&id).outcome, ProposalStatus::Active { from_height });
        // Nothing larger than the limit is taken now, though every peer has it ready.
        let again = stage.proposal([deploy("another", "1.0.0", &bytes)], 40);
        assert_eq!(
            stage.propose(&again, vec![bytes]).0,
            ValidationCode::ComponentLimit
        );
        for peer in &mut stage.peers {
            peer.restart();
            assert_eq!(peer.query("counter", "count", "").unwrap(), "0");
        }
    });
}

#[test]
fn what_only_the_compiler_refuses_fails_when_it_is_to_come_into_force() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let bytes = beyond_the_compiler();
        let proposal = stage.proposal([deploy("new", "1", &bytes)], 40);
        let id = proposal.id();
        assert_eq!(stage.propose(&proposal, vec![bytes]).0, ValidationCode::Valid);
        // One that has compiled it meanwhile and one that has not come to the same.
        stage.peers[1].restart();
        stage.approved(id);
        let height = stage.height();
        match stage.record(&id).outcome {
            ProposalStatus::Failed {
                height: found,
                code,
                why,
            } => {
                assert_eq!((found, code), (height, ValidationCode::NotAContract));
                assert!(why.contains("chaincode `new`"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(*stage.peers[0].config(), members.genesis.config);
        for peer in &mut stage.peers {
            peer.restart();
        }
        assert_eq!(
            stage.call(&members.others[0], approve(id)).0,
            ValidationCode::ProposalClosed
        );
    });
}

/// A contract with one more module, in which the engine takes no section of this name.
fn beyond_the_compiler() -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    module.section(&wasm_encoder::CustomSection {
        name: "webidl-bindings".into(),
        data: [].as_slice().into(),
    });
    let mut bytes = component("hostile");
    wasm_encoder::ComponentSection::append_to_component(&wasm_encoder::ModuleSection(&module), &mut bytes);
    bytes
}

/// A component that imports a function.
fn importing() -> Vec<u8> {
    use wasm_encoder::{
        Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, ComponentValType,
    };
    let mut types = ComponentTypeSection::new();
    let none: [(&str, ComponentValType); 0] = [];
    types.function().params(none).result(None);
    let mut imports = ComponentImportSection::new();
    imports.import("foreign", ComponentTypeRef::Func(0));
    let mut component = Component::new();
    component.section(&types).section(&imports);
    component.finish()
}
