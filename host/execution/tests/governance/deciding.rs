//! Who decides, how often, and until when.

use super::decide;
use crate::common::deep;
use crate::common::members::{Members, OTHERS};
use crate::common::stage::{Stage, approve, governance, limits, reject};
use e2l_ledger::governance::{Change, ProposalStatus, Proposing, function};
use e2l_ledger::{Canonical, Limits, Signer, ValidationCode};

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
