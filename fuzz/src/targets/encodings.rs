//! Encodings: what decodes has one, and survives it.

use e2l_event::Event;
use e2l_ledger::governance::{Decision, GovernanceProposal, ProposalIndex, ProposalRecord, Proposing};
use e2l_ledger::proof::{ConfigChange, LogPageProof, Receipt};
use e2l_ledger::{
    BatchHeader, Block, Canonical, Envelope, Genesis, Header, Limits, LogHead, NetworkConfig, PackedEnvelope,
    PackedProposal, ProposalHeader, RequestHeader, SenderHead, SignedBatch, SignedProposal, SignedRequest,
    SignedVote, TransactionResult,
};

/// What decodes has this encoding and no other.
fn one_encoding<T: Canonical>(bytes: &[u8]) {
    if let Ok(decoded) = T::decode(bytes) {
        assert!(
            decoded.encode() == bytes,
            "{}: two encodings of one object",
            T::WHAT
        );
    }
}

/// Decoders by the number that the first byte of the input names.
pub const DECODERS: [fn(&[u8]); 25] = [
    one_encoding::<Block>,
    one_encoding::<Header>,
    one_encoding::<SignedProposal>,
    one_encoding::<ProposalHeader>,
    one_encoding::<Envelope>,
    one_encoding::<SignedBatch>,
    one_encoding::<BatchHeader>,
    one_encoding::<SignedRequest>,
    one_encoding::<RequestHeader>,
    one_encoding::<SignedVote>,
    one_encoding::<TransactionResult>,
    one_encoding::<Genesis>,
    one_encoding::<NetworkConfig>,
    one_encoding::<SenderHead>,
    one_encoding::<LogHead>,
    one_encoding::<Receipt>,
    one_encoding::<LogPageProof>,
    packed_envelope,
    packed_proposal,
    one_encoding::<GovernanceProposal>,
    one_encoding::<Proposing>,
    one_encoding::<Decision>,
    one_encoding::<ProposalRecord>,
    one_encoding::<ProposalIndex>,
    one_encoding::<ConfigChange>,
];

/// What unpacks is packed again to the same content, however it was compressed.
fn packed_envelope(bytes: &[u8]) {
    one_encoding::<PackedEnvelope>(bytes);
    let unpacked = PackedEnvelope::decode(bytes).map(|packed| packed.unpack(&Limits::default()));
    if let Ok(Ok(envelope)) = unpacked {
        let again = PackedEnvelope::pack(&envelope).unpack(&Limits::default());
        assert!(
            again.as_ref() == Ok(&envelope),
            "an envelope does not survive packing"
        );
    }
}

fn packed_proposal(bytes: &[u8]) {
    one_encoding::<PackedProposal>(bytes);
    if let Ok(inspected) = PackedProposal::inspect(bytes, &Limits::default(), |_| None) {
        let again = PackedProposal::pack(&inspected.proposal).encode();
        let again = PackedProposal::inspect(&again, &Limits::default(), |_| None);
        assert!(again.is_ok_and(|again| again.proposal == inspected.proposal));
    }
}

/// Everything with a canonical encoding; the first byte says what.
pub fn decode(bytes: &[u8]) {
    if let Some((kind, bytes)) = bytes.split_first()
        && let Some(decoder) = DECODERS.get(usize::from(*kind))
    {
        decoder(bytes);
    }
}

/// Events, which contracts read.
pub fn event(bytes: &[u8]) {
    if let Ok(event) = Event::decode(bytes) {
        let encoded = event.encode();
        assert!(
            Event::decode(&encoded).as_ref() == Ok(&event),
            "an event does not survive its encoding"
        );
    }
}
