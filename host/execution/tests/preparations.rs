//! Contracts that prepare themselves: one step per block, alike on every peer, and nothing is left of one that fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::members::Members;
use common::peer::Peer;
use common::stage::{Stage, approve, component, deploy};
use common::{call, contracts, deep};
use e2l_chaincode_builder::build_once;
use e2l_execution::{ChainTip, VoidProposal, check_chain};
use e2l_ledger::governance::{Change, Preparations, ProposalStatus};
use e2l_ledger::{Canonical, Digest, Limits, StateKey, ValidationCode};
use std::collections::BTreeSet;
use std::path::Path;

const NAME: &str = "upgrades";

/// Tells the contract what its preparation and its migration do.
fn tell(stage: &mut Stage<'_>, orders: &[&str]) {
    let calls = orders.iter().map(|order| call(NAME, "set", order.as_bytes()));
    let batch = stage.orderer.batch(calls.collect());
    assert!(
        stage
            .block(vec![batch])
            .iter()
            .all(|(code, _)| *code == ValidationCode::Valid)
    );
}

/// Proposes changes; returns the proposal.
fn propose(stage: &mut Stage<'_>, changes: impl IntoIterator<Item = Change>) -> Digest {
    let proposal = stage.proposal(changes, 50);
    let deployed: BTreeSet<Digest> = proposal
        .definitions()
        .map(|definition| definition.digest)
        .collect();
    let brought = contracts()
        .iter()
        .filter(|(_, digest, _)| deployed.contains(digest));
    let brought = brought.map(|(.., bytes)| bytes.clone()).collect();
    assert_eq!(stage.propose(&proposal, brought).0, ValidationCode::Valid);
    proposal.id()
}

fn version_2(name: &str) -> Change {
    deploy(name, "2.0.0", &component(NAME))
}

fn begun(stage: &mut Stage<'_>, orders: &[&str]) -> Digest {
    tell(stage, orders);
    let id = propose(stage, [version_2(NAME)]);
    stage.approved(id);
    id
}

fn status(stage: &Stage<'_>, id: &Digest) -> ProposalStatus {
    stage.record(id).outcome
}

fn code(stage: &Stage<'_>, id: &Digest) -> (ValidationCode, String) {
    match status(stage, id) {
        ProposalStatus::Failed { code, why, .. } => (code, why),
        other => panic!("{other:?}"),
    }
}

fn empty(stage: &mut Stage<'_>) {
    assert!(stage.block(Vec::new()).is_empty());
}

fn is_preparing(stage: &Stage<'_>) -> bool {
    let bytes = stage.peers[1].state(&StateKey::preparations());
    bytes.is_some_and(|bytes| !Preparations::decode(&bytes).unwrap().queue.is_empty())
}

/// What the contract has under keys from `start` on.
fn kept(stage: &Stage<'_>, range: &str) -> String {
    stage.peers[1].query(NAME, "any", range).unwrap()
}

fn own(stage: &Stage<'_>) -> usize {
    kept(stage, "2.0.0/ 2.0.00").lines().count()
}

fn version(stage: &Stage<'_>) -> String {
    stage.peers[0].config().chaincode(NAME).unwrap().version.clone()
}

/// A new peer executes everything, and comes to the same state; so does one that is restarted before each block.
fn assert_replays(stage: &Stage<'_>) {
    for restarts in [false, true] {
        let mut peer = Peer::new(stage.members);
        let mut root = None;
        for proposal in &stage.proposals {
            if restarts {
                peer.restart();
            }
            root = Some(peer.apply(proposal).header.state_root);
        }
        let tip = stage.peers[0].store.tip().unwrap().header;
        assert_eq!(root, Some(tip.state_root));
        assert_eq!(*peer.config(), *stage.peers[0].config());
    }
}

/// Whether an empty proposal would become a block.
fn may_be_empty(stage: &Stage<'_>) -> bool {
    let peer = &stage.peers[0];
    let proposal = stage.orderer.propose(peer, Vec::new());
    let tip = peer.store.tip().unwrap();
    let tip = ChainTip {
        height: tip.height,
        proposal: tip.proposal_digest,
        time_nano: tip.header.time_nano,
        preparing: e2l_execution::is_preparing(&peer.store.view()).unwrap(),
    };
    match check_chain(&proposal, &tip) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error, VoidProposal::Empty);
            false
        }
    }
}

