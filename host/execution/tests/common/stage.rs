//! A network whose actors decide.

use super::contracts;
use super::members::{Identity, Members};
use super::peer::{Orderer, Peer, apply_alike, outcomes};
use e2l_ledger::governance::{
    Change, Decision, GOVERNANCE, GovernanceProposal, ProposalIndex, ProposalRecord, ProposedChange,
    Proposing, function,
};
use e2l_ledger::{
    Call, Canonical, ChaincodeDefinition, Digest, Domain, Envelope, Limits, SignedProposal, StateKey,
    ValidationCode,
};

/// Two peers, and the next nonce.
pub struct Stage<'a> {
    pub members: &'a Members,
    pub peers: [Peer; 2],
    pub orderer: Orderer<'a>,
    nonce: u8,
    /// All that the peers have executed.
    pub proposals: Vec<SignedProposal>,
}

impl<'a> Stage<'a> {
    pub fn new(members: &'a Members) -> Self {
        Self {
            members,
            peers: [Peer::new(members), Peer::new(members)],
            orderer: Orderer::new(members),
            nonce: 0,
            proposals: Vec::new(),
        }
    }

    pub fn height(&self) -> u64 {
        self.peers[0].store.tip().unwrap().height
    }

    pub fn signed(&mut self, admin: &Identity, call: Call) -> Envelope {
        self.nonce += 1;
        let expires_at = self.height() + 50;
        self.orderer.request_by(admin, self.nonce, expires_at, call)
    }

    /// Code and output of a block's results, in order.
    pub fn block(&mut self, envelopes: Vec<Envelope>) -> Vec<(ValidationCode, String)> {
        let proposal = self.orderer.propose(&self.peers[0], envelopes);
        let block = apply_alike(&mut self.peers, &proposal);
        self.proposals.push(proposal);
        outcomes(&block)
    }

    /// One call in a block of its own.
    pub fn call(&mut self, admin: &Identity, call: Call) -> (ValidationCode, String) {
        let envelope = self.signed(admin, call);
        self.block(vec![envelope]).remove(0)
    }

    pub fn proposal(&self, changes: impl IntoIterator<Item = Change>, life: u64) -> GovernanceProposal {
        let config = self.peers[0].config();
        let changes = changes
            .into_iter()
            .map(|change| ProposedChange::of(config, change));
        GovernanceProposal {
            changes: changes.collect(),
            expires_at: self.height() + life,
            note: "because".to_owned(),
        }
    }

    pub fn propose(
        &mut self,
        proposal: &GovernanceProposal,
        components: Vec<Vec<u8>>,
    ) -> (ValidationCode, String) {
        let proposing = Proposing {
            proposal: proposal.clone(),
            components,
        };
        let members = self.members;
        self.call(&members.admin, governance(function::PROPOSE, proposing.encode()))
    }

    /// The other actors approve, in one block each.
    pub fn approved(&mut self, id: Digest) {
        let members = self.members;
        for other in &members.others {
            assert_eq!(self.call(other, approve(id)).0, ValidationCode::Valid);
        }
    }

    pub fn record(&self, id: &Digest) -> ProposalRecord {
        ProposalRecord::decode(&self.peers[1].state(&StateKey::proposal(id)).unwrap()).unwrap()
    }

    pub fn index(&self) -> ProposalIndex {
        let bytes = self.peers[1].state(&StateKey::proposals());
        bytes.map_or_else(ProposalIndex::default, |bytes| {
            ProposalIndex::decode(&bytes).unwrap()
        })
    }
}

pub fn governance(function: &str, argument: Vec<u8>) -> Call {
    Call {
        chaincode: GOVERNANCE.to_owned(),
        function: function.to_owned(),
        argument,
    }
}

pub fn approve(id: Digest) -> Call {
    governance(function::APPROVE, Decision { proposal: id }.encode())
}

pub fn reject(id: Digest) -> Call {
    governance(function::REJECT, Decision { proposal: id }.encode())
}

pub fn component(name: &str) -> Vec<u8> {
    let mut all = contracts().iter();
    all.find(|(known, ..)| *known == name).unwrap().2.clone()
}

pub fn deploy(name: &str, version: &str, bytes: &[u8]) -> Change {
    Change::Chaincode(ChaincodeDefinition {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: Domain::Chaincode.hash(bytes),
    })
}

pub fn limits(change: impl FnOnce(&mut Limits)) -> Change {
    let mut limits = Limits::default();
    change(&mut limits);
    Change::Limits(limits)
}
