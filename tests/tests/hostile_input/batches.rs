//! Envelopes that must not get onto the ledger, and replays of those that are there.

use super::stage::Stage;
use bytes::Bytes;
use e2l_client::wire::refusal::Reason;
use e2l_client::wire::submit_reply::Outcome;
use e2l_identity::Identity;
use e2l_ledger::{
    Algorithm, BatchHeader, Call, Canonical, Digest, Domain, Envelope, PackedCalls, PackedEnvelope, Role,
    SignedBatch, SignedRequest, pack_calls,
};
use e2l_tests::{Network, TestCollector, event};
use std::sync::Arc;

/// An envelope, who submits it, and what must come of it.
struct Case {
    what: &'static str,
    from: Arc<Identity>,
    envelope: Bytes,
    packed: bool,
    reason: Reason,
    says: &'static str,
}

/// Makes cases around the next batch of the honest collector.
struct Cases {
    honest: TestCollector,
    list: Vec<Case>,
}

impl Cases {
    fn calls(&mut self) -> Vec<Call> {
        vec![self.honest.create_event(event("forged", "start"))]
    }

    /// The next batch, good.
    fn good(&mut self) -> SignedBatch {
        let calls = self.calls();
        self.honest.sign(self.honest.header(&calls), calls)
    }

    /// Bytes from the honest collector.
    fn bytes(&mut self, what: &'static str, envelope: Vec<u8>, reason: Reason, says: &'static str) {
        let from = self.honest.identity.clone();
        self.from(what, from, envelope, reason, says);
    }

    fn from(
        &mut self,
        what: &'static str,
        from: Arc<Identity>,
        envelope: Vec<u8>,
        reason: Reason,
        says: &'static str,
    ) {
        let envelope = envelope.into();
        self.list.push(Case {
            what,
            from,
            envelope,
            packed: false,
            reason,
            says,
        });
    }

    /// A good batch whose packed form was changed.
    fn packed(&mut self, what: &'static str, says: &'static str, change: impl Fn(&mut Vec<PackedCalls>)) {
        let mut packed = PackedEnvelope::pack(&Envelope::Batch(self.good()));
        change(Arc::make_mut(&mut packed.groups));
        self.bytes(what, packed.encode(), Reason::Malformed, says);
        self.list
            .iter_mut()
            .for_each(|case| case.packed |= case.what == what);
    }

    /// A batch whose header was changed before it was signed.
    fn header(
        &mut self,
        what: &'static str,
        reason: Reason,
        says: &'static str,
        change: impl Fn(&mut BatchHeader),
    ) {
        let calls = self.calls();
        let mut header = self.honest.header(&calls);
        change(&mut header);
        let batch = self.honest.sign(header, calls);
        self.bytes(what, Envelope::Batch(batch).encode(), reason, says);
    }

    /// A batch that was changed after it was signed.
    fn altered(
        &mut self,
        what: &'static str,
        reason: Reason,
        says: &'static str,
        change: impl Fn(&mut SignedBatch),
    ) {
        let mut batch = self.good();
        change(&mut batch);
        self.bytes(what, Envelope::Batch(batch).encode(), reason, says);
    }

    /// A well-signed batch over these calls.
    fn over(&mut self, what: &'static str, says: &'static str, calls: Vec<Call>) {
        let batch = self.honest.sign(self.honest.header(&calls), calls);
        self.bytes(what, Envelope::Batch(batch).encode(), Reason::Malformed, says);
    }
}

fn packed(cases: &mut Cases) {
    let cannot = "cannot be unpacked";
    cases.packed("no groups", "header does not describe", |groups| groups.clear());
    cases.packed("another group", "header does not describe", |groups| {
        let mut calls = groups[0].unpack().unwrap();
        calls[0].argument[0] ^= 1;
        *groups = pack_calls(&calls);
    });
    cases.packed(
        "a group too many",
        "does not hold as many as it should",
        |groups| {
            groups.push(groups[0].clone());
        },
    );
    cases.packed("no LZ4", cannot, |groups| groups[0].packed.fill(0xff));
    cases.packed("fewer bytes than said", cannot, |groups| groups[0].length += 1);
    cases.packed("more bytes than said", cannot, |groups| groups[0].length -= 1);
    cases.packed("calls that are not there", cannot, |groups| groups[0].count = 400);
    cases.packed("more calls than there may be", "are accepted", |groups| {
        groups[0].count = u32::MAX
    });
    cases.packed("gigabytes, as it says", "are accepted", |groups| {
        groups[0].length = u32::MAX
    });
    cases.packed("zeros that unpack to gigabytes", "are accepted", |groups| {
        groups[0].packed = lz4_flex::block::compress(&vec![0; 64 << 20]);
        groups[0].length = 64 << 20;
    });
}