#[test]
fn a_version_is_prepared_step_by_step_while_the_one_before_goes_on() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        assert!(!may_be_empty(&stage));
        let id = begun(&mut stage, &["prepare=4"]);
        let since = stage.height();
        assert_eq!(status(&stage, &id), ProposalStatus::Preparing { since, steps: 1 });
        assert_eq!(
            stage.record(&id).status_at(since),
            format!("preparing since height {since}, 1 steps done")
        );
        assert!(may_be_empty(&stage));
        empty(&mut stage);
        // The version before takes calls, and nobody can decide any more.
        tell(&mut stage, &["counted=1"]);
        assert_eq!(version(&stage), "1.0.0");
        let again = stage.call(&members.others[0], approve(id));
        assert_eq!(again.0, ValidationCode::ProposalClosed);
        // The step of that block was the last.
        let from_height = stage.height() + 1;
        assert_eq!(status(&stage, &id), ProposalStatus::Active { from_height });
        assert_eq!(version(&stage), "2.0.0");
        let expected = (1..=4)
            .map(|step| format!("2.0.0/{step:05}=1.0.0\n"))
            .collect::<String>();
        assert_eq!(kept(&stage, "2.0.0/ 2.0.00"), expected);
        assert!(
            kept(&stage, "c ").contains("counted=1\nmigrated=1.0.0\n"),
            "and then migrated"
        );
        assert!(!is_preparing(&stage) && !may_be_empty(&stage));
        tell(&mut stage, &["counted=2"]);
        assert_replays(&stage);
    });
}

#[test]
fn a_preparation_that_fails_in_step_3_is_undone() {
    deep(|| {
        for (order, expected, said) in [
            ("refuse 3", ValidationCode::ContractRejected, "step 3 refuses"),
            (
                "trap 3",
                ValidationCode::Trapped,
                "the preparation of chaincode `upgrades`",
            ),
            ("burn 3", ValidationCode::OutOfFuel, "fuel"),
            (
                "steal 3",
                ValidationCode::IllegalAccess,
                "only keys that begin with `2.0.0/`",
            ),
            (
                "append 3",
                ValidationCode::IllegalAccess,
                "may not append to logs",
            ),
        ] {
            let members = Members::new(Limits::default());
            let mut stage = Stage::new(&members);
            let id = begun(&mut stage, &["counted=1", &format!("prepare={order}")]);
            let before = kept(&stage, "3 ");
            empty(&mut stage);
            assert_eq!(own(&stage), 2);
            empty(&mut stage);
            let (code, why) = code(&stage, &id);
            assert_eq!(code, expected, "{order}: {why}");
            assert!(why.contains(said), "{order}: {why}");
            assert!(
                is_preparing(&stage) && may_be_empty(&stage),
                "it is still to be undone"
            );
            empty(&mut stage);
            assert_eq!(own(&stage), 0, "{order}");
            assert!(!is_preparing(&stage));
            assert_eq!((version(&stage).as_str(), kept(&stage, "3 ")), ("1.0.0", before));
            assert_replays(&stage);
            // The same version can be tried again.
            tell(&mut stage, &["prepare=1"]);
            let id = propose(&mut stage, [version_2(NAME)]);
            stage.approved(id);
            assert_eq!(version(&stage), "2.0.0");
        }
    });
}

#[test]
fn a_preparation_has_only_so_many_steps() {
    deep(|| {
        let members = Members::new(Limits {
            preparation_steps: 3,
            ..Limits::default()
        });
        let mut stage = Stage::new(&members);
        let id = begun(&mut stage, &["prepare=5"]);
        for _ in 0..3 {
            empty(&mut stage);
        }
        let (code, why) = code(&stage, &id);
        assert_eq!(code, ValidationCode::OutOfFuel);
        assert!(why.contains("not done after 3 steps"), "{why}");
        empty(&mut stage);
        assert!(own(&stage) == 0 && !is_preparing(&stage));
    });
}

#[test]
fn what_an_earlier_attempt_left_is_removed_first_some_keys_per_block() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let left: Vec<String> = (0..600).map(|number| format!("2.0.0/{number:04}=left")).collect();
        for part in left.chunks(300) {
            tell(&mut stage, &part.iter().map(String::as_str).collect::<Vec<_>>());
        }
        tell(&mut stage, &["2.0.00=other", "2.0.=other"]);
        let id = begun(&mut stage, &["prepare=1"]);
        for expected in [600 - 256, 600 - 512, 0] {
            assert_eq!(own(&stage), expected);
            assert!(matches!(
                status(&stage, &id),
                ProposalStatus::Preparing { steps: 0, .. }
            ));
            empty(&mut stage);
        }
        assert_eq!(
            kept(&stage, "2.0. 2.0.1"),
            "2.0.=other\n2.0.0/00001=1.0.0\n2.0.00=other\n"
        );
        assert_eq!(version(&stage), "2.0.0");
        assert_replays(&stage);
    });
}

