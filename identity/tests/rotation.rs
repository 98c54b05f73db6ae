//! A process's identity changes while it runs: which successors it takes, and what its handshakes show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_identity::{
    CurrentIdentity, ExpectedPeer, Identity, Unfit, client_config, introduction_config, server_config,
};
use e2l_ledger::{Certificate, Role, Signer};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use support::link::shake;
use support::{NETWORK, Two, expired, identity, member, now, valid};

fn now_nano() -> i64 {
    i64::try_from(now().unix_timestamp_nanos()).unwrap()
}

/// Takes a successor if it fits.
fn take(two: &Two, current: &CurrentIdentity, candidate: Identity) -> Result<bool, Unfit> {
    let successor = current.judge(candidate, &two.config, now_nano())?;
    let taken = successor.is_some();
    if let Some(successor) = successor {
        current.publish(successor);
    }
    Ok(taken)
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut two = Two::new();
    let first = two.of_provider(Role::Collector, "collector-1");
    let digest = first.certificate().digest();
    let current = CurrentIdentity::new(first);
    let other = Two::new();
    let revoked = two.of_provider(Role::Collector, "collector-1");
    two.config.revoked.insert(revoked.certificate().digest());
    let elsewhere = member("provider", Role::Collector, "collector-1");
    let elsewhere = two.provider.issue("othernet", &elsewhere, valid(), &[]).unwrap();
    let cases = [
        (
            two.of_provider(Role::Collector, "collector-2"),
            "it is that of provider/collector/collector-2",
        ),
        (
            two.of_provider(Role::Peer, "collector-1"),
            "it is that of provider/peer/collector-1",
        ),
        (identity(&elsewhere), "in network `othernet`"),
        (
            other.of_provider(Role::Collector, "collector-1"),
            "no certificate authority of actor `provider` vouches",
        ),
        (
            two.in_time(Role::Collector, "collector-1", expired()),
            "no certificate authority of actor `provider` vouches",
        ),
        (revoked, "is revoked"),
    ];
    for (candidate, why) in cases {
        let error = take(&two, &current, candidate).unwrap_err().to_string();
        assert!(error.contains(why), "`{error}` does not say `{why}`");
        assert_eq!(current.get().certificate().digest(), digest);
    }
    // What the configuration did not trust before it may trust later.
    let early = other.of_provider(Role::Collector, "collector-1");
    let authority = other.provider.certificate_der().to_vec();
    two.config.actors[0].authorities.push(authority);
    let mut followed = current.watch();
    assert!(take(&two, &current, early).unwrap());
    assert!(followed.has_changed().unwrap());
    assert_ne!(followed.borrow_and_update().certificate().digest(), digest);
}

#[test]
fn the_one_in_use_is_no_successor() {
    let two = Two::new();
    let issued = two
        .provider
        .issue(NETWORK, &member("provider", Role::Collector, "it"), valid(), &[])
        .unwrap();
    let current = CurrentIdentity::new(identity(&issued));
    let followed = current.watch();
    assert!(!take(&two, &current, identity(&issued)).unwrap());
    assert!(!followed.has_changed().unwrap());
}

#[tokio::test]
async fn each_handshake_shows_the_identity_in_use() {
    let mut two = Two::new();
    let server = CurrentIdentity::new(two.of_provider(Role::Peer, "peer"));
    let client = CurrentIdentity::new(two.of_provider(Role::Client, "client"));
    let first = [&server, &client].map(|side| side.get().certificate().digest());
    let trust = two.trust();
    let (listening, calling) = (
        server_config(&server, trust.clone()).unwrap(),
        client_config(&client, trust, ExpectedPeer::Any).unwrap(),
    );
    let shaken = shake(listening.clone(), calling.clone()).await;
    assert!(shaken.server.is_ok() && shaken.client.is_ok(), "{shaken:?}");

    // Configurations that trust the old ones no more tell which are shown.
    assert!(take(&two, &server, two.of_provider(Role::Peer, "peer")).unwrap());
    assert!(take(&two, &client, two.of_provider(Role::Client, "client")).unwrap());
    two.config.revoked.extend(first);
    let strict = client_config(&client, two.trust(), ExpectedPeer::Any).unwrap();
    let shaken = shake(listening, strict).await;
    assert!(shaken.client.is_ok(), "the server shows its old one: {shaken:?}");
    let strict = server_config(&server, two.trust()).unwrap();
    let shaken = shake(strict, calling).await;
    assert!(shaken.server.is_ok(), "the client shows its old one: {shaken:?}");
}

#[tokio::test]
async fn an_introduction_trusts_nobody_and_takes_only_a_peer_of_this_network() {
    let (two, changed) = (Two::new(), Two::new());
    let caller = two.of_provider(Role::Client, "client");
    let introduction = introduction_config(&caller, NETWORK).unwrap();
    // The server trusts the caller; the caller does not know the server's authority.
    let mut knows_both = two.config.clone();
    knows_both.actors[0]
        .authorities
        .push(changed.provider.certificate_der().to_vec());
    let trust: std::sync::Arc<dyn e2l_identity::Trust> =
        std::sync::Arc::new(e2l_identity::StaticTrust(std::sync::Arc::new(knows_both)));
    let elsewhere = member("provider", Role::Peer, "peer");
    let elsewhere = changed
        .provider
        .issue("othernet", &elsewhere, valid(), &[])
        .unwrap();
    let cases = [
        (changed.of_provider(Role::Peer, "peer"), None),
        (
            changed.of_provider(Role::Client, "client"),
            Some("a peer of network `testnet`"),
        ),
        (identity(&elsewhere), Some("a peer of network `testnet`")),
    ];
    for (server, refused) in cases {
        let listening = server_config(&server, trust.clone()).unwrap();
        let shaken = shake(listening.clone(), introduction.clone()).await;
        match refused {
            None => assert!(shaken.client.is_ok() && shaken.server.is_ok(), "{shaken:?}"),
            Some(why) => assert!(shaken.client_says().contains(why), "{shaken:?}"),
        }
        let usual = client_config(&caller, two.trust(), ExpectedPeer::Any).unwrap();
        assert!(shake(listening, usual).await.client.is_err(), "it is trusted");
    }
}

/// The provider's authority as an agent has it, with a P-256 key, issuing for P-256 keys.
#[tokio::test]
async fn a_p_256_key_signs_and_shakes_hands() {
    let mut two = Two::new();
    let authority = support::Forger::with(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    two.config.actors[0].authorities = vec![authority.der.clone()];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let der = authority.issue(&["spiffe://testnet/provider/peer/peer"], "peer", &key);
    let certificate = Certificate::parse(&der).unwrap();
    certificate.check(&two.config, now_nano()).unwrap();
    let peer = Identity::new(certificate.clone(), &key.serialize_der()).unwrap();
    let digest = e2l_ledger::Digest([7; 32]);
    peer.sign(&digest).verify(&digest, &certificate).unwrap();

    let server = server_config(&peer, two.trust()).unwrap();
    let client = client_config(&two.user_peer(), two.trust(), ExpectedPeer::Any).unwrap();
    let shaken = shake(server, client).await;
    assert!(shaken.server.is_ok() && shaken.client.is_ok(), "{shaken:?}");

    // A key of the other kind, and another key of the same kind.
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let error = Identity::new(certificate.clone(), &ed25519.serialize_der()).unwrap_err();
    assert!(error.to_string().contains("of the kind"), "{error}");
    let another = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let error = Identity::new(certificate, &another.serialize_der()).unwrap_err();
    assert!(error.to_string().contains("does not belong to it"), "{error}");
}