fn encodings(cases: &mut Cases) {
    use Reason::Malformed;
    let good = Envelope::Batch(cases.good()).encode();
    let not_canonical = "envelope: not the canonical encoding";
    cases.bytes("no bytes", Vec::new(), Malformed, "envelope: no bytes");
    for version in [0, 2, 255] {
        let mut bytes = good.clone();
        bytes[0] = version;
        cases.bytes(
            "another version",
            bytes,
            Malformed,
            "this release reads version 1",
        );
    }
    cases.bytes(
        "a trailing byte",
        [good.as_slice(), &[0]].concat(),
        Malformed,
        not_canonical,
    );
    cases.bytes(
        "two envelopes",
        [good.as_slice(), &good].concat(),
        Malformed,
        not_canonical,
    );
    for cut in [1, 2, 40, good.len() / 2, good.len() - 1] {
        cases.bytes("cut short", good[..cut].to_vec(), Malformed, not_canonical);
    }
    let mut kind = good.clone();
    kind[1] = 9;
    cases.bytes("an unknown kind", kind, Malformed, not_canonical);
    cases.bytes(
        "garbage",
        vec![0xff; 4096],
        Malformed,
        "encoding version 255 is unknown",
    );
    let mut lengths = vec![1; 2 + 32];
    lengths.extend([0xff; 64]);
    cases.bytes("lengths of gigabytes", lengths, Malformed, not_canonical);
}

fn contents(cases: &mut Cases) {
    use Reason::{Malformed, WrongNetwork};
    let undescribed = "its header does not describe its calls, or it is over the network's limits";
    cases.header(
        "another network",
        WrongNetwork,
        "it is signed for network",
        |header| {
            header.network = Digest([7; 32]);
        },
    );
    cases.header("a wrong count", Malformed, undescribed, |header| {
        header.count += 1
    });
    cases.header("a wrong root", Malformed, undescribed, |header| {
        header.calls_root = Digest::ZERO;
    });
    cases.altered("a call changed after signing", Malformed, undescribed, |batch| {
        batch.calls[0].argument.push(0);
    });
    cases.altered("a call added after signing", Malformed, undescribed, |batch| {
        batch.calls.push(batch.calls[0].clone());
    });
    cases.over("no calls", undescribed, Vec::new());
    let small = Call {
        chaincode: "eventdb".to_owned(),
        function: "createEvent".to_owned(),
        argument: vec![0; 8],
    };
    cases.over("too many calls", undescribed, vec![small.clone(); 501]);
    let long = Call {
        argument: vec![0; 262_145],
        ..small
    };
    cases.over("too long an argument", undescribed, vec![long.clone()]);
    cases.over(
        "too many bytes",
        "bytes, at most 1052672 are accepted",
        vec![long; 5],
    );
}

fn signatures(cases: &mut Cases, other: &TestCollector) {
    use Reason::Unauthentic;
    let mismatch = "the signature does not match the content";
    let names = "as its sender, its certificate is that of";
    cases.altered("a flipped bit in the signature", Unauthentic, mismatch, |batch| {
        batch.signature.bytes[17] ^= 1;
    });
    cases.altered("no signature", Unauthentic, mismatch, |batch| {
        batch.signature.bytes = [0; 64]
    });
    cases.altered("a header changed after signing", Unauthentic, mismatch, |batch| {
        batch.header.created_nano += 1;
    });
    cases.altered(
        "another algorithm",
        Unauthentic,
        "algorithm is not that of",
        |batch| {
            batch.signature.algorithm = Algorithm::EcdsaP256;
        },
    );
    cases.altered(
        "another certificate",
        Unauthentic,
        "the signature names certificate",
        |batch| {
            batch.signature.certificate = Domain::Certificate.hash(b"another");
        },
    );
    let calls = cases.calls();
    let stolen = other.sign(cases.honest.header(&calls), calls);
    let stolen = Envelope::Batch(stolen).encode();
    cases.bytes(
        "another's key",
        stolen.clone(),
        Unauthentic,
        "the signature names certificate",
    );
    cases.from(
        "another's header",
        other.identity.clone(),
        stolen,
        Unauthentic,
        names,
    );
    let member = other.member();
    cases.header("in another's name", Unauthentic, names, |header| {
        header.sender = member.clone();
    });
    let good = Envelope::Batch(cases.good()).encode();
    cases.from(
        "sent by another",
        other.identity.clone(),
        good,
        Unauthentic,
        names,
    );
}

