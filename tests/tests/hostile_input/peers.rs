//! A peer that lies to the others, with its good certificate.

use super::caller::Caller;
use super::stage::{Stage, issue, member, valid};
use bytes::Bytes;
use e2l_client::wire;
use e2l_client::wire::refusal::Reason;
use e2l_identity::{Authority, Identity};
use e2l_ledger::{Canonical, Digest, Endorsement, Role, SignedVote, Signer, Vote};
use e2l_tests::{Network, TestCollector, event};
use prost::Message;
use std::sync::Arc;
use tonic::Code;

const APPEND: u32 = 1;
const VOTE: u32 = 2;
const SNAPSHOT: u32 = 3;

fn raft_id(stage: &Stage, actor: &str) -> u64 {
    let config = stage.members.config();
    config.actor(actor).unwrap().peer.as_ref().unwrap().raft_id
}

/// One that follows, and so has no say in what the others append.
fn liar(stage: &Stage) -> &'static str {
    let leader = stage.network.wait_for_leader();
    Network::actors()
        .into_iter()
        .find(|actor| *actor != leader)
        .unwrap()
}

/// postcard: numbers of up to seven bits are their own byte.
fn vote_request(term: &[u8], node: u64) -> Vec<u8> {
    [term, &[u8::try_from(node).unwrap(), 0, 0]].concat()
}

/// Claimed sender, target, kind and body; code and part of the answer.
type RaftCase<'a> = (u64, u64, u32, Vec<u8>, Code, &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn raft_messages_in_anothers_name_or_without_sense_are_refused() {
    let mut stage = Stage::set().await;
    let liar = liar(&stage);
    let identity = stage.members.identity(liar, Role::Peer, "peer").unwrap();
    let me = raft_id(&stage, liar);
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for target_actor in Network::actors().into_iter().filter(|actor| *actor != liar) {
        let caller = stage.caller(&identity, target_actor).await;
        let target = raft_id(&stage, target_actor);
        let other = 6 - me - target;
        let spoof = format!("claims to be from node {other}, the certificate is that of node {me}");
        let spoof_self = format!("claims to be from node {target}, the certificate is that of node {me}");
        let stands = format!("node {me} speaks for node {other}");
        let not_me = format!("this peer has Raft id {target}, the message is for {me}");
        let undecoded = "the message cannot be decoded";
        let refused = Code::FailedPrecondition;
        let cases: [RaftCase<'_>; 14] = [
            (other, target, APPEND, vote_request(&[1], other), refused, &spoof),
            (other, target, VOTE, vote_request(&[9], other), refused, &spoof),
            (other, target, SNAPSHOT, Vec::new(), refused, &spoof),
            (
                target,
                target,
                VOTE,
                vote_request(&[9], target),
                refused,
                &spoof_self,
            ),
            (me, me, VOTE, vote_request(&[9], me), refused, &not_me),
            (
                me,
                target,
                0,
                Vec::new(),
                Code::InvalidArgument,
                "0 is not a kind of Raft message",
            ),
            (
                me,
                target,
                99,
                Vec::new(),
                Code::InvalidArgument,
                "99 is not a kind of Raft message",
            ),
            (me, target, APPEND, Vec::new(), refused, undecoded),
            (me, target, APPEND, vec![0xff; 1000], refused, undecoded),
            (
                me,
                target,
                VOTE,
                [vote_request(&[9], me), vec![0]].concat(),
                refused,
                undecoded,
            ),
            (me, target, VOTE, vec![0xff; 1000], refused, undecoded),
            (me, target, SNAPSHOT, vec![0xff; 1000], refused, undecoded),
            // Stands for election for another, and for the end of all terms.
            (me, target, VOTE, vote_request(&[9], other), refused, &stands),
            (
                me,
                target,
                VOTE,
                vote_request(&huge, me),
                refused,
                "is too far ahead of term",
            ),
        ];
        for (sender, target, kind, body, code, says) in cases {
            let what = format!("kind {kind} from {sender} to {target} at {target_actor}");
            let body = body.into();
            let message = wire::RaftRequest {
                sender,
                target,
                kind,
                body,
            };
            let reply = caller.call("Peering/Raft", &message).await.unwrap();
            reply.is(&what, code, says);
        }
        stage.is_unmoved(target_actor).await;
    }
    stage.goes_on(0).await;
}

