//! Certificates and authorities are replaced, and certificates revoked, while events flow: nothing is lost, and nobody
//! else's request fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_client::{Introduction, LedgerClient, PeerAddress};
use e2l_identity::{ExpectedPeer, Identity, client_config, introduction_config, read_certificate};
use e2l_ledger::proof::FinalHeaderProof;
use e2l_ledger::{Block, Canonical, Certificate, Digest, Envelope};
use e2l_tests::{
    AgentAuthority, CollectorProcess, Members, Network, PATIENCE, SteadyLoad, WorkloadAgent, eventually,
    said, wait_until,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// In which a peer that was away gets the proofs of what it missed.
const PROVEN: Duration = Duration::from_secs(30);
/// Events a second of the collectors.
const RATE: f64 = 300.0;
/// What a daemon says when it has taken a new certificate.
const TAKEN: &str = "this process has a new certificate";
/// Within this time after its revocation a certificate's connections are closed.
const CUT_OFF: Duration = Duration::from_secs(5);

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All actors approve what one of them proposes.
fn decide(network: &Network, actor: &str, proposal: &[&str]) {
    let id = network.run(actor, proposal);
    for other in Network::actors().into_iter().filter(|other| *other != actor) {
        network.run(other, &["proposal", "approve", &id]);
    }
}

fn digest_of(certificate: &Path) -> Digest {
    Certificate::parse(&read_certificate(certificate).unwrap())
        .unwrap()
        .digest()
}

/// Certificate files of an actor's members; the provider has a collector.
fn certificates(network: &Network, actor: &str) -> Vec<PathBuf> {
    let home = network.root().join("actors").join(actor);
    let members = ["peer", "admin", "client"].map(|role| home.join(role).join(format!("{role}.pem")));
    let collector = home.join("collector-1/collector.pem");
    members
        .into_iter()
        .chain(collector.exists().then_some(collector))
        .collect()
}

/// Renews all certificates of an actor, from another authority if one is named, and waits until its daemons use them.
/// Returns copies of the old ones.
fn renew(network: &Network, actor: &str, authority: Option<&Path>) -> Vec<PathBuf> {
    let files = certificates(network, actor);
    let mut old = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let copy = network
            .root()
            .join(format!("old-{actor}-{number}-{}.pem", nanos()));
        std::fs::copy(file, &copy).unwrap();
        old.push(copy);
    }
    let taken = |log: String| log.matches(TAKEN).count();
    let before = (taken(network.peer_log(actor)), taken(network.collector_log(1)));
    let mut command = vec!["cert", "renew"];
    command.extend(files.iter().map(|file| text(file)));
    if let Some(authority) = authority {
        command.extend(["--authority", text(authority)]);
    }
    network.run(actor, &command);
    let collects = files.len() > 3;
    wait_until("the daemons use their new certificates", PATIENCE, || {
        let peer = taken(network.peer_log(actor)) > before.0;
        let collector = !collects || taken(network.collector_log(1)) > before.1;
        (peer && collector).then_some(())
    });
    old
}

fn nanos() -> u128 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

/// Waits until a final block shows that its leader, its endorsers or its batches use each of these certificates.
async fn all_in_use(members: &Members, asked: &str, mut wanted: BTreeSet<Digest>) {
    let reader = members.reader(asked).unwrap();
    let mut height = reader.status().await.unwrap().final_height.max(1);
    while !wanted.is_empty() {
        let block = eventually("the next block", PATIENCE, || {
            let reader = reader.clone();
            async move { Ok(reader.block(height).await?) }
        })
        .await
        .unwrap();
        let finality = FinalHeaderProof::decode(&block.finality).unwrap();
        for der in &finality.certificates {
            wanted.remove(&Certificate::parse(der).unwrap().digest());
        }
        let block = Block::decode(&block.block).unwrap();
        for envelope in &block.proposal.envelopes {
            if let Envelope::Batch(batch) = &**envelope {
                wanted.remove(&batch.signature.certificate);
            }
        }
        wanted.remove(&block.proposal.signature.certificate);
        height += 1;
    }
}

