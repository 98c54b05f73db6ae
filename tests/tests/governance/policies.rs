//! How many must agree.

use super::steps::approve;
use e2l_tests::{Load, Members, Network, PATIENCE, said, wait_until};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Batches of one event each: more than a load has under way, so that some were submitted after what was done before.
const MORE: usize = 30;

/// How long finality must not move before it stands still. Of a peer that is away the others know after a second; they wait
/// no longer for it if they need not.
const STILL: Duration = Duration::from_secs(5);

/// How far a peer has come.
#[derive(Debug, Clone, Copy)]
struct Heights {
    executed: u64,
    last_final: u64,
}

impl Heights {
    /// Those of all peers but one.
    fn without(away: &str, network: &Network) -> Vec<Self> {
        let there = Network::actors().into_iter().filter(|actor| *actor != away);
        let asked = there.map(|actor| {
            let status = network.json(actor, &["peer", "status"]);
            let status = status.get(0).unwrap_or(&status);
            Self {
                executed: status["applied_height"].as_u64().unwrap(),
                last_final: status["final_height"].as_u64().unwrap(),
            }
        });
        asked.collect()
    }
}

/// Kills a peer that does not lead, and that collectors do not submit to. Returns whose it is.
fn lose_one(network: &mut Network) -> &'static str {
    let leader = network.wait_for_leader();
    let away = if leader == "user" { "developer" } else { "user" };
    network.kill_peer(away);
    away
}

/// Starts a peer again, and waits until it has what was final without it.
fn bring_back(network: &mut Network, away: &str) {
    let without_it = Heights::without(away, network);
    network.start_peer(away);
    let reached = without_it.iter().map(|peer| peer.last_final).max();
    wait_until("the peer that was away has caught up", PATIENCE, || {
        let view = network.view(away)?;
        (Some(view.final_height) >= reached).then_some(())
    });
}

/// All actors change how many make a block final; returns the height from which on it is so.
fn set_finality(network: &Network, policy: &str) -> u64 {
    let created = ["proposal", "create", "policies", "--finality", policy];
    let id = network.run("provider", &created);
    approve(network, &["developer", "user"], &id);
    let shown = network.json("developer", &["proposal", "show", &id]);
    assert_eq!(shown["outcome"]["status"], "active", "{shown}");
    shown["outcome"]["from_height"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finality_waits_for_all_when_the_actors_say_so_and_for_a_majority_again_afterwards() {
    let mut network = Network::start(2);
    let members = Members::of(&network).unwrap();
    let [one, other] = [1, 2].map(|number| members.collector(number, "provider").unwrap());
    let mut load = Load::start(one, 1, usize::MAX);
    load.progress(MORE).await.unwrap();
    // The genesis says majority.
    let away = lose_one(&mut network);
    load.progress(MORE).await.unwrap();
    bring_back(&mut network, away);

    let from = set_finality(&network, "all");
    load.progress(MORE).await.unwrap();
    let away = lose_one(&mut network);
    // The load goes on, as far as it can without an answer.
    let (mut seen, mut since) = (Heights::without(away, &network), Instant::now());
    let stuck = wait_until("finality stands still, and execution is ahead", PATIENCE, || {
        let now = Heights::without(away, &network);
        let moved = now
            .iter()
            .zip(&seen)
            .any(|(now, seen)| now.last_final != seen.last_final);
        if moved {
            (seen, since) = (now.clone(), Instant::now());
        }
        // One may have heard the last of the peer that is away, and the other not.
        let ahead = now.iter().any(|peer| peer.executed > peer.last_final);
        (ahead && since.elapsed() >= STILL).then_some(now)
    });
    println!("the policy is in force from {from}, and without {away} the others stand at {stuck:?}");
    let last_final = stuck.iter().map(|peer| peer.last_final).max().unwrap();
    assert!(last_final >= from, "it stands still under another policy");
    let is_stuck = |now: &[Heights]| now.iter().all(|peer| peer.last_final <= last_final);
    // What another collector brings is ordered and executed by both, and not final.
    let mut second = Load::start(other, 1, usize::MAX);
    wait_until("more is executed", PATIENCE, || {
        let now = Heights::without(away, &network);
        assert!(is_stuck(&now), "{now:?}");
        let further = now
            .iter()
            .zip(&stuck)
            .all(|(now, then)| now.executed > then.executed);
        further.then_some(())
    });
    let acknowledged = timeout(STILL, second.progress(1)).await;
    assert!(
        acknowledged.is_err(),
        "not final, and acknowledged: {acknowledged:?}"
    );
    let now = Heights::without(away, &network);
    assert!(is_stuck(&now), "{now:?}");
    bring_back(&mut network, away);
    load.progress(MORE).await.unwrap();
    second.progress(MORE).await.unwrap();

    set_finality(&network, "majority");
    let away = lose_one(&mut network);
    load.progress(MORE).await.unwrap();
    second.progress(MORE).await.unwrap();
    bring_back(&mut network, away);

    let (_, of_one) = load.stop().await.unwrap();
    let (_, of_other) = second.stop().await.unwrap();
    let receipts = [of_one, of_other].concat();
    let ledger = members.same_ledgers(&Network::actors(), 1).await.unwrap();
    ledger.check_receipts(&receipts).unwrap();
    // And the two changes: each a proposal and two approvals.
    let transactions = ledger.transactions().unwrap().len();
    assert_eq!(transactions, receipts.len() + 2 * 3, "lost or doubled");
    // Who knows only the genesis follows all of it.
    let output = network.e2l("user", &["audit", "--replay"]);
    assert!(output.status.success(), "{}", said(&output));
}
