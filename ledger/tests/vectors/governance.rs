//! Vectors of proposals to change the network: their encodings, and what becomes of a configuration.

use e2l_ledger::governance::{
    CannotApply, Change, Decision, GovernanceProposal, GovernanceVote, NewActor, Preparation,
    PreparationPhase, Preparations, ProposalIndex, ProposalRecord, ProposalStatus, ProposedChange, Proposing,
};
use e2l_ledger::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A component in name only: what is one is for peers to say.
const COMPONENT: &[u8] = b"another component";

/// The configuration, with a second actor that has no vote.
fn with_an_observer(config: &NetworkConfig) -> NetworkConfig {
    let mut config = config.clone();
    config.actors.push(ActorConfig {
        name: "user".into(),
        authorities: vec![vec![8; 40]],
        peer: Some(PeerConfig {
            name: "peer".into(),
            raft_id: config.next_raft_id,
            address: "127.0.0.1:7052".into(),
        }),
        suffrage: Suffrage::Nonvoter,
    });
    config.next_raft_id += 1;
    config
}

/// A change of every kind.
fn changes(config: &NetworkConfig) -> Vec<Change> {
    let limits = Limits {
        block_max_transactions: 400,
        ..config.limits.clone()
    };
    let mut authorities = config.actors[0].authorities.clone();
    authorities.push(vec![7; 40]);
    vec![
        Change::Chaincode(ChaincodeDefinition {
            name: "another".into(),
            version: "2".into(),
            digest: Domain::Chaincode.hash(COMPONENT),
        }),
        Change::RemoveChaincode("eventdb".into()),
        Change::Limits(limits),
        Change::Revoke(BTreeSet::from([Digest([1; 32]), Digest([10; 32])])),
        Change::Authorities {
            actor: "provider".into(),
            authorities,
        },
        Change::AddActor(NewActor {
            name: "auditor".into(),
            authorities: vec![vec![6; 40]],
            peer: Some(place("peer", "127.0.0.1:7053")),
            votes: true,
        }),
        Change::Vote {
            actor: "user".into(),
            votes: true,
        },
        Change::MovePeer {
            actor: "user".into(),
            address: "127.0.0.1:7060".into(),
        },
        Change::ReplacePeer {
            actor: "provider".into(),
            peer: place("peer-two", "127.0.0.1:7061"),
        },
        Change::Policies {
            finality: Policy::All,
            lifecycle: Policy::Majority,
        },
        Change::Engine(EngineProfile {
            engine: "wasmtime 49.0.0".into(),
            ..config.engine.clone()
        }),
        Change::Executables(BTreeSet::from([Digest([11; 32]), Digest([12; 32])])),
        Change::RemoveActor("user".into()),
    ]
}

fn place(name: &str, address: &str) -> PeerPlace {
    PeerPlace {
        name: name.into(),
        address: address.into(),
    }
}

fn proposal(config: &NetworkConfig, changes: Vec<Change>) -> GovernanceProposal {
    let changes = changes.into_iter();
    GovernanceProposal {
        changes: changes.map(|change| ProposedChange::of(config, change)).collect(),
        expires_at: 100,
        note: "for the vectors: zwei\nZeilen, \"ä\"".into(),
    }
}

/// All of them, for this configuration.
pub fn compute(config: &NetworkConfig) -> Value {
    let config = &with_an_observer(config);
    let whole = proposal(config, changes(config));
    let proposing = Proposing {
        proposal: whole.clone(),
        components: vec![COMPONENT.to_vec()],
    };
    let applied = whole.apply(config).unwrap();
    let decision = Decision { proposal: whole.id() };
    let index = ProposalIndex {
        open: BTreeSet::from([Digest([3; 32]), whole.id()]),
        closed: vec![Digest([9; 32]), Digest([2; 32])],
    };
    json!({
        "config": super::object(config, config.root()),
        "proposal": super::object(&whole, whole.id()),
        "proposing": { "encoding": hex::encode(proposing.encode()), "component_digest": Domain::Chaincode.hash(COMPONENT) },
        "decision": { "encoding": hex::encode(decision.encode()), "proposal": decision.proposal },
        "config_after": super::object(&applied, applied.root()),
        "alone": alone(config),
        "refused": refused(config),
        "records": records(&whole),
        "preparations": preparations(whole.id()),
        "index": {
            "encoding": hex::encode(index.encode()), "open": index.open, "closed": index.closed,
        },
    })
}

/// Each change in a proposal of its own.
fn alone(config: &NetworkConfig) -> Value {
    let each = changes(config).into_iter().map(|change| {
        let one = proposal(config, vec![change.clone()]);
        json!({
            "change": serde_json::to_value(&change).unwrap().as_object().unwrap().keys().next(),
            "encoding": hex::encode(one.encode()),
            "replaces": one.changes[0].replaces,
            "config_root_after": one.apply(config).unwrap().root(),
        })
    });
    each.collect()
}

