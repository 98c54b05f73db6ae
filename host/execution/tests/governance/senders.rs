//! Batches whose collector may not bring them any more: a certificate that is revoked, code that is not approved.

use super::decide;
use crate::common::members::Members;
use crate::common::stage::{Stage, component, deploy, limits};
use crate::common::{count, deep, hostile};
use e2l_ledger::governance::Change;
use e2l_ledger::{BatchHeader, Digest, Domain, Envelope, Limits, SignedBatch, Signer, ValidationCode};

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
