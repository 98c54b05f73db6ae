//! What the actors change together: two peers execute it alike, and what is refused changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::members::{Members, OTHERS};
use common::stage::{Stage, approve, component, deploy, governance, limits, reject};
use common::{count, deep, hostile};
use e2l_ledger::governance::{Change, GOVERNANCE, ProposalIndex, ProposalStatus, Proposing, function};
use e2l_ledger::{
    BatchHeader, Call, Canonical, Digest, Domain, EngineProfile, Envelope, Limits, SignedBatch, Signer,
    StateKey, Suffrage, ValidationCode,
};

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

#[test]
fn only_admins_of_voting_actors_decide_and_each_once() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let [developer, user] = &members.others;
        let proposal = stage.proposal([limits(|limits| limits.block_max_transactions = 7)], 40);
        let id = proposal.id();
        let proposing = Proposing {
            proposal: proposal.clone(),
            components: Vec::new(),
        };
        // A collector's batch may hold any call.
        let batch = stage
            .orderer
            .batch(vec![governance(function::PROPOSE, proposing.encode())]);
        assert_eq!(stage.block(vec![batch])[0].0, ValidationCode::RoleNotAllowed);
        assert_eq!(
            stage.call(developer, approve(id)).0,
            ValidationCode::UnknownProposal
        );
        assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::Valid);
        assert_eq!(
            stage.propose(&proposal, Vec::new()).0,
            ValidationCode::DuplicateTxid
        );
        assert_eq!(
            stage.call(&members.admin, approve(id)).0,
            ValidationCode::AlreadyDecided
        );
        assert_eq!(stage.call(developer, approve(id)).0, ValidationCode::Valid);
        assert_eq!(
            stage.call(developer, reject(id)).0,
            ValidationCode::AlreadyDecided
        );
        assert_eq!(
            stage.peers[0].config(),
            &members.genesis.config,
            "two of three are not all"
        );
        assert_eq!(stage.call(user, reject(id)).0, ValidationCode::Valid);
        assert!(matches!(
            stage.record(&id).outcome,
            ProposalStatus::Rejected { .. }
        ));
        assert_eq!(stage.call(user, approve(id)).0, ValidationCode::ProposalClosed);
        assert_eq!(stage.index().closed, [id]);
        for (call, code) in [
            (
                governance("withdraw", Vec::new()),
                ValidationCode::ContractRejected,
            ),
            (
                governance(function::PROPOSE, b"junk".to_vec()),
                ValidationCode::BadPayload,
            ),
            (
                governance(function::APPROVE, b"junk".to_vec()),
                ValidationCode::BadPayload,
            ),
        ] {
            assert_eq!(stage.call(user, call).0, code);
        }
    });
}

#[test]
fn a_proposal_expires_and_what_replaces_the_same_supersedes_it() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let [developer, user] = &members.others;
        let short = stage.proposal([limits(|limits| limits.block_max_transactions = 5)], 2);
        let first = stage.proposal([limits(|limits| limits.block_max_transactions = 7)], 40);
        let second = stage.proposal([limits(|limits| limits.block_max_transactions = 9)], 40);
        for proposal in [&short, &first, &second] {
            assert_eq!(stage.propose(proposal, Vec::new()).0, ValidationCode::Valid);
        }
        assert_eq!(
            stage.call(developer, approve(short.id())).0,
            ValidationCode::ProposalExpired
        );
        // Both are approved in one block: the second replaces what is not there any more.
        assert_eq!(
            stage.call(developer, approve(first.id())).0,
            ValidationCode::Valid
        );
        assert_eq!(
            stage.call(developer, approve(second.id())).0,
            ValidationCode::Valid
        );
        let both = [first.id(), second.id()].map(|id| stage.signed(user, approve(id)));
        let codes = stage.block(both.into());
        assert!(
            codes.iter().all(|(code, _)| *code == ValidationCode::Valid),
            "{codes:?}"
        );
        assert_eq!(stage.peers[0].config().limits.block_max_transactions, 7);
        match stage.record(&second.id()).outcome {
            ProposalStatus::Failed { code, .. } => assert_eq!(code, ValidationCode::ProposalSuperseded),
            other => panic!("{other:?}"),
        }
        // One that was made before, and is decided after.
        let late = stage.proposal([limits(|limits| limits.max_unfinal_blocks = 5)], 40);
        let early = stage.proposal([limits(|limits| limits.max_unfinal_blocks = 6)], 40);
        for proposal in [&late, &early] {
            assert_eq!(stage.propose(proposal, Vec::new()).0, ValidationCode::Valid);
        }
        for admin in [developer, user] {
            assert_eq!(stage.call(admin, approve(early.id())).0, ValidationCode::Valid);
        }
        assert_eq!(
            stage.call(developer, approve(late.id())).0,
            ValidationCode::ProposalSuperseded
        );
        assert_eq!(
            stage.propose(&late, Vec::new()).0,
            ValidationCode::ProposalSuperseded
        );
        assert_eq!(stage.record(&short.id()).outcome, ProposalStatus::Expired);
    });
}