/// Proposals that cannot be made, with the code of their refusal.
fn refused(config: &NetworkConfig) -> Value {
    let limits = |change: &dyn Fn(&mut Limits)| {
        let mut limits = config.limits.clone();
        change(&mut limits);
        vec![Change::Limits(limits)]
    };
    let governance = ChaincodeDefinition {
        name: governance::GOVERNANCE.into(),
        version: "1".into(),
        digest: Digest([4; 32]),
    };
    let cases = [
        ("the same limits", limits(&|_| ())),
        (
            "a limit out of its range",
            limits(&|limits| limits.block_max_bytes = 1),
        ),
        (
            "a limit that is never lowered",
            limits(&|limits| limits.batch_max_bytes -= 1),
        ),
        ("the name of the governance", vec![Change::Chaincode(governance)]),
        (
            "a chaincode that is not there",
            vec![Change::RemoveChaincode("nowhere".into())],
        ),
        (
            "an actor that is not there",
            vec![Change::Authorities {
                actor: "nobody".into(),
                authorities: vec![vec![1]],
            }],
        ),
        (
            "an actor without an authority",
            vec![Change::Authorities {
                actor: "provider".into(),
                authorities: Vec::new(),
            }],
        ),
        (
            "what is revoked already",
            vec![Change::Revoke(config.revoked.clone())],
        ),
    ];
    let mut proposals: Vec<(&str, GovernanceProposal)> = cases
        .into_iter()
        .map(|(name, changes)| (name, proposal(config, changes)))
        .collect();
    for (number, change) in changes(config).into_iter().enumerate() {
        let mut old = proposal(config, vec![change]);
        old.changes[0].replaces = Digest([5; 32]);
        let name = [
            "a chaincode, superseded",
            "an end, superseded",
            "limits, superseded",
            "a revocation that replaces something",
            "authorities, superseded",
            "an admission, superseded",
            "a vote, superseded",
            "a move, superseded",
            "a peer, superseded",
            "policies, superseded",
            "an engine, superseded",
            "executables, superseded",
            "a removal, superseded",
        ];
        proposals.push((name[number], old));
    }
    let each = proposals.into_iter().map(|(name, proposal)| {
        let code = match proposal.apply(config).unwrap_err() {
            CannotApply::Superseded(_) => ValidationCode::ProposalSuperseded,
            CannotApply::Config(_) | CannotApply::NothingChanges => ValidationCode::BadConfiguration,
        };
        json!({ "name": name, "encoding": hex::encode(proposal.encode()), "code": code as u8 })
    });
    each.collect()
}

fn member(actor: &str) -> Member {
    Member {
        actor: actor.into(),
        role: Role::Admin,
        name: "admin".into(),
    }
}

/// A queue with each phase.
fn preparations(proposal: Digest) -> Value {
    let phases = [
        PreparationPhase::Clear,
        PreparationPhase::Prepare,
        PreparationPhase::Undo,
    ];
    let queue = phases.into_iter().zip(1..).map(|(phase, number)| Preparation {
        proposal,
        approver: member("provider"),
        transaction: Digest([number; 32]),
        contract: u32::from(number) - 1,
        phase,
        steps: 10 * u64::from(number),
    });
    let preparations = Preparations {
        queue: queue.collect(),
    };
    let each = preparations.queue.iter().map(|one| {
        json!({
            "proposal": one.proposal, "approver": one.approver, "transaction": one.transaction,
            "contract": one.contract, "phase": format!("{:?}", one.phase).to_lowercase(), "steps": one.steps,
        })
    });
    json!({ "encoding": hex::encode(preparations.encode()), "queue": each.collect::<Vec<_>>() })
}

/// A record with each outcome.
fn records(proposal: &GovernanceProposal) -> Value {
    let vote = |actor: &str, height, approves| GovernanceVote {
        member: member(actor),
        transaction: Digest([height as u8; 32]),
        height,
        approves,
    };
    let outcomes = [
        ProposalStatus::Open,
        ProposalStatus::Active { from_height: 12 },
        ProposalStatus::Rejected { height: 13 },
        ProposalStatus::Failed {
            height: 14,
            code: ValidationCode::OutOfFuel,
            why: "the migration".into(),
        },
        ProposalStatus::Expired,
        ProposalStatus::Preparing { since: 15, steps: 3 },
    ];
    let each = outcomes.into_iter().map(|outcome| {
        let record = ProposalRecord {
            proposal: proposal.clone(),
            proposer: member("provider"),
            votes: BTreeMap::from([
                ("user".to_owned(), vote("user", 11, false)),
                ("provider".to_owned(), vote("provider", 10, true)),
            ]),
            outcome,
        };
        json!({ "encoding": hex::encode(record.encode()), "votes": record.votes, "outcome": record.outcome })
    });
    each.collect()
}
