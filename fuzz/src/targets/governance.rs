//! What members decide on: proposals, and the packages that they approve.

use crate::borrowed::package::{Described, Package};
use crate::truth::truth;
use e2l_ledger::governance::{Change, GovernanceProposal, ProposalRecord, ProposedChange, Verdict};
use e2l_ledger::{Canonical, NetworkConfig};

/// What is proposed, or after a first byte of 1 what became of it. What can be made gives a usable configuration, another one,
/// and can be made once; nothing is approved by fewer than the policy demands.
pub fn governance(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let config = &truth().config;
    if *kind == 1 {
        let Ok(record) = ProposalRecord::decode(bytes) else {
            return;
        };
        let said = |approves: bool| {
            let of = |actor: &str| {
                record
                    .votes
                    .get(actor)
                    .is_some_and(|vote| vote.approves == approves)
            };
            config.voters().filter(|(actor, _)| of(&actor.name)).count()
        };
        let (voters, required) = (
            config.voters().count(),
            config.lifecycle.required(config.voters().count()),
        );
        let expected = match (said(true) >= required, voters - said(false) < required) {
            (true, _) => Verdict::Approved,
            (false, true) => Verdict::Rejected,
            (false, false) => Verdict::Undecided,
        };
        // A removal and an actor's own peer have rules of their own (`ledger/tests/removals.rs`); nothing is approved by none.
        let verdict = record.verdict(config);
        let has_own_rules = |change: &ProposedChange| {
            matches!(
                change.change,
                Change::RemoveActor(_) | Change::ReplacePeer { .. } | Change::MovePeer { .. }
            )
        };
        if record.proposal.changes.iter().any(has_own_rules) {
            assert!(
                verdict != Verdict::Approved || said(true) > 0,
                "approved by nobody"
            );
            return;
        }
        assert!(verdict == expected, "a verdict that was not voted for");
        return;
    }
    let Ok(proposal) = GovernanceProposal::decode(bytes) else {
        return;
    };
    if let Ok(changed) = proposal.apply(config) {
        assert!(changed.check().is_ok(), "a configuration that is not usable");
        assert!(changed.root() != config.root(), "a change of nothing");
        assert!(NetworkConfig::decode(&changed.encode()).as_ref() == Ok(&changed));
        // Each change sets something: a second time there is nothing left to change.
        assert!(
            proposal.apply(&changed).is_err(),
            "a proposal that can be made twice"
        );
        let name = e2l_ledger::governance::GOVERNANCE;
        assert!(
            changed.chaincode(name).is_none(),
            "a contract in the governance's place"
        );
    }
}

/// Packages, which approvers read: what is read has one form, holds the component that it names, and leads nowhere else.
pub fn package(bytes: &[u8]) {
    let Ok(package) = Package::decode(bytes) else {
        return;
    };
    assert!(
        package.encode().expect("what was read can be written") == bytes,
        "two packages of one content"
    );
    let digest = e2l_ledger::Domain::Chaincode.hash(&package.component);
    assert!(package.manifest.digest == digest, "another component");
    for path in package.source.files().keys() {
        let parts = std::path::Path::new(path).components();
        let inside = parts
            .into_iter()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        assert!(inside, "{path} leads out of the source");
    }
    let manifest = &package.manifest;
    assert!(manifest.describes(&Described {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        functions: manifest.functions.clone(),
    }));
}