fn places(cases: &mut Cases) {
    use Reason::{Conflict, SequenceGap};
    let follow = "does not follow: expected is batch 2 of incarnation 1, or batch 1 of a later incarnation";
    for (incarnation, sequence) in [
        (1, 3),
        (1, 1 << 40),
        (1, u64::MAX),
        (2, 2),
        (1026, 1),
        (u64::MAX, 1),
    ] {
        cases.header("a gap", SequenceGap, follow, |header| {
            (header.incarnation, header.sequence) = (incarnation, sequence);
        });
    }
    cases.header(
        "another past",
        SequenceGap,
        "as its previous batch, the last on the ledger is",
        |header| {
            header.previous = Digest([7; 32]);
        },
    );
    for (incarnation, sequence) in [(1, 0), (0, 0), (0, u64::MAX)] {
        cases.header(
            "below the first",
            SequenceGap,
            "continue after the sender's head",
            |header| {
                (header.incarnation, header.sequence) = (incarnation, sequence);
            },
        );
    }
    cases.header(
        "other content in a place that is taken",
        Conflict,
        "with another content",
        |header| {
            (header.sequence, header.previous) = (1, Digest::ZERO);
        },
    );
}

fn requests(cases: &mut Cases, admin: &Arc<Identity>) {
    use Reason::{Forbidden, Malformed, Unauthentic, WrongNetwork};
    let network = cases.honest.header(&[]).network;
    let call = cases.calls().remove(0);
    let sign = |network, expires_at, signer: &Identity| {
        SignedRequest::sign(network, [7; 16], expires_at, call.clone(), signer)
    };
    let encode = |request| Envelope::Request(request).encode();
    let by_collector = encode(sign(network, 100, &cases.honest.identity));
    cases.bytes(
        "a collector's request",
        by_collector,
        Forbidden,
        "only admins submit requests",
    );
    let by_admin = sign(network, 100, admin);
    let names = "as its sender, its certificate is that of";
    cases.bytes(
        "an admin's request by a collector",
        encode(by_admin.clone()),
        Unauthentic,
        names,
    );
    let mut add =
        |what, request, reason, says| cases.from(what, admin.clone(), encode(request), reason, says);
    add(
        "a request for another network",
        sign(Digest::ZERO, 100, admin),
        WrongNetwork,
        "it is signed for",
    );
    for expires_at in [0, 1, 1_000_000, u64::MAX] {
        let request = sign(network, expires_at, admin);
        add(
            "a request out of its time",
            request,
            Malformed,
            "and a request may reach to",
        );
    }
    let mut changed = by_admin;
    changed.call.function.push('x');
    add(
        "a call that was changed",
        changed.clone(),
        Malformed,
        "its header does not describe its call",
    );
    changed.header.call = changed.call.digest();
    add(
        "a header that was changed",
        changed,
        Unauthentic,
        "the signature does not match the content",
    );
}