/// Every event that the collector has invented is on the ledger once, in its order, and was valid.
fn is_complete(events: &[Value], sender: &str) -> u64 {
    let of = events.iter().filter(|event| event["sender"] == sender);
    let sequences: Vec<u64> = of.map(|event| event["sequence"].as_u64().unwrap()).collect();
    let count = sequences.len() as u64;
    assert!(count > 0, "{sender} has brought nothing");
    assert!(
        sequences.into_iter().eq(1..=count),
        "lost, doubled or out of order"
    );
    let invalid: Vec<&Value> = events
        .iter()
        .filter(|event| event["validation_code"] != "VALID")
        .collect();
    assert!(invalid.is_empty(), "{invalid:?}");
    count
}

/// A collector that goes on until it is stopped.
fn start_collector(network: &Network, number: usize) -> CollectorProcess {
    network.configure_synthetic(number, RATE, 1_000_000);
    CollectorProcess::synthetic(network, number)
}

/// A client that follows the configuration from the genesis on, at one actor's peer.
fn follower(network: &Network, members: &Members, actor: &str) -> LedgerClient {
    let home = network.root().join("actors").join(actor).join("client");
    let identity = Identity::load(&home.join("client.pem"), &home.join("client.key")).unwrap();
    let anchor = std::sync::Arc::new(members.anchor());
    let tls = client_config(&identity, anchor.clone(), ExpectedPeer::Any).unwrap();
    let introduction = introduction_config(&identity, &members.config().network).unwrap();
    let peers = PeerAddress::voters(members.config(), Some(actor));
    let client = LedgerClient::following(
        peers,
        &tls,
        e2l_client::ClientOptions::default(),
        Introduction::new(introduction, anchor),
    );
    client.unwrap().only(actor).unwrap()
}

