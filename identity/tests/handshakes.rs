//! TLS between members over loopback: who is let in, who is not, and what each side is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_identity::{ExpectedPeer, Identity, client_config, server_config};
use e2l_ledger::{Role, Signer};
use rustls::HandshakeKind;
use support::link::{Shaken, careless, careless_server, shake};
use support::{Forger, NETWORK, Two, expired, identity, member, not_yet_valid, valid};

/// A caller with this identity at the provider's peer.
async fn call(two: &Two, caller: &Identity) -> Shaken {
    call_expecting(two, caller, ExpectedPeer::Any).await
}

async fn call_expecting(two: &Two, caller: &Identity, expected: ExpectedPeer) -> Shaken {
    let peer = two.of_provider(Role::Peer, "peer");
    let server = server_config(&peer, two.trust()).unwrap();
    shake(server, client_config(caller, two.trust(), expected).unwrap()).await
}

/// A good caller at a server with this identity.
async fn meet(two: &Two, server: &Identity) -> Shaken {
    let caller = two.of_provider(Role::Client, "client");
    let server = server_config(server, two.trust()).unwrap();
    shake(
        server,
        client_config(&caller, two.trust(), ExpectedPeer::Any).unwrap(),
    )
    .await
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{text}` does not say `{part}`");
    }
}

#[tokio::test]
async fn members_of_every_role_are_let_in() {
    let two = Two::new();
    for role in [
        Role::Peer,
        Role::Collector,
        Role::Admin,
        Role::Client,
        Role::Auditor,
    ] {
        let shaken = call(&two, &two.of_provider(role, "someone")).await;
        assert!(
            shaken.server.is_ok() && shaken.client.is_ok(),
            "{role}: {shaken:?}"
        );
    }
    let shaken = call(&two, &two.user_peer()).await;
    assert!(shaken.server.is_ok() && shaken.client.is_ok(), "{shaken:?}");
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let two = Two::new();
    let server = server_config(&two.of_provider(Role::Peer, "peer"), two.trust()).unwrap();
    let careful = client_config(&two.user_peer(), two.trust(), ExpectedPeer::Any).unwrap();
    // A client that keeps every ticket it is given, and would resume.
    let member = member("provider", Role::Client, "client");
    let issued = two.provider.issue(NETWORK, &member, valid(), &[]).unwrap();
    let key = rcgen::KeyPair::from_pem(&issued.key_pem).unwrap().serialize_der();
    let keeping = careless(Some((issued.certificate_der.clone(), key)));
    for client in [careful, keeping] {
        for _ in 0..3 {
            let shaken = shake(server.clone(), client.clone()).await;
            assert_eq!(shaken.server, Ok(HandshakeKind::Full));
            assert_eq!(shaken.client, Ok(HandshakeKind::Full));
        }
    }
    assert_eq!(server.send_tls13_tickets, 0);
}

#[tokio::test]
async fn a_caller_without_certificate_is_refused() {
    let two = Two::new();
    let server = server_config(&two.of_provider(Role::Peer, "peer"), two.trust()).unwrap();
    let shaken = shake(server, careless(None)).await;
    says(shaken.server_says(), &["peer sent no certificates"]);
    says(shaken.client_says(), &["CertificateRequired"]);
}

#[tokio::test]
async fn a_certificate_of_a_namesake_authority_is_refused_on_both_sides() {
    let (two, other) = (Two::new(), Two::new());
    let shaken = call(&two, &other.of_provider(Role::Client, "client")).await;
    says(shaken.server_says(), &["UnknownIssuer"]);
    says(shaken.client_says(), &["UnknownCA"]);
    let shaken = meet(&two, &other.of_provider(Role::Peer, "peer")).await;
    says(
        shaken.client_says(),
        &[
            "no certificate authority of actor `provider` vouches for provider/peer/peer",
            "check that both sides are of the same network",
        ],
    );
}

#[tokio::test]
async fn a_certificate_of_an_unknown_actor_or_network_is_refused() {
    let two = Two::new();
    let stranger = e2l_identity::Authority::create("stranger", valid()).unwrap();
    let cases = [
        (
            &stranger,
            "stranger",
            NETWORK,
            "actor `stranger` is not a member of this network",
        ),
        (
            &two.provider,
            "provider",
            "othernet",
            "the certificate is for network `othernet`",
        ),
    ];
    for (authority, actor, network, why) in cases {
        let peer = member(actor, Role::Peer, "peer");
        let peer = identity(&authority.issue(network, &peer, valid(), &[]).unwrap());
        let shaken = meet(&two, &peer).await;
        says(
            shaken.client_says(),
            &[why, "check that both sides are of the same network"],
        );
        let shaken = call(&two, &peer).await;
        says(shaken.server_says(), &["UnknownIssuer"]);
        says(shaken.client_says(), &["UnknownCA"]);
    }
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused() {
    let two = Two::new();
    let cases = [
        (
            expired(),
            "Expired",
            "its certificate expired at 2",
            "it needs a new one",
        ),
        (
            not_yet_valid(),
            "NotValidYet",
            "its certificate is not valid before 2",
            "compare the clocks",
        ),
    ];
    for (validity, alerted, why, remedy) in cases {
        let shaken = call(&two, &two.in_time(Role::Client, "client", validity)).await;
        says(shaken.server_says(), &[alerted]);
        says(shaken.client_says(), &["CertificateExpired"]);
        let shaken = meet(&two, &two.in_time(Role::Peer, "peer", validity)).await;
        says(shaken.client_says(), &["provider/peer/peer", why, remedy]);
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_at_the_next_handshake() {
    let mut two = Two::new();
    let (caller, peer) = (two.of_provider(Role::Client, "client"), two.user_peer());
    assert!(call(&two, &caller).await.server.is_ok());
    assert!(meet(&two, &peer).await.client.is_ok());
    let revoked = [caller.certificate().digest(), peer.certificate().digest()];
    two.config.revoked.extend(revoked);
    let shaken = call(&two, &caller).await;
    says(shaken.server_says(), &["Revoked"]);
    says(shaken.client_says(), &["CertificateRevoked"]);
    let shaken = meet(&two, &peer).await;
    says(
        shaken.client_says(),
        &["user/peer/peer: its certificate is revoked", "it needs a new one"],
    );
}

#[tokio::test]
async fn only_the_expected_peer_is_talked_to() {
    let two = Two::new();
    let shaken = meet(&two, &two.of_provider(Role::Collector, "collector-1")).await;
    says(
        shaken.client_says(),
        &[
            "provider/collector/collector-1: it answers where a peer was expected",
            "correct the address",
        ],
    );
    assert!(shaken.server.is_err(), "the server notices: {shaken:?}");
    let caller = two.of_provider(Role::Client, "client");
    let expected = |actor| ExpectedPeer::Member(member(actor, Role::Peer, "peer"));
    let shaken = call_expecting(&two, &caller, expected("user")).await;
    says(
        shaken.client_says(),
        &[
            "provider/peer/peer: it answers where user/peer/peer was expected",
            "find out who took it",
        ],
    );
    assert!(
        call_expecting(&two, &caller, expected("provider"))
            .await
            .client
            .is_ok()
    );
}

#[tokio::test]
async fn a_certificate_that_names_two_members_or_none_is_refused() {
    let mut two = Two::new();
    let forger = Forger::new();
    two.config.actors[0].authorities.push(forger.der.clone());
    let (peer, admin) = (
        "spiffe://testnet/provider/peer/peer",
        "spiffe://testnet/provider/admin/peer",
    );
    let cases: [(&[&str], &str, &str); 5] = [
        (
            &[peer, admin],
            "peer",
            "has 2 URI names; exactly one, a SPIFFE id, is required",
        ),
        (&[], "peer", "has 0 URI names"),
        (
            &["https://testnet/provider/peer/peer"],
            "peer",
            "is not of the form spiffe://",
        ),
        (
            &[peer],
            "admin",
            "CommonName `admin` is not the name in its SPIFFE id `peer`",
        ),
        (
            &[peer],
            "x\nALARM forged line",
            "CommonName `x?ALARM forged line` is not",
        ),
    ];
    for (uris, common_name, why) in cases {
        let forged = forger.forge(uris, common_name);
        let server = server_config(&two.of_provider(Role::Peer, "peer"), two.trust()).unwrap();
        let shaken = shake(server, careless(Some(forged.clone()))).await;
        says(shaken.server_says(), &["BadEncoding"]);
        says(shaken.client_says(), &["BadCertificate"]);

        let caller = two.of_provider(Role::Client, "client");
        let client = client_config(&caller, two.trust(), ExpectedPeer::Any).unwrap();
        let shaken = shake(careless_server(forged), client).await;
        says(
            shaken.client_says(),
            &[why, "use one that the actor's authority issued"],
        );
    }
    // The same with one URI that fits is let in: it is the names that were refused.
    let server = server_config(&two.of_provider(Role::Peer, "peer"), two.trust()).unwrap();
    let shaken = shake(server, careless(Some(forger.forge(&[peer], "peer")))).await;
    assert!(shaken.server.is_ok(), "{shaken:?}");
}

#[tokio::test]
async fn tls_1_2_is_not_spoken() {
    let two = Two::new();
    let config = server_config(&two.of_provider(Role::Peer, "peer"), two.trust()).unwrap();
    let mut server = rustls::ServerConnection::new(config).unwrap();
    let mut hello: &[u8] = &tls12_hello();
    while !hello.is_empty() {
        server.read_tls(&mut hello).unwrap();
    }
    let error = server.process_new_packets().unwrap_err();
    assert!(matches!(error, rustls::Error::PeerIncompatible(_)), "{error:?}");
    let mut alert = Vec::new();
    server.write_tls(&mut alert).unwrap();
    // Fatal, protocol_version.
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70]);

    // The other way round: a server of 1.2 alone, which answers with its ServerHello.
    let client = client_config(&two.user_peer(), two.trust(), ExpectedPeer::Any).unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(client, name).unwrap();
    client.write_tls(&mut std::io::sink()).unwrap();
    client.read_tls(&mut &tls12_server_hello()[..]).unwrap();
    let error = client.process_new_packets().unwrap_err();
    assert!(matches!(error, rustls::Error::PeerIncompatible(_)), "{error:?}");
}

fn record(kind: u8, message: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let mut record = vec![22, 3, 3];
    record.extend(length(message.len() + 4));
    record.extend([kind, 0]);
    record.extend(length(message.len()));
    record.extend(message);
    record
}

/// A ClientHello as before TLS 1.3: no supported_versions.
fn tls12_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    // No session, one suite (ECDHE-ECDSA-AES128-GCM-SHA256), no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    // signature_algorithms: ed25519, ecdsa_secp256r1_sha256; supported_groups: x25519.
    let extensions = [0, 13, 0, 6, 0, 4, 8, 7, 4, 3, 0, 10, 0, 4, 0, 2, 0, 29];
    hello.extend([0, extensions.len() as u8]);
    hello.extend(extensions);
    record(1, &hello)
}

/// A ServerHello as before TLS 1.3.
fn tls12_server_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    hello.extend([0, 0xc0, 0x2b, 0]);
    record(2, &hello)
}