fn batch_of_an_admin(cases: &mut Cases, admin: &Arc<Identity>) {
    use e2l_ledger::Signer;
    let calls = cases.calls();
    let header = BatchHeader {
        sender: admin.certificate().member().clone(),
        ..cases.honest.header(&calls)
    };
    let batch = Envelope::Batch(SignedBatch::sign(header, calls, &**admin)).encode();
    let says = "only collectors submit batches";
    cases.from("an admin's batch", admin.clone(), batch, Reason::Forbidden, says);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_envelope_is_refused_for_its_own_reason() {
    let mut stage = Stage::set().await;
    let admin = stage.members.identity("provider", Role::Admin, "admin").unwrap();
    let other = stage.members.collector(2, "provider").unwrap();
    let mut cases = Cases {
        honest: stage.honest.clone(),
        list: Vec::new(),
    };
    encodings(&mut cases);
    packed(&mut cases);
    contents(&mut cases);
    signatures(&mut cases, &other);
    places(&mut cases);
    requests(&mut cases, &admin);
    batch_of_an_admin(&mut cases, &admin);
    for actor in Network::actors() {
        for case in &cases.list {
            let what = format!("{} at {actor}", case.what);
            let caller = stage.caller(&case.from, actor).await;
            let outcome = match case.packed {
                true => caller.submit_packed(case.envelope.clone()).await,
                false => caller.submit(case.envelope.clone()).await,
            };
            let outcome = outcome.unwrap_or_else(|error| panic!("{what}: {error:#}"));
            let Outcome::Refusal(refusal) = outcome else {
                panic!("{what}: it was taken: {outcome:?}");
            };
            assert_eq!(refusal.reason(), case.reason, "{what}: {}", refusal.message);
            let message = &refusal.message;
            assert!(
                message.contains(case.says),
                "{what}: `{message}` does not say `{}`",
                case.says
            );
            if case.what == "a gap" {
                assert_eq!(refusal.expected_sequence, 2, "{what}");
            }
        }
        stage.is_unmoved(actor).await;
    }
    stage.goes_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_answered_with_the_original_receipt() {
    let mut stage = Stage::set().await;
    let mut collector = stage.members.collector(2, "user").unwrap();
    let batch = collector.batch(vec![event("once", "create"), event("once", "start")]);
    let envelope = TestCollector::encode(batch.clone());
    let receipt = collector.client.submit(envelope.clone()).await.unwrap();
    assert_eq!(&receipt.codes[..], [0, 0]);
    stage.goes_on(2).await;
    for actor in Network::actors() {
        let caller = stage.caller(&collector.identity, actor).await;
        for _ in 0..3 {
            let Outcome::Final(again) = caller.submit(envelope.clone()).await.unwrap() else {
                panic!("{actor} refuses a replay");
            };
            assert_eq!(
                (again.height, again.first_index),
                (receipt.height, receipt.first_index)
            );
            assert_eq!(again.codes, receipt.codes);
            assert_eq!(again.block_time_nano, receipt.block_time_nano);
        }
        // Nobody else may replay it.
        let caller = stage.caller(&stage.honest.identity, actor).await;
        let Outcome::Refusal(refusal) = caller.submit(envelope.clone()).await.unwrap() else {
            panic!("{actor} takes another's batch");
        };
        assert_eq!(refusal.reason(), Reason::Unauthentic, "{}", refusal.message);
        stage.is_unmoved("replays").await;
    }
    stage.goes_on(0).await;
    let history = stage.members.history("developer", "once").await.unwrap();
    assert_eq!(history["events"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_carried_out_is_on_the_ledger_with_its_code_alone() {
    let mut stage = Stage::set().await;
    let mut collector = stage.members.collector(2, "developer").unwrap();
    let good = collector.create_event(event("good", "start"));
    let call = |chaincode: &str, function: &str, argument: &[u8]| Call {
        chaincode: chaincode.to_owned(),
        function: function.to_owned(),
        argument: argument.to_vec(),
    };
    let mut unnamed = event("", "start");
    unnamed.sequence = 1;
    let calls = vec![
        (call("nonsense", "createEvent", &good.argument), 17),
        (call("", "", &[]), 17),
        (call("eventdb", "nonsense", &good.argument), 101),
        (call("eventdb", "queryAllEvents", b"{}"), 101),
        (call("eventdb", "createEvent", &[]), 101),
        (call("eventdb", "createEvent", &[0xff; 100]), 101),
        (call("eventdb", "createEvent", &unnamed.encode()), 101),
        (good, 0),
    ];
    let expected: Vec<u8> = calls.iter().map(|(_, code)| *code).collect();
    let count = calls.len() as u64;
    let batch = collector.batch_of(calls.into_iter().map(|(call, _)| call).collect());
    let answer = collector
        .client
        .submit(TestCollector::encode(batch))
        .await
        .unwrap();
    assert_eq!(answer.codes, expected);
    stage.goes_on(count).await;
    for actor in Network::actors() {
        let events = stage.members.events(actor).await.unwrap();
        let senders: Vec<&str> = events.iter().map(|event| event.sender.as_str()).collect();
        assert_eq!(senders, ["collector-1", "collector-2", "collector-1"], "{actor}");
    }
}
