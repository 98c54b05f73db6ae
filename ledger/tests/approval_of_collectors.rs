//! A collector takes a component only from all whose approval the policy asks for: what a majority of the peers says of their
//! votes is not enough.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_ledger::governance::{
    Change, Decision, GOVERNANCE, GovernanceProposal, GovernanceVote, ProposalRecord, ProposalStatus,
    ProposedChange, Proposing, function,
};
use e2l_ledger::proof::{Anchor, CollectorApproval, ConfigChange};
use e2l_ledger::*;
use std::collections::BTreeMap;
use support::{Identity, Ledger};

const ACTORS: [&str; 3] = ["developer", "provider", "user"];
const COMPONENT: Digest = Digest([7; 32]);

/// What is on a ledger whose peers have all put a component in force, and how.
struct Scene {
    ledger: Ledger,
    anchor: Anchor,
    proposal: GovernanceProposal,
    /// Heights of the votes, by actor.
    voted: BTreeMap<&'static str, u64>,
}

/// Who says what in a request of which function.
#[derive(Clone, Copy)]
struct Said {
    actor: &'static str,
    role: Role,
    function: &'static str,
    about: Digest,
    code: ValidationCode,
}

impl Scene {
    /// The developer proposes at height 1; `said` follow, one block each; the last of them puts the component in force.
    fn new(said: impl FnOnce(Digest) -> Vec<Said>) -> Self {
        let mut ledger = Ledger::new();
        let genesis = ledger.members.genesis.genesis.config.clone();
        let proposal = proposal(&genesis, COMPONENT);
        let mut next = genesis.clone();
        for change in &proposal.changes {
            change.change.apply(&mut next).unwrap();
        }
        let id = proposal.id();
        let said = said(id);
        let last = said.len() as u64 + 1;
        let mut voted = BTreeMap::from([("developer", 1)]);
        let proposing = Proposing {
            proposal: proposal.clone(),
            components: Vec::new(),
        };
        let admin = |ledger: &Ledger, actor, role| ledger.members.one(actor, role, "admin");
        let developer = admin(&ledger, "developer", Role::Admin);
        let request = request(&ledger, function::PROPOSE, proposing.encode(), &developer);
        let valid = ValidationCode::Valid;
        ledger.add_governed(vec![(request, valid)], Vec::new(), genesis.clone());
        for (said, height) in said.into_iter().zip(2..) {
            let sender = admin(&ledger, said.actor, said.role);
            let argument = Decision { proposal: said.about }.encode();
            let request = self::request(&ledger, said.function, argument, &sender);
            voted.insert(said.actor, height);
            // What the peers say of it, whatever was said.
            let (values, config) = match height == last {
                true => (vec![record(&ledger, &proposal, height + 1)], next.clone()),
                false => (Vec::new(), genesis.clone()),
            };
            ledger.add_governed(vec![(request, said.code)], values, config);
        }
        let scene = Self {
            anchor: Anchor::new(&ledger.members.genesis).unwrap(),
            ledger,
            proposal,
            voted,
        };
        scene.learn(next);
        scene
    }

    /// The newest block has changed the configuration.
    fn learn(&self, config: NetworkConfig) {
        let height = self.ledger.blocks.len() as u64;
        let finality = self.ledger.finality(height, &peers(&self.ledger).each_ref());
        self.anchor.learn(&ConfigChange { config, finality }).unwrap();
    }

    /// What a majority of the peers puts in force by itself.
    fn usurp(&mut self, values: Vec<(StateKey, Vec<u8>)>, config: &NetworkConfig) {
        self.ledger.add_governed(Vec::new(), values, config.clone());
        self.learn(config.clone());
    }

    /// Everyone approves.
    fn approved() -> Self {
        Self::new(|id| vec![approves("provider", id), approves("user", id)])
    }

    /// The proof that a peer would give, with the approvals of these actors.
    fn proof(&self, actors: &[&str]) -> CollectorApproval {
        let peers = peers(&self.ledger);
        let receipt = |actor: &&str| {
            let sender = self.ledger.members.one(actor, Role::Admin, "admin");
            self.ledger
                .receipt(self.voted[*actor], &sender, &peers.each_ref())
        };
        CollectorApproval {
            record: self
                .ledger
                .value(&StateKey::proposal(&self.proposal.id()), &peers.each_ref()),
            approvals: actors.iter().map(receipt).collect(),
        }
    }