#[test]
fn what_would_make_no_sense_cannot_be_proposed() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let bytes = component("hostile");
        let actor = "nobody".to_owned();
        let authorities = Vec::new();
        let cases: [(&str, Vec<Change>); 8] = [
            ("nothing changes", vec![Change::Limits(Limits::default())]),
            (
                "a limit out of range",
                vec![limits(|limits| limits.block_max_transactions = 0)],
            ),
            (
                "a limit that holds batches",
                vec![limits(|limits| limits.batch_max_bytes = 2048)],
            ),
            ("no such actor", vec![Change::Authorities { actor, authorities }]),
            (
                "no authority",
                vec![Change::Authorities {
                    actor: "user".into(),
                    authorities: Vec::new(),
                }],
            ),
            (
                "no such chaincode",
                vec![Change::RemoveChaincode("nowhere".into())],
            ),
            ("a reserved name", vec![deploy(GOVERNANCE, "1", &bytes)]),
            ("a bad name", vec![deploy("Upper Case", "1", &bytes)]),
        ];
        for (what, changes) in cases {
            let proposal = stage.proposal(changes, 40);
            let (code, why) = stage.propose(&proposal, Vec::new());
            assert_eq!(code, ValidationCode::BadConfiguration, "{what}: {why}");
        }
        let proposal = stage.proposal([], 40);
        assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::BadPayload);
        let proposal = stage.proposal([limits(|limits| limits.max_unfinal_blocks = 5)], 200_000);
        assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::BadPayload);
        for number in 1..=8 {
            let proposal = stage.proposal([limits(|limits| limits.max_unfinal_blocks = number)], 40);
            assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::Valid);
        }
        let proposal = stage.proposal([limits(|limits| limits.max_unfinal_blocks = 9)], 40);
        assert_eq!(
            stage.propose(&proposal, Vec::new()).0,
            ValidationCode::TooManyProposals
        );
    });
}

#[test]
fn what_a_certificate_signs_after_its_revocation_is_refused_and_what_it_signed_before_stays() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let batch = stage.orderer.batch(vec![count()]);
        assert_eq!(stage.block(vec![batch])[0].0, ValidationCode::Valid);
        let revoked = members.collector.certificate().digest();
        let proposal = stage.proposal([Change::Revoke([revoked].into())], 40);
        assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::Valid);
        stage.approved(proposal.id());
        let batch = stage.orderer.batch(vec![hostile("count", "")]);
        assert_eq!(stage.block(vec![batch])[0].0, ValidationCode::CreatorRevoked);
        assert_eq!(stage.peers[0].query("hostile", "count", "").unwrap(), "1");
    });
}

