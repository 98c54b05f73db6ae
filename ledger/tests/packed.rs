//! Packed envelopes: what comes out is what went in, and nothing else is taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_ledger::*;
use proptest::prelude::*;
use std::sync::Arc;

fn call(argument: Vec<u8>) -> Call {
    Call {
        chaincode: "eventdb".to_owned(),
        function: "createEvent".to_owned(),
        argument,
    }
}

fn member() -> Member {
    Member {
        actor: "provider".into(),
        role: Role::Collector,
        name: "one".into(),
    }
}

fn signature() -> Signature {
    Signature {
        certificate: Digest([1; 32]),
        algorithm: Algorithm::Ed25519,
        bytes: [2; 64],
    }
}

fn batch(calls: Vec<Call>) -> Envelope {
    Envelope::Batch(SignedBatch {
        header: BatchHeader {
            network: Digest([3; 32]),
            sender: member(),
            incarnation: 1,
            sequence: 1,
            previous: Digest::ZERO,
            created_nano: 5,
            count: calls.len() as u32,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        },
        calls,
        signature: signature(),
    })
}

fn request(argument: Vec<u8>) -> Envelope {
    let call = call(argument);
    Envelope::Request(SignedRequest {
        header: RequestHeader {
            network: Digest([3; 32]),
            sender: member(),
            nonce: [7; 16],
            expires_at: 9,
            call: call.digest(),
        },
        call,
        signature: signature(),
    })
}

/// Events of one collector have much in common.
fn events(number: usize) -> Vec<Call> {
    let text = |number| {
        format!(
            "{{\"Action\":\"start\",\"id\":\"{}\"}}",
            Domain::Value.hash(&[number as u8])
        )
    };
    (0..number)
        .map(|number| call(text(number).repeat(6).into_bytes()))
        .collect()
}

/// With one group changed.
fn changed(envelope: &Envelope, change: impl Fn(&mut Vec<PackedCalls>)) -> PackedEnvelope {
    let mut packed = PackedEnvelope::pack(envelope);
    change(Arc::make_mut(&mut packed.groups));
    packed
}

proptest! {
    #[test]
    fn any_envelope_comes_back_in_groups_of_their_size(sizes in prop::collection::vec(0..9000_usize, 0..40)) {
        let calls: Vec<Call> = sizes.iter().map(|size| call(vec![*size as u8; *size])).collect();
        let envelope = batch(calls.clone());
        let packed = PackedEnvelope::decode(&PackedEnvelope::pack(&envelope).encode()).unwrap();
        let total: usize = calls.iter().map(Call::size).sum();
        prop_assert_eq!(packed.unpacked_size(), total as u64);
        prop_assert_eq!(packed.unpack(&Limits::default()).unwrap(), envelope.clone());
        prop_assert!(packed.is_of(&envelope, &packed.groups));
        let (last, full) = packed.groups.split_last().map_or((None, &[][..]), |(last, full)| (Some(last), full));
        prop_assert!(full.iter().all(|group| group.length as usize >= GROUP_BYTES));
        prop_assert!(last.is_none_or(|group| group.count > 0));
    }

    #[test]
    fn no_bytes_do_harm(mut bytes in Just(PackedEnvelope::pack(&batch(events(30))).encode()),
                        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(packed) = PackedEnvelope::decode(&bytes) {
            // It may have become another envelope: its signature is for others to check.
            let _ = packed.unpack(&Limits::default());
        }
    }
}

#[test]
fn calls_that_resemble_each_other_shrink() {
    let envelope = batch(events(100));
    let packed = PackedEnvelope::pack(&envelope);
    assert!(packed.encode().len() * 3 < envelope.encode().len());
}

#[test]
fn a_request_has_one_call() {
    let envelope = request(vec![1; 100]);
    let packed = PackedEnvelope::pack(&envelope);
    assert_eq!(packed.unpack(&Limits::default()).unwrap(), envelope);
    assert_eq!(packed.source(), envelope.source());
    for calls in [0, 2] {
        let packed = changed(&envelope, |groups| *groups = pack_calls(&events(calls)));
        assert_eq!(
            packed.unpack(&Limits::default()).unwrap_err(),
            PackError::NotOneCall(calls)
        );
    }
}