    fn refusal(&self, proof: &CollectorApproval) -> String {
        let proof = CollectorApproval::decode(&proof.encode()).unwrap();
        proof.verify(&self.anchor).unwrap_err().to_string()
    }
}

fn proposal(config: &NetworkConfig, component: Digest) -> GovernanceProposal {
    let change = Change::Chaincode(ChaincodeDefinition {
        name: COLLECTOR.to_owned(),
        version: "1".to_owned(),
        digest: component,
    });
    GovernanceProposal {
        changes: vec![ProposedChange::of(config, change)],
        expires_at: 100,
        note: String::new(),
    }
}

fn peers(ledger: &Ledger) -> [Identity; 3] {
    ACTORS.map(|actor| ledger.members.peer(actor))
}

fn approves(actor: &'static str, about: Digest) -> Said {
    Said {
        actor,
        role: Role::Admin,
        function: function::APPROVE,
        about,
        code: ValidationCode::Valid,
    }
}

fn request(ledger: &Ledger, function: &str, argument: Vec<u8>, sender: &Identity) -> SignedRequest {
    let call = Call {
        chaincode: GOVERNANCE.to_owned(),
        function: function.to_owned(),
        argument,
    };
    SignedRequest::sign(ledger.members.network(), [3; 16], 100, call, sender)
}

/// The record of a proposal that all have approved.
fn record(ledger: &Ledger, proposal: &GovernanceProposal, from_height: u64) -> (StateKey, Vec<u8>) {
    let vote = |actor: &str| GovernanceVote {
        member: ledger
            .members
            .one(actor, Role::Admin, "admin")
            .certificate()
            .member()
            .clone(),
        transaction: Digest::ZERO,
        height: 1,
        approves: true,
    };
    let record = ProposalRecord {
        proposer: vote("developer").member,
        votes: ACTORS.map(|actor| (actor.to_owned(), vote(actor))).into(),
        outcome: ProposalStatus::Active { from_height },
        proposal: proposal.clone(),
    };
    (StateKey::proposal(&proposal.id()), record.encode())
}

#[test]
fn what_all_have_approved_is_proven() {
    let scene = Scene::approved();
    scene.proof(&ACTORS).verify(&scene.anchor).unwrap();
    // Before the change was learned there is nothing to prove.
    let genesis = Anchor::new(&scene.ledger.members.genesis).unwrap();
    scene.proof(&[]).verify(&genesis).unwrap();
}

#[test]
fn an_approval_that_is_not_shown_does_not_count_however_many_peers_say_so() {
    let scene = Scene::approved();
    for shown in [
        &["developer", "provider"][..],
        &["user"],
        &[],
        &["user", "user", "provider"],
    ] {
        let why = scene.refusal(&scene.proof(shown));
        assert!(why.contains("do not meet the policy"), "{shown:?}: {why}");
    }
}

#[test]
fn what_was_said_of_something_else_or_by_somebody_else_is_no_approval() {
    let other = Digest([9; 32]);
    for (what, said) in [
        ("another proposal", approves("user", other)),
        (
            "a rejection",
            Said {
                function: function::REJECT,
                ..approves("user", COMPONENT)
            },
        ),
        (
            "another function",
            Said {
                function: function::READY,
                ..approves("user", COMPONENT)
            },
        ),
        (
            "an approval that was refused",
            Said {
                code: ValidationCode::AlreadyDecided,
                ..approves("user", COMPONENT)
            },
        ),
    ] {
        let scene = Scene::new(|id| {
            let about = if said.about == other { other } else { id };
            vec![approves("provider", id), Said { about, ..said }]
        });
        let why = scene.refusal(&scene.proof(&ACTORS));
        assert!(why.contains("do not meet the policy"), "{what}: {why}");
    }
    // A client's word is none, though the peers have let it pass.
    let scene = Scene::new(|id| {
        let client = Said {
            role: Role::Client,
            ..approves("user", id)
        };
        vec![approves("provider", id), client]
    });
    let mut proof = scene.proof(&["developer", "provider"]);
    let client = scene.ledger.members.one("user", Role::Client, "admin");
    let peers = peers(&scene.ledger);
    proof
        .approvals
        .push(scene.ledger.receipt(3, &client, &peers.each_ref()));
    let why = scene.refusal(&proof);
    assert!(why.contains("do not meet the policy"), "{why}");
}