#[test]
fn a_preparation_is_superseded_by_what_becomes_active_meanwhile() {
    deep(|| {
        // The second is called as the version that is being prepared: keys under its name are its own then.
        for (other, kept) in [("3.0.0", false), ("2.0.0", true)] {
            let members = Members::new(Limits::default());
            let mut stage = Stage::new(&members);
            tell(&mut stage, &["prepare=50"]);
            // It does not prepare itself, and comes into force at once.
            let replacing = propose(&mut stage, [deploy(NAME, other, &component("hostile"))]);
            let id = propose(&mut stage, [version_2(NAME)]);
            stage.approved(id);
            stage.approved(replacing);
            let from_height = stage.height() + 1;
            assert_eq!(status(&stage, &replacing), ProposalStatus::Active { from_height });
            assert_eq!(code(&stage, &id).0, ValidationCode::ProposalSuperseded);
            empty(&mut stage);
            assert!(!is_preparing(&stage));
            let (start, end) = (StateKey::value(NAME, b"2.0.0/"), StateKey::value(NAME, b"2.0.00"));
            let left = stage.peers[0].store.view().scan(&start, &end, 100).unwrap();
            assert_eq!(!left.is_empty(), kept, "{} keys", left.len());
            assert_replays(&stage);
        }
    });
}

#[test]
fn preparations_wait_for_each_other() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        tell(&mut stage, &["prepare=5"]);
        let first = propose(&mut stage, [version_2(NAME)]);
        let rival = propose(&mut stage, [deploy(NAME, "2.1.0", &component(NAME))]);
        let second = propose(&mut stage, [version_2("second"), version_2("third")]);
        for id in [first, rival, second] {
            stage.approved(id);
        }
        // Six blocks of approvals, the first step at the end of the second.
        let from_height = stage.height() + 1;
        assert_eq!(status(&stage, &first), ProposalStatus::Active { from_height });
        assert!(matches!(
            status(&stage, &rival),
            ProposalStatus::Preparing { steps: 0, .. }
        ));
        empty(&mut stage);
        assert_eq!(code(&stage, &rival).0, ValidationCode::ProposalSuperseded);
        assert_eq!(own(&stage), 5, "what is active keeps its keys");
        empty(&mut stage);
        assert!(matches!(
            status(&stage, &second),
            ProposalStatus::Preparing { steps: 0, .. }
        ));
        empty(&mut stage);
        assert!(
            matches!(status(&stage, &second), ProposalStatus::Active { .. }),
            "both at once"
        );
        for name in ["second", "third"] {
            assert_eq!(
                stage.peers[0].query(name, "any", "2 3").unwrap(),
                "2.0.0/00001=\n"
            );
        }
        assert!(!is_preparing(&stage));
        assert_replays(&stage);
    });
}

#[test]
fn a_contract_that_is_prepared_sooner_is_called_until_all_are() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        tell(&mut stage, &["prepare=3"]);
        let id = propose(&mut stage, [version_2("second"), version_2(NAME)]);
        stage.approved(id);
        empty(&mut stage);
        let steps = |stage: &Stage<'_>| match status(stage, &id) {
            ProposalStatus::Preparing { steps, .. } => steps,
            other => panic!("{other:?}"),
        };
        assert_eq!(steps(&stage), 4);
        empty(&mut stage);
        assert!(matches!(status(&stage, &id), ProposalStatus::Active { .. }));
        assert_eq!(own(&stage), 3);
        let sooner = stage.peers[0].query("second", "any", "2 3").unwrap();
        assert_eq!(
            sooner.lines().count(),
            3,
            "what came since its first time is prepared too"
        );
        assert_replays(&stage);
    });
}

#[test]
fn a_version_that_is_prepared_has_a_name_of_its_own() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        for (version, said) in [("counted", "begins with a digit"), ("2/0", "no slash")] {
            let id = propose(&mut stage, [deploy(NAME, version, &component(NAME))]);
            stage.approved(id);
            let (code, why) = code(&stage, &id);
            assert_eq!(code, ValidationCode::BadConfiguration);
            assert!(why.contains(said), "{why}");
        }
        // Another component under the name of the active version.
        let id = propose(&mut stage, [deploy("hostile", "1.0.0", &component(NAME))]);
        stage.approved(id);
        let (code, why) = code(&stage, &id);
        assert_eq!(code, ValidationCode::BadConfiguration);
        assert!(why.contains("give it a version of its own"), "{why}");
        assert!(!is_preparing(&stage));
    });
}

