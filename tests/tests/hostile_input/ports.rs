//! Bytes on a port that are no TLS, or no HTTP/2 inside it, and floods of connections.

use super::caller::{Caller, tls};
use super::stage::Stage;
use e2l_ledger::Role;
use e2l_tests::{Network, PATIENCE};
use http::Request;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// The peer hangs up.
async fn ends(what: &str, mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // Closed or reset: both are an end.
    assert!(read.is_ok(), "{what}: the peer does not hang up");
}

fn noise(bytes: usize) -> Vec<u8> {
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    };
    std::iter::repeat_n((), bytes)
        .scan(7, |state, ()| next(state))
        .collect()
}

/// An HTTP/2 frame after preface and settings.
fn http2(length: [u8; 3], kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let header = [&length[..], &[kind, flags], &stream.to_be_bytes()].concat();
    [PREFACE, SETTINGS, &header, payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_hung_up_on_at_every_port() {
    let mut stage = Stage::set().await;
    let raw: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n".to_vec()),
        ("HTTP/2 without TLS", [PREFACE, SETTINGS].concat()),
        ("zeros", vec![0; 4096]),
        ("noise", noise(1 << 16)),
        (
            "a TLS record of 64 KiB",
            [&[0x16, 3, 1, 0xff, 0xff][..], &noise(1 << 16)].concat(),
        ),
        ("half a TLS record", vec![0x16, 3, 1, 1, 0, 1, 0, 0]),
        ("an alert", vec![0x15, 3, 3, 0, 2, 2, 40]),
    ];
    let client = stage.members.identity("user", Role::Client, "client").unwrap();
    let inside: [(&str, Vec<u8>); 9] = [
        ("noise", noise(1 << 16)),
        (
            "HTTP/1.1",
            b"POST /event2ledger.v1.Ledger/Submit HTTP/1.1\r\n\r\n".to_vec(),
        ),
        ("an oversized frame", http2([0xff; 3], 0, 0, 1, &noise(1 << 10))),
        ("settings of five bytes", http2([0, 0, 5], 4, 0, 0, &[0; 5])),
        ("headers of no stream", http2([0, 0, 1], 1, 4, 0, &[0x82])),
        (
            "headers that no HPACK decodes",
            http2([0, 0, 8], 1, 5, 1, &[0xff; 8]),
        ),
        ("data on an idle stream", http2([0, 0, 4], 0, 1, 1, &[0; 4])),
        ("a continuation of nothing", http2([0, 0, 1], 9, 4, 1, &[0x82])),
        ("an empty window update", http2([0, 0, 4], 8, 0, 0, &[0; 4])),
    ];
    for actor in Network::actors() {
        let address = stage.members.address(actor).unwrap();
        for (what, bytes) in &raw {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            // The peer may hang up in the middle.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            ends(&format!("{what} at {actor}"), stream).await;
        }
        for (what, bytes) in &inside {
            let config = stage.members.tls(&client).unwrap();
            let mut stream = tls(&address, config).await.unwrap();
            let _ = stream.write_all(bytes).await;
            ends(&format!("{what} inside TLS at {actor}"), stream).await;
        }
        stage.is_unmoved(actor).await;
    }
    stage.goes_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_strangers_neither_shuts_out_members_nor_fills_the_log() {
    let mut stage = Stage::set().await;
    let address = stage.members.address("developer").unwrap();
    // More silent connections than handshakes may be under way.
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    stage.is_unmoved("400 silent connections").await;
    drop(silent);

    let refusals = |log: &str| {
        log.lines()
            .filter(|line| line.contains("connection refused"))
            .count()
    };
    let (before, began) = (refusals(&stage.network.peer_log("developer")), Instant::now());
    for _ in 0..2000 {
        let mut stranger = TcpStream::connect(&address).await.unwrap();
        let _ = stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        ends("a stranger", stranger).await;
    }
    let lines = refusals(&stage.network.peer_log("developer")) - before;
    // One line a second and reason; few reasons are met here.
    let bound = usize::try_from(began.elapsed().as_secs()).unwrap() * 3 + 6;
    assert!(
        lines <= bound,
        "2000 strangers cost {lines} lines, more than {bound}"
    );
    let log = stage.network.peer_log("developer");
    assert!(log.contains("the other side does not speak TLS"), "{log}");
    stage.goes_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_dropped_cost_their_connection_at_most() {
    let mut stage = Stage::set().await;
    let client = stage.members.identity("user", Role::Client, "client").unwrap();
    for actor in Network::actors() {
        let address = stage.members.address(actor).unwrap();
        let stream = tls(&address, stage.members.tls(&client).unwrap()).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        for _ in 0..5000 {
            // Once the peer has had enough, nothing more can be sent.
            let Ok(mut ready) = sender.ready().await else {
                break;
            };
            let request = Request::post("https://peer/event2ledger.v1.Ledger/Status")
                .body(())
                .unwrap();
            let Ok((_, mut stream)) = ready.send_request(request, false) else {
                break;
            };
            stream.send_reset(h2::Reason::CANCEL);
            sender = ready;
        }
        connection.abort();
        let caller: Caller = stage.caller(&client, actor).await;
        let reply = caller.call("Ledger/Status", &()).await.unwrap();
        reply.is(actor, tonic::Code::Ok, "");
        stage.is_unmoved(actor).await;
    }
    stage.goes_on(0).await;
}