#[test]
fn an_admin_whose_certificate_is_revoked_decides_no_more_and_what_it_has_approved_before_counts() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let [developer, user] = &members.others;
        let approved = stage.proposal([limits(|limits| limits.block_max_transactions = 7)], 40);
        let open = stage.proposal([Change::RemoveChaincode("hostile".to_owned())], 40);
        for proposal in [&approved, &open] {
            assert_eq!(stage.propose(proposal, Vec::new()).0, ValidationCode::Valid);
        }
        let earlier = stage.call(developer, approve(approved.id()));
        assert_eq!(earlier.0, ValidationCode::Valid);
        let revoked = developer.certificate().digest();
        decide(&mut stage, vec![Change::Revoke([revoked].into())], Vec::new());

        let before = (stage.record(&open.id()), stage.index());
        let config = stage.peers[0].config().clone();
        let (code, why) = stage.call(developer, approve(open.id()));
        assert_eq!(code, ValidationCode::CreatorRevoked, "{why}");
        assert_eq!((stage.record(&open.id()), stage.index()), before);
        assert_eq!(*stage.peers[0].config(), config);
        // Of the one proposal its approval is missing, of the other it is there.
        for proposal in [&open, &approved] {
            assert_eq!(stage.call(user, approve(proposal.id())).0, ValidationCode::Valid);
        }
        assert_eq!(stage.record(&open.id()).outcome, ProposalStatus::Open);
        assert!(stage.record(&approved.id()).votes[OTHERS[0]].approves);
        let from_height = stage.height() + 1;
        assert_eq!(
            stage.record(&approved.id()).outcome,
            ProposalStatus::Active { from_height }
        );
        assert_eq!(stage.peers[1].config().limits.block_max_transactions, 7);
        assert!(stage.peers[1].config().chaincode("hostile").is_some());
    });
}

#[test]
fn another_engine_is_in_the_configuration_from_the_next_height_on() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let engine = EngineProfile {
            engine: "another".to_owned(),
            architecture: "another".to_owned(),
            configuration: Digest([9; 32]),
        };
        decide(&mut stage, vec![Change::Engine(engine.clone())], Vec::new());
        let config = stage.peers[0].config().clone();
        assert_eq!(config.engine, engine);
        let header = stage.peers[0].store.tip().unwrap().header;
        assert_eq!(header.config_root, members.genesis.config.root());
        assert_eq!(header.next_config_root, config.root());
        let kept = stage.peers[1].state(&StateKey::config_from(stage.height() + 1));
        assert_eq!(kept, Some(config.encode()));
        // Whether its own engine is that one a peer asks before it executes the next block: `check_engine`.
        let batch = stage.orderer.batch(vec![count()]);
        assert_eq!(stage.block(vec![batch])[0].0, ValidationCode::Valid);
        let header = stage.peers[1].store.tip().unwrap().header;
        assert_eq!(header.config_root, config.root());
    });
}

#[test]
fn an_actor_gets_its_vote_when_its_own_peer_is_ready_and_not_before() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let actor = OTHERS[0].to_owned();
        let [developer, user] = &members.others;
        let ready = || governance(function::READY, Vec::new());
        let refused = stage.call(&members.other_peer, ready());
        assert_eq!(
            refused.0,
            ValidationCode::RoleNotAllowed,
            "it votes: {}",
            refused.1
        );
        let votes = |votes| Change::Vote {
            actor: actor.clone(),
            votes,
        };
        let suffrage = |stage: &Stage<'_>| stage.peers[0].config().actor(OTHERS[0]).unwrap().suffrage;
        for (change, then) in [
            (votes(false), Suffrage::Nonvoter),
            (votes(true), Suffrage::Staging),
        ] {
            let proposal = stage.proposal([change], 40);
            let id = proposal.id();
            assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::Valid);
            if suffrage(&stage) == Suffrage::Voter {
                assert_eq!(stage.call(developer, approve(id)).0, ValidationCode::Valid);
            }
            assert_eq!(stage.call(user, approve(id)).0, ValidationCode::Valid);
            assert_eq!(suffrage(&stage), then);
        }
        let proposal = stage.proposal([limits(|limits| limits.block_max_transactions = 7)], 40);
        assert_eq!(stage.propose(&proposal, Vec::new()).0, ValidationCode::Valid);
        let early = stage.call(developer, approve(proposal.id()));
        assert_eq!(early.0, ValidationCode::RoleNotAllowed, "it has no say yet");
        for (who, name) in [
            (&members.admin, "an admin"),
            (&members.peer, "another actor's peer"),
        ] {
            assert_eq!(
                stage.call(who, ready()).0,
                ValidationCode::RoleNotAllowed,
                "{name}"
            );
        }
        // No other call is a peer's to make.
        let approves = stage.call(&members.other_peer, approve(proposal.id()));
        assert_eq!(approves.0, ValidationCode::RoleNotAllowed);
        assert_eq!(suffrage(&stage), Suffrage::Staging);
        let said = stage.call(&members.other_peer, ready());
        assert_eq!(said, (ValidationCode::Valid, actor.clone()));
        assert_eq!(suffrage(&stage), Suffrage::Voter);
        let from = stage.height() + 1;
        let kept = stage.peers[1].state(&StateKey::config_from(from)).unwrap();
        assert_eq!(kept, stage.peers[1].config().encode());
        assert_eq!(
            stage.call(developer, approve(proposal.id())).0,
            ValidationCode::Valid
        );
    });
}