#[test]
fn a_signature_that_no_admin_has_given_is_refused() {
    // The peers have ordered and endorsed both: one of an authority that only looks like the actor's, and the admin's own
    // certificate with a signature that is not its key's.
    let ledger = Ledger::new();
    let impostor = ledger.members.impostor("user", Role::Admin, "admin");
    let admin = ledger.members.one("user", Role::Admin, "admin");
    for (sender, flip, expected) in [
        (impostor, 0, "vouches for user/admin/admin"),
        (admin, 1, "signature"),
    ] {
        let mut ledger = Ledger::new();
        let config = ledger.members.genesis.genesis.config.clone();
        let argument = Decision { proposal: COMPONENT }.encode();
        let mut request = request(&ledger, function::APPROVE, argument, &sender);
        request.signature.bytes[5] ^= flip;
        ledger.add_governed(vec![(request, ValidationCode::Valid)], Vec::new(), config);
        let forged = ledger.receipt(1, &sender, &peers(&ledger).each_ref());
        let anchor = Anchor::new(&ledger.members.genesis).unwrap();
        let why = forged.verify(&anchor).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
        assert!(!why.contains("not included"), "{why}");
    }
}

#[test]
fn what_was_approved_once_is_not_brought_back_by_the_same_approvals() {
    let mut scene = Scene::approved();
    let none = scene.ledger.members.genesis.genesis.config.clone();
    let first = (*scene.anchor.newest()).clone();
    let mut other = none.clone();
    proposal(&none, Digest([8; 32])).changes[0]
        .change
        .apply(&mut other)
        .unwrap();
    // As it was when it was approved: nothing was in force before.
    scene.usurp(Vec::new(), &none);
    let again = record(&scene.ledger, &scene.proposal, 6);
    scene.usurp(vec![again], &first);
    let why = scene.refusal(&scene.proof(&ACTORS));
    assert!(why.contains("later than its last approval"), "{why}");
    // In the place of something that it was not made to replace.
    scene.usurp(Vec::new(), &other);
    let again = record(&scene.ledger, &scene.proposal, 8);
    scene.usurp(vec![again], &first);
    let why = scene.refusal(&scene.proof(&ACTORS));
    assert!(why.contains("not the one that brought what is in force"), "{why}");
}

#[test]
fn a_proposal_that_is_not_the_one_in_force_since_then_proves_nothing() {
    let config = Ledger::new().members.genesis.genesis.config;
    for outcome in [
        ProposalStatus::Open,
        ProposalStatus::Active { from_height: 3 },
        ProposalStatus::Active { from_height: 5 },
    ] {
        let mut scene = Scene::approved();
        let (key, value) = record(&scene.ledger, &scene.proposal, 4);
        let mut told = ProposalRecord::decode(&value).unwrap();
        told.outcome = outcome;
        let newest = (*scene.anchor.newest()).clone();
        assert_ne!(newest, config);
        scene
            .ledger
            .add_governed(Vec::new(), vec![(key, told.encode())], newest);
        let why = scene.refusal(&scene.proof(&ACTORS));
        assert!(why.contains("not the one that brought what is in force"), "{why}");
    }
}

#[test]
fn the_record_of_another_proposal_proves_nothing() {
    let scene = Scene::approved();
    let peers = peers(&scene.ledger);
    let elsewhere = StateKey::proposal(&Digest([1; 32]));
    let mut proof = scene.proof(&ACTORS);
    proof.record = scene.ledger.value(&elsewhere, &peers.each_ref());
    let why = scene.refusal(&proof);
    assert!(why.contains("it shows no proposal"), "{why}");

    // A true record of a proposal that brings another component.
    let mut ledger = scene.ledger;
    let config = ledger.members.genesis.genesis.config.clone();
    let other = self::proposal(&config, Digest([8; 32]));
    let newest = scene.anchor.newest();
    let value = record(&ledger, &other, 4);
    ledger.add_governed(Vec::new(), vec![value], (*newest).clone());
    proof.record = ledger.value(&StateKey::proposal(&other.id()), &peers.each_ref());
    let why = proof.verify(&scene.anchor).unwrap_err().to_string();
    assert!(why.contains("not the one that brought what is in force"), "{why}");

    // Of the right proposal, under a key that is not its own.
    let (_, right) = record(&ledger, &scene.proposal, 4);
    ledger.add_governed(Vec::new(), vec![(elsewhere.clone(), right)], (*newest).clone());
    proof.record = ledger.value(&elsewhere, &peers.each_ref());
    let why = proof.verify(&scene.anchor).unwrap_err().to_string();
    assert!(why.contains("not under the proposal's id"), "{why}");
}