#[test]
fn a_migration_that_fails_after_the_preparation_undoes_both() {
    deep(|| {
        for (order, expected) in [
            ("refuse", ValidationCode::ContractRejected),
            ("trap", ValidationCode::Trapped),
            ("append", ValidationCode::IllegalAccess),
        ] {
            let members = Members::new(Limits::default());
            let mut stage = Stage::new(&members);
            let id = begun(&mut stage, &["prepare=2", &format!("migrate={order}")]);
            empty(&mut stage);
            let (code, why) = code(&stage, &id);
            assert_eq!(code, expected, "{why}");
            assert!(why.contains("the migration of chaincode"), "{why}");
            empty(&mut stage);
            assert!(own(&stage) == 0 && !is_preparing(&stage));
            assert!(!kept(&stage, "m ").contains("migrated"));
            assert_eq!(version(&stage), "1.0.0");
            assert_replays(&stage);
        }
    });
}

#[test]
fn an_approval_that_comes_with_changes_of_limits_is_judged_when_it_comes_into_force() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        let lower = Limits {
            preparation_steps: 9,
            ..Limits::default()
        };
        tell(&mut stage, &["prepare=3"]);
        let id = propose(&mut stage, [Change::Limits(lower.clone()), version_2(NAME)]);
        let rival = propose(&mut stage, [Change::Limits(lower)]);
        stage.approved(id);
        stage.approved(rival);
        assert_eq!(code(&stage, &id).0, ValidationCode::ProposalSuperseded);
        empty(&mut stage);
        assert!(own(&stage) == 0 && version(&stage) == "1.0.0");
    });
}

/// The contract that exports `migrate` and no `prepare`.
fn migrates() -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contracts/migrates");
    let built = build_once(&source, Path::new(env!("CARGO_TARGET_TMPDIR")));
    built.unwrap_or_else(|error| panic!("{error}")).component
}

/// A version that only migrates is proposed and approved; returns the proposal.
fn replaced_by_one_that_migrates(stage: &mut Stage<'_>) -> Digest {
    let bytes = migrates();
    let proposal = stage.proposal([deploy(NAME, "2.0.0", &bytes)], 50);
    assert_eq!(stage.propose(&proposal, vec![bytes]).0, ValidationCode::Valid);
    stage.approved(proposal.id());
    proposal.id()
}

#[test]
fn a_version_that_only_migrates_is_active_at_once_with_all_that_it_has_written() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut stage = Stage::new(&members);
        tell(&mut stage, &["counted=1", "migrate=ok"]);
        let id = replaced_by_one_that_migrates(&mut stage);
        let from_height = stage.height() + 1;
        assert_eq!(status(&stage, &id), ProposalStatus::Active { from_height });
        assert!(!is_preparing(&stage) && !may_be_empty(&stage));
        assert_eq!(version(&stage), "2.0.0");
        for (key, expected) in [("migrated", "1.0.0"), ("counted", "1")] {
            assert_eq!(stage.peers[1].query(NAME, "any", key).unwrap(), expected);
        }
        let batch = stage.orderer.batch(vec![call(NAME, "any", b"")]);
        assert_eq!(
            stage.block(vec![batch]),
            [(ValidationCode::Valid, "1.0.0".to_owned())]
        );
        assert_replays(&stage);
    });
}

#[test]
fn a_migration_that_fails_without_a_preparation_leaves_the_old_version_active() {
    deep(|| {
        for (order, expected, said) in [
            (
                "refuse",
                ValidationCode::ContractRejected,
                "the migration refuses",
            ),
            ("trap", ValidationCode::Trapped, ""),
        ] {
            let members = Members::new(Limits::default());
            let mut stage = Stage::new(&members);
            tell(&mut stage, &[format!("migrate={order}").as_str()]);
            let before = stage.peers[0].config().clone();
            let id = replaced_by_one_that_migrates(&mut stage);
            let (code, why) = code(&stage, &id);
            assert_eq!(code, expected, "{why}");
            let beginning = format!("the migration of chaincode `{NAME}`: {said}");
            assert!(why.starts_with(&beginning), "{why}");
            assert!(!is_preparing(&stage) && !may_be_empty(&stage));
            assert_eq!(*stage.peers[0].config(), before);
            assert_eq!(
                kept(&stage, "m n"),
                format!("migrate={order}\n"),
                "nothing that it wrote is left"
            );
            // The old version goes on.
            tell(&mut stage, &["counted=1"]);
            assert_eq!(kept(&stage, "c d"), "counted=1\n");
            assert_replays(&stage);
        }
    });
}