/// A batch of the collector that names this code, after `previous`.
fn batch_by_code(
    stage: &Stage<'_>,
    (sequence, previous): (u64, Digest),
    component: Option<Digest>,
    executable: Digest,
) -> SignedBatch {
    let calls = vec![count()];
    let collector = &stage.members.collector;
    let plain = stage
        .orderer
        .batch_by(collector, sequence, previous, calls.clone());
    let header = BatchHeader {
        component,
        executable,
        ..plain.header
    };
    SignedBatch::sign(header, calls, collector)
}

/// All actors approve these changes, in a block each.
fn decide(stage: &mut Stage<'_>, changes: Vec<Change>, components: Vec<Vec<u8>>) {
    let proposal = stage.proposal(changes, 40);
    let id = proposal.id();
    assert_eq!(stage.propose(&proposal, components).0, ValidationCode::Valid);
    stage.approved(id);
}

#[test]
fn a_batch_by_other_code_is_refused_and_its_number_is_not_taken() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        // A block comes 10 ns after the one below: there is no grace at all.
        let bytes = component("hostile");
        let changes = vec![
            limits(|limits| limits.collector_grace_ms = 0),
            deploy("collector", "1.0.0", &bytes),
        ];
        decide(&mut stage, changes, vec![bytes.clone()]);
        let component = Some(Domain::Chaincode.hash(&bytes));
        let replaced = &stage.peers[0].config().replaced_collectors;
        assert_eq!((replaced.len(), replaced[0].component), (1, None));

        let first = (1, Digest::ZERO);
        let old = batch_by_code(&stage, first, None, Digest::ZERO);
        let new = batch_by_code(&stage, first, component, Digest::ZERO);
        let after = (2, new.header.digest());
        let codes = stage.block(vec![Envelope::Batch(old), Envelope::Batch(new)]);
        assert_eq!(codes[0].0, ValidationCode::OtherComponent, "{}", codes[0].1);
        assert_eq!(codes[1].0, ValidationCode::Valid, "{}", codes[1].1);

        let allowed = Digest([8; 32]);
        decide(
            &mut stage,
            vec![Change::Executables([allowed].into())],
            Vec::new(),
        );
        let other = batch_by_code(&stage, after, component, Digest::ZERO);
        let good = batch_by_code(&stage, after, component, allowed);
        let codes = stage.block(vec![Envelope::Batch(other), Envelope::Batch(good)]);
        assert_eq!(codes[0].0, ValidationCode::OtherExecutable, "{}", codes[0].1);
        assert_eq!(codes[1].0, ValidationCode::Valid, "{}", codes[1].1);

        // It ends, and what is built in is in force again.
        let changes = vec![
            Change::RemoveChaincode("collector".to_owned()),
            Change::Executables(Default::default()),
        ];
        decide(&mut stage, changes, Vec::new());
        assert_eq!(stage.peers[1].config().collector_component(), None);
        let replaced = &stage.peers[1].config().replaced_collectors;
        assert_eq!(replaced.last().unwrap().component, component);
    });
}
