//! Those whom TLS lets in nowhere: other networks of the same names, and certificates out of their time.

use super::stage::{Stage, issue, member, valid};
use e2l_client::ClientError;
use e2l_identity::{Authority, Identity, Validity};
use e2l_ledger::Role;
use e2l_tests::{Network, TestCollector, event};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// Whoever calls with it learns why it is refused.
async fn is_refused(stage: &Stage, what: &str, identity: &Identity, says: &str) {
    for actor in Network::actors() {
        let client = stage.members.only(identity, actor).unwrap();
        let error = client.status().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Unreachable { .. }),
            "{what} at {actor}: {error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains(says),
            "{what} at {actor}: `{text}` does not say `{says}`"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_the_same_names_is_another_network() {
    let mut stage = Stage::set().await;
    let network = stage.members.config().network.clone();
    let authority = Authority::create("provider", valid()).unwrap();
    let says = "it does not know the authority that issued our certificate";
    let members = [
        (Role::Peer, "peer"),
        (Role::Admin, "admin"),
        (Role::Client, "client"),
        (Role::Auditor, "auditor"),
        (Role::Collector, "collector-1"),
    ];
    for (role, name) in members {
        let identity = issue(&authority, &network, member("provider", role, name), valid());
        is_refused(&stage, name, &identity, says).await;
    }
    // Its collector does not get through with a batch either.
    let outsider = issue(
        &authority,
        &network,
        member("provider", Role::Collector, "collector-1"),
        valid(),
    );
    let client = stage.members.only(&outsider, "user").unwrap();
    let mut forger = TestCollector::new(Arc::new(outsider), client, stage.members.digest());
    let error = forger.submit(vec![event("forged", "start")]).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    stage.is_unmoved("outsiders").await;
    stage.goes_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_this_network_that_do_not_hold_now_are_refused() {
    let mut stage = Stage::set().await;
    let now = OffsetDateTime::now_utc();
    let time = |from: i64, to: i64| Validity {
        not_before: now + Duration::hours(from),
        not_after: now + Duration::hours(to),
    };
    let out_of_time = "expired or not valid yet: get a new one";
    let unknown = "it does not know the authority";
    let home = stage.members.home("provider", "ca");
    let authority = Authority::load("provider", &home).unwrap();
    let client = member("provider", Role::Client, "client");
    let stranger = Authority::create("stranger", valid()).unwrap();
    let cases = [
        (
            "expired",
            stage.issue("provider", Role::Client, "client", time(-9, -1)),
            out_of_time,
        ),
        (
            "not yet valid",
            stage.issue("provider", Role::Client, "client", time(1, 9)),
            out_of_time,
        ),
        (
            "for another network",
            issue(&authority, "othernet", client, valid()),
            unknown,
        ),
        (
            "of an unknown actor",
            issue(
                &stranger,
                &stage.members.config().network,
                member("stranger", Role::Peer, "peer"),
                valid(),
            ),
            unknown,
        ),
    ];
    for (what, identity, says) in cases {
        is_refused(&stage, what, &identity, says).await;
    }
    stage.is_unmoved("certificates that do not hold").await;
    // The log says whose it was, and what to do.
    let log = stage.network.peer_log("user");
    for part in [
        "its certificate expired at",
        "is not valid before",
        "the certificate is for network `othernet`",
    ] {
        assert!(log.contains(part), "the log does not say `{part}`:\n{log}");
    }
    stage.goes_on(0).await;
}
