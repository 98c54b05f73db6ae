//! The stream of envelopes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use e2l_client::{ClientError, Outcome};
use support::{Network, TestPeer, bytes, client};

#[tokio::test]
async fn many_envelopes_through_a_narrow_channel_keep_their_order_and_tags() {
    const COUNT: u64 = 5000;
    let network = Network::new(&["provider"]);
    let peer = TestPeer::start(&network, "provider");
    let stream = client(&network, &[&peer]).submit_stream(8).await.unwrap();
    let (sender, mut receiver) = stream.split();
    let sending = tokio::spawn(async move {
        for tag in 0..COUNT {
            sender.send(tag, bytes(&format!("envelope {tag}"))).await.unwrap();
        }
    });
    for expected in 0..COUNT {
        let (tag, outcome) = receiver.recv().await.unwrap().unwrap();
        let Outcome::Final(done) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(tag, expected);
        assert_eq!(done.outputs, [bytes(&format!("envelope {tag}"))]);
    }
    sending.await.unwrap();
    assert_eq!(
        receiver.recv().await.unwrap(),
        None,
        "everything is answered and the sender is gone"
    );
}

#[tokio::test]
async fn a_refusal_concerns_its_envelope_alone() {
    let network = Network::new(&["provider"]);
    let peer = TestPeer::start(&network, "provider");
    let mut stream = client(&network, &[&peer]).submit_stream(8).await.unwrap();
    assert_eq!(stream.peer().actor, "provider");
    stream.send(1, bytes("conflict")).await.unwrap();
    stream.send(2, bytes("fine")).await.unwrap();
    let (tag, outcome) = stream.recv().await.unwrap().unwrap();
    assert!(
        tag == 1 && matches!(outcome, Outcome::Refusal(_)),
        "{tag} {outcome:?}"
    );
    let (tag, outcome) = stream.recv().await.unwrap().unwrap();
    assert!(
        tag == 2 && matches!(outcome, Outcome::Final(_)),
        "{tag} {outcome:?}"
    );
}

#[tokio::test]
async fn a_killed_peer_ends_both_halves_with_an_error() {
    let network = Network::new(&["provider"]);
    let mut peer = TestPeer::start(&network, "provider");
    let mut stream = client(&network, &[&peer]).submit_stream(1).await.unwrap();
    stream.send(1, bytes("fine")).await.unwrap();
    stream.recv().await.unwrap().unwrap();
    stream.send(2, bytes("hold")).await.unwrap();
    peer.kill();
    let error = stream.recv().await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
    assert!(error.to_string().contains(&peer.socket.to_string()), "{error}");
    assert!(error.is_transient());
    let refused = async { while stream.send(3, bytes("more")).await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), refused)
        .await
        .expect("sending fails as well");
}
