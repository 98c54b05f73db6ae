//! What can be proposed of the configuration, and what is in it then.

use super::decide;
use crate::common::members::{Members, OTHERS};
use crate::common::stage::{Stage, approve, component, deploy, governance, limits};
use crate::common::{count, deep};
use e2l_ledger::governance::{Change, GOVERNANCE, function};
use e2l_ledger::{Canonical, Digest, EngineProfile, Limits, StateKey, Suffrage, ValidationCode};

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
