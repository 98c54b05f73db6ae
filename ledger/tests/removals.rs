//! How many must agree that an actor leaves, and what is one actor's own business.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_ledger::governance::{
    Change, GovernanceProposal, GovernanceVote, NewActor, ProposalRecord, ProposalStatus, ProposedChange,
    Verdict,
};
use e2l_ledger::{Digest, Member, NetworkConfig, PeerPlace, Policy, Role, Suffrage};
use support::Members;

fn config(lifecycle: Policy) -> NetworkConfig {
    let mut config = Members::new().genesis.genesis.config;
    config.lifecycle = lifecycle;
    config
}

fn proposed(config: &NetworkConfig, changes: &[Change]) -> ProposalRecord {
    let changes = changes
        .iter()
        .map(|change| ProposedChange::of(config, change.clone()));
    ProposalRecord {
        proposal: GovernanceProposal {
            changes: changes.collect(),
            expires_at: 100,
            note: String::new(),
        },
        proposer: admin("developer"),
        votes: Default::default(),
        outcome: ProposalStatus::Open,
    }
}

fn admin(actor: &str) -> Member {
    Member {
        actor: actor.to_owned(),
        role: Role::Admin,
        name: "admin".to_owned(),
    }
}

/// The verdict after these actors have decided.
fn verdict(config: &NetworkConfig, changes: &[Change], votes: &[(&str, bool)]) -> Verdict {
    let mut record = proposed(config, changes);
    for (actor, approves) in votes {
        let vote = GovernanceVote {
            member: admin(actor),
            transaction: Digest::ZERO,
            height: 1,
            approves: *approves,
        };
        record.vote(vote, config).unwrap();
    }
    record.verdict(config)
}

fn remove(actor: &str) -> Change {
    Change::RemoveActor(actor.to_owned())
}

fn replace(actor: &str) -> Change {
    Change::ReplacePeer {
        actor: actor.to_owned(),
        peer: PeerPlace {
            name: "peer-2".to_owned(),
            address: "127.0.0.1:9".to_owned(),
        },
    }
}

#[test]
fn an_actor_cannot_hold_up_its_own_removal() {
    let all = config(Policy::All);
    let out = [remove("user")];
    assert_eq!(verdict(&all, &out, &[("developer", true)]), Verdict::Undecided);
    let others = [("developer", true), ("provider", true)];
    assert_eq!(verdict(&all, &out, &others), Verdict::Approved);
    let against = [("developer", true), ("user", false)];
    assert_eq!(
        verdict(&all, &out, &against),
        Verdict::Undecided,
        "the provider decides"
    );
    let one_of_others = [("developer", true), ("provider", false)];
    assert_eq!(verdict(&all, &out, &one_of_others), Verdict::Rejected);
    let with_its_own = [("developer", true), ("user", true)];
    assert_eq!(
        verdict(&all, &out, &with_its_own),
        Verdict::Undecided,
        "all others must agree"
    );
}

#[test]
fn fewer_than_a_majority_of_all_throw_nobody_out() {
    let mut two = config(Policy::All);
    two.actors.retain(|actor| actor.name != "user");
    let out = [remove("provider")];
    assert_eq!(verdict(&two, &out, &[("developer", true)]), Verdict::Undecided);
    let agreed = [("developer", true), ("provider", true)];
    assert_eq!(verdict(&two, &out, &agreed), Verdict::Approved);
    let three = config(Policy::All);
    let both = [remove("provider"), remove("user")];
    assert_eq!(verdict(&three, &both, &[("developer", true)]), Verdict::Undecided);
    let lax = config(Policy::AtLeast(1));
    assert_eq!(
        verdict(&lax, &[remove("user")], &[("developer", true)]),
        Verdict::Undecided
    );
    // A policy that wants more than there are without the one that leaves wants all of those.
    let strict = config(Policy::AtLeast(3));
    let others = [("developer", true), ("provider", true)];
    assert_eq!(verdict(&strict, &[remove("user")], &others), Verdict::Approved);
}

#[test]
fn an_actor_alone_decides_about_its_own_peer_and_about_nothing_else() {
    let all = config(Policy::All);
    let own = [("developer", true)];
    assert_eq!(verdict(&all, &[replace("developer")], &own), Verdict::Approved);
    assert_eq!(verdict(&all, &[replace("user")], &own), Verdict::Undecided);
    let two = [replace("developer"), replace("user")];
    assert_eq!(verdict(&all, &two, &own), Verdict::Undecided);
    let more = [replace("developer"), remove("user")];
    assert_eq!(verdict(&all, &more, &own), Verdict::Undecided);
}

#[test]
fn a_raft_id_is_given_once() {
    let mut config = config(Policy::All);
    let next = config.next_raft_id;
    replace("developer").apply(&mut config).unwrap();
    remove("user").apply(&mut config).unwrap();
    let newcomer = NewActor {
        name: "auditor".to_owned(),
        authorities: vec![vec![1]],
        peer: Some(PeerPlace {
            name: "peer".to_owned(),
            address: "127.0.0.1:8".to_owned(),
        }),
        votes: true,
    };
    Change::AddActor(newcomer.clone()).apply(&mut config).unwrap();
    config.check().unwrap();
    let id = |actor: &str| config.actor(actor).unwrap().peer.as_ref().unwrap().raft_id;
    assert_eq!((id("developer"), id("auditor")), (next, next + 1));
    assert_eq!(config.next_raft_id, next + 2);
    assert_eq!(config.actor("auditor").unwrap().suffrage, Suffrage::Staging);
    assert_eq!(
        config.voters().count(),
        2,
        "it does not vote before its peer is ready"
    );
    let again = Change::AddActor(newcomer).apply(&mut config);
    assert!(again.unwrap_err().to_string().contains("stands twice"));
}