/// Announces votes with a certificate; what the peer says.
async fn announce(caller: &Caller, signer: &Identity, votes: Vec<Vec<u8>>) -> (Code, String) {
    let message = wire::AnnounceRequest {
        votes: votes.into_iter().map(Bytes::from).collect(),
        certificate: signer.certificate().der().to_vec().into(),
        ..Default::default()
    };
    let status = caller.call("Peering/Announce", &message).await.unwrap().status;
    (status.code(), status.message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_that_are_not_the_callers_do_not_count() {
    let mut stage = Stage::set().await;
    let [liar, other, target] = Network::actors();
    let identity = |actor| stage.members.identity(actor, Role::Peer, "peer").unwrap();
    let (mine, others) = (identity(liar), identity(other));
    let admin = stage.members.identity(liar, Role::Admin, "admin").unwrap();
    let second = stage.issue(liar, Role::Peer, "peer-2", valid());
    let namesake = Authority::create(liar, valid()).unwrap();
    let namesake = issue(
        &namesake,
        &stage.members.config().network,
        member(liar, Role::Peer, "peer"),
        valid(),
    );
    let vote = |network, signer: &Identity| {
        let endorsement = Endorsement {
            network,
            height: 1,
            header: Digest([7; 32]),
        };
        SignedVote::sign(Vote::Endorsement(endorsement), signer)
    };
    let network = stage.members.digest();
    let mut flipped = vote(network, &mine);
    flipped.signature.bytes[3] ^= 1;
    let cases: [(&str, &Identity, Vec<Vec<u8>>, &str); 9] = [
        (
            "another peer's",
            &others,
            vec![vote(network, &others).encode()],
            "not by a voting peer of provider",
        ),
        (
            "an admin's",
            &admin,
            vec![vote(network, &admin).encode()],
            "they are signed by provider/admin/admin",
        ),
        (
            "an unknown peer's",
            &second,
            vec![vote(network, &second).encode()],
            "not by a voting peer",
        ),
        (
            "a namesake's",
            &namesake,
            vec![vote(network, &namesake).encode()],
            "vouches for provider/peer/peer",
        ),
        (
            "another key's",
            &mine,
            vec![vote(network, &others).encode()],
            "height 1: the signature names certificate",
        ),
        (
            "altered",
            &mine,
            vec![flipped.encode()],
            "height 1: the signature does not match",
        ),
        (
            "another network's",
            &mine,
            vec![vote(Digest::ZERO, &mine).encode()],
            "a vote is for network",
        ),
        (
            "garbage",
            &mine,
            vec![vec![1; 50]],
            "signed vote: not the canonical encoding",
        ),
        (
            "too many",
            &mine,
            vec![vec![1]; 1025],
            "1025 votes in one message, at most 1024 are accepted",
        ),
    ];
    let caller = stage.caller(&mine, target).await;
    for (what, signer, votes, says) in cases {
        let (code, text) = announce(&caller, signer, votes).await;
        assert_eq!(code, Code::InvalidArgument, "{what}: {text}");
        assert!(text.contains(says), "{what}: `{text}` does not say `{says}`");
        stage.is_unmoved(what).await;
    }
    stage.goes_on(0).await;
}

struct Forwarded {
    what: &'static str,
    envelope: Bytes,
    certificate: Vec<u8>,
    reason: Reason,
    says: &'static str,
}

/// What a peer brings in a collector's name without having got it from there.
fn forwarded(stage: &Stage) -> Vec<Forwarded> {
    use Reason::{Malformed, SequenceGap, Unauthentic};
    let mut collector = stage.members.collector(2, "provider").unwrap();
    let calls = vec![collector.create_event(event("forged", "start"))];
    let header = collector.header(&calls);
    let good = TestCollector::encode(collector.sign(header.clone(), calls.clone()));
    let mut gap = header.clone();
    (gap.sequence, gap.previous) = (5, Digest([7; 32]));
    let gap = TestCollector::encode(collector.sign(gap, calls.clone()));
    let own = collector.identity.certificate().der().to_vec();
    // A network of the same names: its authority's collector-2 signs what it likes.
    let namesake = Authority::create("provider", valid()).unwrap();
    let name = &stage.members.config().network;
    let namesake = issue(&namesake, name, collector.member(), valid());
    let mut forger = collector.clone();
    forger.identity = Arc::new(namesake);
    let forged = TestCollector::encode(forger.sign(header, calls));
    let honest = stage.honest.identity.certificate().der().to_vec();
    let case = |what, envelope: &Bytes, certificate: &[u8], reason, says| Forwarded {
        what,
        envelope: envelope.clone(),
        certificate: certificate.to_vec(),
        reason,
        says,
    };
    let foreign = forger.identity.certificate().der().to_vec();
    vec![
        case(
            "garbage",
            &Bytes::from_static(b"garbage"),
            &own,
            Malformed,
            "envelope",
        ),
        case(
            "no certificate",
            &good,
            &[],
            Unauthentic,
            "not an X.509 certificate",
        ),
        case(
            "another's certificate",
            &good,
            &honest,
            Unauthentic,
            "as its sender",
        ),
        case(
            "a namesake's",
            &forged,
            &foreign,
            Unauthentic,
            "no certificate authority of actor `provider`",
        ),
        case(
            "forged",
            &forged,
            &own,
            Unauthentic,
            "the signature names certificate",
        ),
        case("a gap", &gap, &own, SequenceGap, "does not follow"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_bring_what_no_collector_signed() {
    let mut stage = Stage::set().await;
    let leader = stage.network.wait_for_leader();
    let liar = liar(&stage);
    let identity = stage.members.identity(liar, Role::Peer, "peer").unwrap();
    let cases = forwarded(&stage);
    let message = wire::ForwardRequest {
        envelopes: cases
            .iter()
            .map(|case| wire::ForwardedEnvelope {
                envelope: case.envelope.clone(),
                certificate: case.certificate.clone().into(),
                ..Default::default()
            })
            .collect(),
    };
    let caller = stage.caller(&identity, &leader).await;
    let reply = caller.call("Peering/Forward", &message).await.unwrap();
    let [answer] = reply.messages.as_slice() else {
        panic!("one answer is expected: {reply:?}");
    };
    let outcomes = wire::ForwardReply::decode(answer.clone()).unwrap().outcomes;
    assert_eq!(outcomes.len(), cases.len());
    for (case, refusal) in cases.iter().zip(outcomes) {
        assert_eq!(
            refusal.reason(),
            case.reason,
            "{}: {}",
            case.what,
            refusal.message
        );
        assert!(
            refusal.message.contains(case.says),
            "{}: {}",
            case.what,
            refusal.message
        );
    }
    stage.is_unmoved("forwarded forgeries").await;

    // Who does not lead takes nothing from peers.
    let follower = Network::actors()
        .into_iter()
        .find(|actor| *actor != leader && *actor != liar)
        .unwrap();
    let caller = stage.caller(&identity, follower).await;
    let reply = caller.call("Peering/Forward", &message).await.unwrap();
    reply.is(
        "forward to a follower",
        Code::Unavailable,
        "this peer does not lead",
    );
    stage.goes_on(0).await;
}
