//! gRPC messages that are none, and questions that make no sense.

use super::caller::{Caller, Reply, frame, framed_as};
use super::stage::Stage;
use bytes::Bytes;
use e2l_client::wire;
use e2l_client::wire::refusal::Reason;
use e2l_ledger::Role;
use prost::Message;
use tonic::Code;

const LEDGER: [&str; 7] = [
    "Ledger/Submit",
    "Ledger/SenderHead",
    "Ledger/Events",
    "Ledger/Query",
    "Ledger/GetBlock",
    "Ledger/Status",
    "Ledger/Chaincodes",
];
const PEERING: [&str; 4] = [
    "Peering/Raft",
    "Peering/Forward",
    "Peering/Announce",
    "Peering/FetchBlocks",
];

/// A body, and what must come of it.
fn bodies() -> [(&'static str, Bytes, Code, &'static str); 8] {
    let (internal, range) = (Code::Internal, Code::OutOfRange);
    let unreadable = "failed to decode Protobuf message";
    [
        ("half a frame", Bytes::from_static(&[0, 0, 0]), internal, "EOF"),
        (
            "a message cut short",
            framed_as(0, 100, &[8; 10]),
            internal,
            "EOF",
        ),
        (
            "a message over 64 MiB",
            framed_as(0, (64 << 20) + 1, &[0; 64]),
            range,
            "too large",
        ),
        (
            "a message of 4 GiB",
            framed_as(0, u32::MAX, &[]),
            range,
            "too large",
        ),
        ("compression", framed_as(1, 4, &[8; 4]), internal, "compressed"),
        (
            "an unknown flag",
            framed_as(7, 4, &[8; 4]),
            internal,
            "invalid compression flag",
        ),
        ("garbage", frame(&[0xff; 64]), internal, unreadable),
        ("a field cut short", frame(&[0x0a, 0x7f, 1]), internal, unreadable),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_answered_with_what_is_wrong_with_it() {
    let mut stage = Stage::set().await;
    // Who may call all of it: else nobody would read the body.
    let admin = stage.members.identity("user", Role::Admin, "admin").unwrap();
    let peer = stage.members.identity("user", Role::Peer, "peer").unwrap();
    let of_admin = stage.caller(&admin, "developer").await;
    let of_peer = stage.caller(&peer, "developer").await;
    let methods = LEDGER.map(|method| (method, &of_admin)).into_iter();
    for (method, caller) in methods.chain(PEERING.map(|method| (method, &of_peer))) {
        for (body, bytes, code, says) in bodies() {
            let what = format!("{method}: {body}");
            let reply = caller.raw(method, bytes).await.unwrap();
            reply.is(&what, code, says);
        }
        // A stream may end before its first message.
        if !["Ledger/Submit", "Peering/Announce"].contains(&method) {
            let reply = caller.raw(method, Bytes::new()).await.unwrap();
            reply.is(method, Code::Internal, "Missing request message");
        }
    }
    for method in ["Ledger/Nonsense", "Nonsense/Submit", "Peering/submit"] {
        let reply = of_peer.call(method, &()).await.unwrap();
        reply.is(method, Code::Unimplemented, "");
    }
    stage.is_unmoved("malformed messages").await;
    stage.goes_on(0).await;
}

fn query(chaincode: &str, function: &str, argument: &[u8]) -> wire::QueryRequest {
    wire::QueryRequest {
        chaincode: chaincode.to_owned(),
        function: function.to_owned(),
        argument: argument.to_vec().into(),
        at_height: 0,
    }
}

async fn ask(caller: &Caller, method: &str, message: &impl Message) -> Reply {
    caller.call(method, message).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_without_sense_are_answered_with_what_to_correct() {
    use Code::{InvalidArgument, NotFound};
    let mut stage = Stage::set().await;
    let client = stage.members.identity("user", Role::Client, "client").unwrap();
    let caller = stage.caller(&client, "user").await;

    let queries = [
        (query("nonsense", "getHistory", b"{}"), NotFound, "nonsense"),
        (query("", "", b""), NotFound, ""),
        (
            query("eventdb", "nonsense", b"{}"),
            InvalidArgument,
            "the functions are createEvent, getHistory",
        ),
        (
            query("eventdb", "createEvent", b"{}"),
            InvalidArgument,
            "no function `createEvent` of this kind",
        ),
        (query("eventdb", "getHistory", b""), InvalidArgument, ""),
        (query("eventdb", "getHistory", b"{"), InvalidArgument, ""),
        (query("eventdb", "getHistory", &[0xff; 100]), InvalidArgument, ""),
        (
            query("eventdb", "getHistory", &[b'['; 200_000]),
            InvalidArgument,
            "",
        ),
        (
            query("eventdb", "getHistory", &[b' '; 262_145]),
            InvalidArgument,
            "at most 262144 are accepted",
        ),
    ];
    for (query, code, says) in queries {
        let what = format!("{}.{}", query.chaincode, query.function);
        let reply = ask(&caller, "Ledger/Query", &query).await;
        reply.is(&what, code, says);
        assert!(!reply.status.message().is_empty(), "{what}: no reason");
    }

    for sender in [
        "nonsense",
        "a/b",
        "provider/collector/x/y",
        "provider/king/x",
        "//",
    ] {
        let head = wire::SenderHeadRequest {
            sender: sender.to_owned(),
            prove: true,
        };
        ask(&caller, "Ledger/SenderHead", &head)
            .await
            .is(sender, InvalidArgument, "");
    }
    let unknown = wire::SenderHeadRequest {
        sender: "nobody/collector/nowhere".to_owned(),
        prove: false,
    };
    let reply = ask(&caller, "Ledger/SenderHead", &unknown).await;
    reply.is("an unknown sender", Code::Ok, "");
    let head = wire::SenderHeadReply::decode(reply.messages[0].clone()).unwrap();
    assert_eq!((head.incarnation, head.sequence, head.height), (0, 0, 1));

    for height in [0, 2, u64::MAX] {
        let block = wire::GetBlockRequest { height };
        ask(&caller, "Ledger/GetBlock", &block)
            .await
            .is("a block", NotFound, "final heights are 1 to 1");
    }
    stage.is_unmoved("questions").await;
    stage.goes_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_at_their_ends_harm_nobody() {
    let mut stage = Stage::set().await;
    let peer = stage.members.identity("provider", Role::Peer, "peer").unwrap();
    let caller = stage.caller(&peer, "user").await;
    for (from_height, limit, newest, found) in [
        (u64::MAX, 0, false, 0),
        (u64::MAX, u64::MAX, true, 1),
        (0, u64::MAX, false, 1),
        (0, u64::MAX, true, 1),
    ] {
        let filter = wire::EventFilter {
            since_nano: i64::MIN,
            until_nano: i64::MAX,
            ..Default::default()
        };
        let events = wire::EventsRequest {
            from_height,
            limit,
            newest,
            filter: Some(filter),
            follow: false,
        };
        let reply = ask(&caller, "Ledger/Events", &events).await;
        reply.is("events", Code::Ok, "");
        let events: usize = reply
            .messages
            .iter()
            .map(|message| wire::EventsReply::decode(message.clone()).unwrap().events.len())
            .sum();
        assert_eq!(events, found, "from {from_height}, newest {newest}");
    }
    for (from_height, limit, found) in [(u64::MAX, u32::MAX, 0), (0, u32::MAX, 1), (1, 0, 0), (2, 1, 0)] {
        let blocks = wire::FetchBlocksRequest { from_height, limit };
        let reply = ask(&caller, "Peering/FetchBlocks", &blocks).await;
        reply.is("blocks", Code::Ok, "");
        assert_eq!(reply.messages.len(), found, "from {from_height}, at most {limit}");
    }
    let many = wire::ForwardRequest {
        envelopes: vec![wire::ForwardedEnvelope::default(); 4097],
    };
    let leader = stage.network.wait_for_leader();
    // No peer calls itself: whoever does not lead calls the leader.
    let other = if leader == "provider" { "user" } else { "provider" };
    let peer = stage.members.identity(other, Role::Peer, "peer").unwrap();
    let caller = stage.caller(&peer, &leader).await;
    let reply = ask(&caller, "Peering/Forward", &many).await;
    reply.is(
        "too many envelopes",
        Code::InvalidArgument,
        "4097 envelopes in one message, at most 4096",
    );
    assert_eq!(reply.reason(), Some(Reason::Malformed));
    stage.is_unmoved("numbers").await;
    stage.goes_on(0).await;
}
