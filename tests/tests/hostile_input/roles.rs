//! Members that call what their role may not.

use super::caller::{Caller, Reply};
use super::stage::{Stage, valid};
use e2l_client::wire;
use e2l_client::wire::refusal::Reason;
use e2l_identity::Identity;
use e2l_ledger::{Role, Signer};
use e2l_tests::{Network, TestCollector, event};
use tonic::Code;

const EVERY_ROLE: [Role; 5] = [
    Role::Peer,
    Role::Collector,
    Role::Admin,
    Role::Client,
    Role::Auditor,
];
const READERS: &str = "only clients, admins, auditors and peers may read the ledger";
const PEERS: &str = "only the network's peers may call this";

/// Method, roles that may call it, what the others are told.
const METHODS: [(&str, &[Role], &str); 11] = [
    (
        "Ledger/Submit",
        &[Role::Collector, Role::Admin],
        "only collectors and admins may submit",
    ),
    ("Ledger/SenderHead", &EVERY_ROLE, ""),
    ("Ledger/Status", &EVERY_ROLE, ""),
    (
        "Ledger/Events",
        &[Role::Client, Role::Admin, Role::Auditor, Role::Peer],
        READERS,
    ),
    (
        "Ledger/Query",
        &[Role::Client, Role::Admin, Role::Auditor, Role::Peer],
        READERS,
    ),
    (
        "Ledger/GetBlock",
        &[Role::Client, Role::Admin, Role::Auditor, Role::Peer],
        READERS,
    ),
    (
        "Ledger/Chaincodes",
        &[Role::Client, Role::Admin, Role::Auditor, Role::Peer],
        READERS,
    ),
    ("Peering/Raft", &[Role::Peer], PEERS),
    ("Peering/Forward", &[Role::Peer], PEERS),
    ("Peering/Announce", &[Role::Peer], PEERS),
    ("Peering/FetchBlocks", &[Role::Peer], PEERS),
];

fn forbidden(reply: &Reply) -> bool {
    reply.reason() == Some(Reason::Forbidden)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_reaches_what_it_may_not() {
    let mut stage = Stage::set().await;
    for role in EVERY_ROLE {
        // The provider's own, so that its certificate is as good as any.
        let identity = match role {
            Role::Peer => stage.issue("provider", role, "peer", valid()),
            _ => stage.issue("provider", role, "someone", valid()),
        };
        let caller = stage.caller(&identity, "developer").await;
        for (method, roles, says) in METHODS {
            let what = format!("{method} by a {role}");
            // An empty message: every field has its default.
            let reply = caller.call(method, &()).await.unwrap();
            if roles.contains(&role) {
                assert!(!forbidden(&reply), "{what}: {reply:?}");
                continue;
            }
            let who = identity.certificate().member().to_string();
            reply.is(&what, Code::PermissionDenied, says);
            reply.is(&what, Code::PermissionDenied, &who);
            reply.is(&what, Code::PermissionDenied, "use an identity with such a role");
            assert!(forbidden(&reply), "{what}: {reply:?}");
        }
    }
    stage.is_unmoved("calls of every role").await;
    stage.goes_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_and_envelopes_of_those_who_may_not_bring_them_are_not_looked_at() {
    let mut stage = Stage::set().await;
    let mut collector = stage.members.collector(2, "provider").unwrap();
    let envelope = TestCollector::encode(collector.batch(vec![event("smuggled", "start")]));
    let forward = wire::ForwardRequest {
        envelopes: vec![wire::ForwardedEnvelope {
            envelope: envelope.clone(),
            certificate: collector.identity.certificate().der().to_vec().into(),
            ..Default::default()
        }],
    };
    // A good batch of a good collector, through a door that is not the sender's.
    let identities: [Identity; 3] = [
        stage.issue("provider", Role::Client, "mallory", valid()),
        stage.issue("provider", Role::Auditor, "mallory", valid()),
        // A certificate for a peer that the configuration does not know.
        stage.issue("provider", Role::Peer, "peer-2", valid()),
    ];
    for identity in identities {
        for actor in Network::actors() {
            let caller: Caller = stage.caller(&identity, actor).await;
            let what = format!("{} at {actor}", identity.certificate().member());
            let is_peer = identity.certificate().member().role == Role::Peer;
            let says = if is_peer {
                "is not the peer that actor `provider` runs"
            } else {
                PEERS
            };
            let reply = caller.call("Peering/Forward", &forward).await.unwrap();
            reply.is(&what, Code::PermissionDenied, says);
            assert!(forbidden(&reply), "{what}");
            let submit = wire::SubmitRequest {
                tag: 1,
                envelope: envelope.clone(),
                ..Default::default()
            };
            let reply = caller.call("Ledger/Submit", &submit).await.unwrap();
            reply.is(
                &what,
                Code::PermissionDenied,
                "only collectors and admins may submit",
            );
            stage.is_unmoved(&what).await;
        }
    }
    // The batch itself was good.
    collector.client.submit(envelope).await.unwrap();
    stage.goes_on(1).await;
}