/// Everything that was collected is on the ledger, and everything on the ledger holds.
async fn finish(network: &Network, members: &Members, collector: CollectorProcess) {
    collector.stop(network);
    let log = network.collector_log(1);
    assert!(!log.contains("before everything was final"), "{log}");
    members.settled(&Network::actors(), 1).await.unwrap();
    is_complete(&network.events("user"), "collector-1");
    let audit = network.e2l("user", &["audit", "--replay"]);
    assert!(audit.status.success(), "{}", said(&audit));
    for actor in Network::actors() {
        let status = members.reader(actor).unwrap().status().await.unwrap();
        assert!(status.alarms.is_empty(), "{actor}: {:?}", status.alarms);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_certificate_of_an_actor_and_of_the_leader_is_replaced_under_load_and_the_old_ones_revoked() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let leader = network.wait_for_leader();
    let others = Network::actors().into_iter().rev();
    let steady = others
        .into_iter()
        .find(|actor| *actor != leader && *actor != "provider")
        .unwrap();
    let collector = start_collector(&network, 1);
    let mut load = SteadyLoad::start(&network, &members, steady).unwrap();
    load.progress(5).await.unwrap();
    let before = members.reader(steady).unwrap().status().await.unwrap();

    let mut old = renew(&network, "provider", None);
    let mut renewed = certificates(&network, "provider");
    if leader != "provider" {
        old.extend(renew(&network, &leader, None));
        renewed.extend(certificates(&network, &leader));
    }
    load.progress(5).await.unwrap();
    let signing = |path: &PathBuf| path.ends_with("peer.pem") || path.ends_with("collector.pem");
    let signers = renewed.iter().filter(|path| signing(path));
    all_in_use(&members, steady, signers.map(|path| digest_of(path)).collect()).await;

    // Nothing rests on the old ones any more.
    let mut revoke = vec!["cert", "revoke", "--note", "replaced"];
    revoke.extend(old.iter().map(|path| text(path)));
    decide(&network, "developer", &revoke);
    load.progress(20).await.unwrap();
    let after = members.reader(steady).unwrap().status().await.unwrap();
    assert_eq!(
        (&after.leader, after.raft_term),
        (&before.leader, before.raft_term),
        "the leader was lost"
    );
    load.stop().await.unwrap();
    finish(&network, &members, collector).await;
}

/// Gives an actor a new authority beside its old one, renews all its certificates from the new one, and takes the old one
/// away. Returns the new one's directory.
fn replace_authority(network: &Network, actor: &str) -> PathBuf {
    let home = network.root().join("actors").join(actor);
    let (old, new) = (home.join("ca/ca.pem"), home.join("ca-2"));
    network.run(actor, &["cert", "authority", "--out", text(&new)]);
    let certificate = new.join("ca.pem");
    let authorities = ["proposal", "create", "authorities", actor];
    let both = [&authorities[..], &[text(&old), text(&certificate)]].concat();
    decide(network, actor, &both);
    renew(network, actor, Some(&new));
    decide(
        network,
        actor,
        &[&authorities[..], &[text(&certificate)]].concat(),
    );
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_are_replaced_under_load_and_newcomers_with_the_genesis_alone_find_their_way() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut collector = start_collector(&network, 1);
    let mut load = SteadyLoad::start(&network, &members, "user").unwrap();
    load.progress(3).await.unwrap();
    for actor in ["provider", "developer"] {
        replace_authority(&network, actor);
        load.progress(5).await.unwrap();
    }
    members.learn("user").await.unwrap();
    let signers = ["provider", "developer"].map(|actor| certificates(&network, actor)[0].clone());
    let collecting = network.collector_home(1).join("collector.pem");
    let signers = signers.iter().chain([&collecting]);
    all_in_use(&members, "user", signers.map(|path| digest_of(path)).collect()).await;
    load.stop().await.unwrap();

    // Now nobody is left whom the genesis trusts.
    replace_authority(&network, "user");
    // A command knows the genesis alone, and asks this very peer.
    let views = Network::actors().map(|actor| network.json(actor, &["peer", "status"]));
    let answering = views
        .iter()
        .map(|view| view.get(0).unwrap_or(view)["actor"].clone());
    assert!(answering.eq(Network::actors()), "{views:?}");
    // So does any other client, and a collector that is started anew.
    let reader = follower(&network, &members, "user");
    collector.kill();
    collector = start_collector(&network, 1);
    let before = reader.status().await.unwrap().transactions;
    eventually("the collector goes on", PATIENCE, || async {
        let now = reader.status().await?.transactions;
        anyhow::ensure!(now > before + 500, "{now}");
        Ok(())
    })
    .await
    .unwrap();
    members
        .learn_through(&follower(&network, &members, "user"))
        .await
        .unwrap();
    // And a peer, with what it has on its disk.
    network.stop_peer("developer");
    network.start_peer("developer");
    finish(&network, &members, collector).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_away_while_the_others_replaced_their_authorities_comes_back() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let collector = start_collector(&network, 1);
    network.stop_peer("user");
    for actor in ["provider", "developer"] {
        replace_authority(&network, actor);
    }
    network.start_peer("user");
    members
        .learn_through(&follower(&network, &members, "provider"))
        .await
        .unwrap();
    collector.stop(&network);
    members.settled(&Network::actors(), 1).await.unwrap();
    is_complete(&network.events("provider"), "collector-1");
    // It proves also the blocks that it missed, about which it has heard only votes that were signed again, with
    // certificates that were not trusted then.
    wait_until("its ledger can be audited", PROVEN, || {
        let audit = network.e2l("user", &["audit", "--of", "user"]);
        audit.status.success().then_some(())
    });
    let incidents = network.e2l("user", &["incidents"]);
    assert!(!said(&incidents).contains("endorsements"), "{}", said(&incidents));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_collector_is_cut_off_within_seconds_and_goes_on_when_it_has_a_new_certificate() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let collector = start_collector(&network, 1);
    let mut load = SteadyLoad::start(&network, &members, "user").unwrap();
    load.progress(5).await.unwrap();
    let certificate = network.collector_home(1).join("collector.pem");
    let stolen = members
        .identity("provider", e2l_ledger::Role::Collector, "collector-1")
        .unwrap();
    decide(&network, "developer", &["cert", "revoke", text(&certificate)]);
    wait_until("its connections are closed", CUT_OFF, || {
        let logs = Network::actors().map(|actor| network.peer_log(actor));
        let closed = |line: &str| line.contains("a connection is closed") && line.contains("collector-1");
        logs.iter().flat_map(|log| log.lines()).any(closed).then_some(())
    });
    // What was ordered before it was revoked is final by now.
    load.progress(10).await.unwrap();
    let brought = |network: &Network| {
        let events = network.events("user");
        let of: Vec<Value> = events
            .into_iter()
            .filter(|event| event["sender"] == "collector-1")
            .collect();
        of
    };
    let before = brought(&network);
    let refused = members.only(&stolen, "provider").unwrap().status().await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("revoked"), "{why}");
    load.progress(20).await.unwrap();
    assert_eq!(brought(&network).len(), before.len(), "it went on");
    // What it signed before stays proven, for those who have the genesis alone.
    let receipt = network.root().join("receipt.json");
    let id = before.last().unwrap()["tx_id"].as_str().unwrap();
    network.run("user", &["receipt", id, "--out", text(&receipt)]);
    let genesis = network.root().join("genesis.json");
    network.run("user", &["verify", text(&receipt), "--genesis", text(&genesis)]);

    network.run("provider", &["cert", "renew", text(&certificate)]);
    wait_until("it goes on where it was", PATIENCE, || {
        (brought(&network).len() > before.len() + 200).then_some(())
    });
    load.stop().await.unwrap();
    finish(&network, &members, collector).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_its_identity_and_each_successor_from_a_spiffe_agent() {
    let network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let home = network.root().join("actors/provider");
    let socket = network.root().join("agent.sock");
    let agent = WorkloadAgent::start(&socket).unwrap();
    let domain = &members.config().network;
    let id = format!("spiffe://{domain}/provider/collector/collector-1");
    let from_actor = AgentAuthority::of_actor("provider", &home.join("ca")).unwrap();
    let first = from_actor.issue(&id).unwrap();
    // What else the agent has for it is of no use here.
    let other = from_actor
        .issue(&format!("spiffe://{domain}/provider/client/other"))
        .unwrap();
    agent.give(vec![other.clone(), first.clone()]);

    network.configure_synthetic(1, RATE, 1_000_000);
    network.configure_collector(1, |text| {
        let kept = text.lines().filter(|line| {
            let key = line.split('=').next().unwrap_or_default().trim();
            key != "certificate" && key != "key"
        });
        let kept: Vec<&str> = kept.collect();
        format!(
            "{}\n\n[identity]\nspiffe = \"{}\"\n",
            kept.join("\n"),
            agent.endpoint()
        )
    });
    let collector = CollectorProcess::synthetic(&network, 1);
    let digest = |svid: &e2l_tests::Svid| Certificate::parse(svid.certificate()).unwrap().digest();
    all_in_use(&members, "user", [digest(&first)].into()).await;

    // A successor while it runs, and another name, which is not taken.
    let second = from_actor.issue(&id).unwrap();
    let renamed = from_actor
        .issue(&format!("spiffe://{domain}/provider/collector/collector-9"))
        .unwrap();
    agent.give(vec![renamed, second.clone()]);
    all_in_use(&members, "user", [digest(&second)].into()).await;

    // One of an authority that the network does not trust yet is taken when it does.
    let spire = AgentAuthority::p256("spire").unwrap();
    let third = spire.issue(&id).unwrap();
    agent.give(vec![third.clone()]);
    wait_until("it is refused", PATIENCE, || {
        let log = network.collector_log(1);
        log.contains("the new certificate is not used").then_some(())
    });
    let authority = network.root().join("spire.pem");
    std::fs::write(&authority, spire.pem()).unwrap();
    decide(
        &network,
        "provider",
        &[
            "proposal",
            "create",
            "authorities",
            "provider",
            text(&home.join("ca/ca.pem")),
            text(&authority),
        ],
    );
    all_in_use(&members, "user", [digest(&third)].into()).await;
    // Without its agent it goes on with what it has.
    drop(agent);
    let mut load = SteadyLoad::start(&network, &members, "user").unwrap();
    load.progress(3).await.unwrap();
    load.stop().await.unwrap();
    finish(&network, &members, collector).await;
}