#[test]
fn there_is_one_way_to_group() {
    let calls = events(200);
    let envelope = batch(calls.clone());
    let grouping =
        |groups: Vec<PackedCalls>| changed(&envelope, |own| *own = groups.clone()).unpack(&Limits::default());
    assert!(pack_calls(&calls).len() > 2);
    let all_in_one = vec![PackedCalls::pack(&calls)];
    assert_eq!(
        grouping(all_in_one).unwrap_err(),
        PackError::Grouping { group: 0 }
    );
    let each_alone = calls
        .iter()
        .map(|call| PackedCalls::pack(std::slice::from_ref(call)));
    assert_eq!(
        grouping(each_alone.collect()).unwrap_err(),
        PackError::Grouping { group: 0 }
    );
    let mut with_nothing = pack_calls(&calls);
    let last = with_nothing.len();
    with_nothing.push(PackedCalls::pack(&[]));
    assert_eq!(
        grouping(with_nothing).unwrap_err(),
        PackError::Grouping { group: last - 1 }
    );
}

#[test]
fn a_group_that_lies_about_itself_is_refused() {
    let envelope = batch(events(10));
    let refused = |change: &dyn Fn(&mut PackedCalls)| {
        let packed = changed(&envelope, |groups| change(&mut groups[0]));
        packed.unpack(&Limits::default()).unwrap_err()
    };
    let lies: [&dyn Fn(&mut PackedCalls); 6] = [
        &|group| group.count -= 1,
        &|group| group.count = u32::MAX,
        &|group| group.length -= 1,
        &|group| group.length += 1,
        // Four gigabytes of nothing.
        &|group| group.length = u32::MAX,
        &|group| group.packed.clear(),
    ];
    for lie in lies {
        // What it comes to by its own word is compared with the limits first.
        let why = refused(lie);
        assert!(
            matches!(
                why,
                PackError::Corrupt { group: 0, .. } | PackError::TooLarge { .. }
            ),
            "{why:?}"
        );
    }
    // A store reads its own groups without limits.
    for lie in lies {
        let mut group = pack_calls(&events(10)).remove(0);
        lie(&mut group);
        assert!(group.unpack().is_err());
    }
}

#[test]
fn how_well_it_is_compressed_does_not_matter() {
    let envelope = batch(events(3));
    let packed = changed(&envelope, |groups| {
        let group = &mut groups[0];
        let bytes = lz4_flex::block::decompress(&group.packed, group.length as usize).unwrap();
        // One run of literals: what cannot be compressed looks so.
        group.packed = vec![0xf0];
        let mut rest = bytes.len() - 15;
        while rest >= 255 {
            group.packed.push(255);
            rest -= 255;
        }
        group.packed.push(rest as u8);
        group.packed.extend(bytes);
    });
    assert_eq!(packed.unpack(&Limits::default()).unwrap(), envelope);
    assert_ne!(packed, PackedEnvelope::pack(&envelope));
}

fn proposal(envelopes: Vec<Envelope>) -> SignedProposal {
    SignedProposal {
        header: ProposalHeader {
            network: Digest([3; 32]),
            leader: member(),
            term: 1,
            height: 2,
            previous: Digest::ZERO,
            time_nano: 3,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: envelopes.len() as u32,
        },
        certificates: vec![vec![1, 2, 3]],
        envelopes: envelopes.into_iter().map(Arc::new).collect(),
        signature: signature(),
    }
}

#[test]
fn a_proposal_is_inspected_as_if_it_had_not_been_packed() {
    let proposal = proposal(vec![batch(events(50)), request(vec![1; 10])]);
    let bytes = PackedProposal::pack(&proposal).encode();
    let inspected = PackedProposal::inspect(&bytes, &Limits::default(), |_| None).unwrap();
    let expected = InspectedProposal::of(proposal.clone());
    assert_eq!(inspected.proposal, proposal);
    assert_eq!(inspected.inspections, expected.inspections);
    assert_eq!(PackedProposal::packed_already(&inspected).encode(), bytes);
}

