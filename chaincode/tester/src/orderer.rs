//! What collectors, admins and a leader would sign.

use crate::call::TestCall;
use crate::error::TestError;
use crate::members::Members;
use e2l_ledger::{
    BatchHeader, Call, Digest, Envelope, Member, ProposalHeader, Role, SignedBatch, SignedProposal,
    SignedRequest, Signer,
};
use std::collections::BTreeMap;

/// Heights that a request may wait.
const REQUEST_LIFE: u64 = 100;

/// Where a block stands.
pub(crate) struct Place {
    pub network: Digest,
    pub height: u64,
    pub previous: Digest,
    pub time_nano: i64,
}

/// Signs calls, and orders them.
pub(crate) struct Orderer {
    members: Members,
    leader: Member,
    /// Number and digest of each collector's last batch.
    batches: BTreeMap<Member, (u64, Digest)>,
    /// Requests signed so far.
    requests: u128,
}

impl Orderer {
    pub fn new(members: Members, leader: Member) -> Self {
        Self {
            members,
            leader,
            batches: BTreeMap::new(),
            requests: 0,
        }
    }

    /// A proposal of these calls of one chaincode, each in an envelope of its own, and the leader's certificate.
    pub fn propose(
        &mut self,
        place: &Place,
        chaincode: &str,
        calls: &[TestCall],
    ) -> Result<(SignedProposal, e2l_ledger::Certificate), TestError> {
        let (mut envelopes, mut certificates) = (Vec::new(), Vec::new());
        for call in calls {
            let signer = self.members.identity(&call.caller)?;
            let certificate = signer.certificate().der().to_vec();
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
            let own = Call {
                chaincode: chaincode.to_owned(),
                function: call.function.clone(),
                argument: call.argument.clone(),
            };
            envelopes.push(self.envelope(place, own, &*signer));
        }
        let header = ProposalHeader {
            network: place.network,
            leader: self.leader.clone(),
            term: 1,
            height: place.height,
            previous: place.previous,
            time_nano: place.time_nano,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: 0,
        };
        let leader = self.members.identity(&self.leader)?;
        let proposal = SignedProposal::sign(header, certificates, envelopes, &*leader);
        Ok((proposal, leader.certificate().clone()))
    }

    /// Collectors send batches. Everyone else sends a request, and is refused if it may not.
    fn envelope(&mut self, place: &Place, call: Call, signer: &dyn Signer) -> Envelope {
        let sender = signer.certificate().member();
        if sender.role != Role::Collector {
            self.requests += 1;
            let (nonce, expires) = (self.requests.to_be_bytes(), place.height + REQUEST_LIFE);
            return Envelope::Request(SignedRequest::sign(place.network, nonce, expires, call, signer));
        }
        let calls = vec![call];
        let (sequence, previous) = self.batches.get(sender).copied().unwrap_or((0, Digest::ZERO));
        let header = BatchHeader {
            network: place.network,
            sender: sender.clone(),
            incarnation: 1,
            sequence: sequence + 1,
            previous,
            created_nano: place.time_nano,
            count: 1,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        };
        self.batches
            .insert(sender.clone(), (header.sequence, header.digest()));
        Envelope::Batch(SignedBatch::sign(header, calls, signer))
    }
}