#[test]
fn what_is_known_is_not_unpacked_again() {
    let known = Arc::new(batch(events(5)));
    let inspection = Arc::new(Inspection::of(&known));
    let bytes = PackedProposal::pack(&proposal(vec![(*known).clone(), request(vec![1; 10])])).encode();
    let find = |packed: &PackedEnvelope| {
        let found = packed.is_of(&known, &inspection.groups);
        found.then(|| (known.clone(), inspection.clone()))
    };
    let inspected = PackedProposal::inspect(&bytes, &Limits::default(), find).unwrap();
    assert!(Arc::ptr_eq(&inspected.proposal.envelopes[0], &known));
    assert!(Arc::ptr_eq(&inspected.inspections[0], &inspection));
    assert!(!Arc::ptr_eq(&inspected.proposal.envelopes[1], &known));
}

#[test]
fn what_would_be_a_burden_is_refused_before_it_is_unpacked_though_it_is_known() {
    let limits = Limits::default();
    let refused = |envelopes: Vec<Envelope>| {
        let bytes = PackedProposal::pack(&proposal(envelopes.clone())).encode();
        let known = |packed: &PackedEnvelope| {
            let envelope = envelopes
                .iter()
                .find(|envelope| packed.is_of(envelope, &pack_calls(envelope.calls())));
            envelope.map(|envelope| (Arc::new(envelope.clone()), Arc::new(Inspection::of(envelope))))
        };
        PackedProposal::inspect(&bytes, &limits, known).unwrap_err()
    };
    // Zeros: megabytes pack into kilobytes.
    let zeros = |calls: usize, bytes: usize| batch((0..calls).map(|_| call(vec![0; bytes])).collect());
    let alone = refused(vec![zeros(10, 200_000)]);
    let envelope = |what, limit| PackedProposalError::Envelope {
        number: 0,
        why: PackError::TooLarge { what, limit },
    };
    assert_eq!(alone, envelope("bytes", limits.batch_max_bytes + 4096));
    assert_eq!(
        refused(vec![zeros(501, 1)]),
        envelope("calls", limits.batch_max_transactions)
    );
    let together = |what, limit| PackedProposalError::Envelopes(PackError::TooLarge { what, limit });
    assert_eq!(
        refused(vec![zeros(10, 90_000); 3]),
        together("bytes", limits.block_max_bytes)
    );
    assert_eq!(
        refused(vec![zeros(400, 1); 3]),
        together("calls", limits.block_max_transactions)
    );
}

#[test]
fn bytes_that_are_no_proposal_are_refused() {
    let bytes = PackedProposal::pack(&proposal(vec![batch(events(3))])).encode();
    assert!(PackedProposal::inspect(&bytes[..bytes.len() - 1], &Limits::default(), |_| None).is_err());
}

/// What is no LZ4 block is for every peer the same.
#[test]
fn blocks_of_other_forms_are_refused() {
    let group = |packed: &[u8], length| PackedCalls {
        count: 0,
        length,
        packed: packed.to_vec(),
    };
    for (packed, length) in [
        (&[][..], 0),
        (&[0x10], 1),
        // A match at the very end, one before the start, one at no distance.
        (&[0x14, 1, 1, 0], 9),
        (&[0x10, 1, 2, 0, 0x50, 1, 1, 1, 1, 1], 10),
        (&[0x10, 1, 0, 0, 0x50, 1, 1, 1, 1, 1], 10),
        // Longer than literals alone.
        (&[0x00; 18], 1),
    ] {
        assert!(group(packed, length).unpack().is_err(), "{packed:?}");
    }
    assert_eq!(group(&[0x00], 0).unpack(), Ok(Vec::new()));
}

#[test]
fn what_cannot_be_compressed_is_packed_all_the_same() {
    let random = |n: u32| {
        (0..400_u32).flat_map(move |i| {
            *Domain::Value
                .hash(&[n, i].map(u32::to_le_bytes).concat())
                .as_bytes()
        })
    };
    let envelope = batch((0..80).map(|n| call(random(n).collect())).collect());
    let packed = PackedEnvelope::pack(&envelope);
    assert_eq!(packed.unpack(&Limits::default()).as_ref(), Ok(&envelope));
    assert!(packed.encode().len() < envelope.encode().len() * 65 / 64);
}
