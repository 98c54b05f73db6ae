//! What a peer has acknowledged is final on every ledger, at that place, whatever dies meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Load, Members, Network, event};

/// Blocks that a peer must miss to need a pointer: more than what its leader's log keeps.
const MISSED: u64 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_transactions_stay_where_they_were_acknowledged() {
    let mut network = Network::start(3);
    let members = Members::of(&network).unwrap();
    let actors = Network::actors();
    // Collectors begin at different peers: two of three peers forward to the leader.
    let mut loads: Vec<Load> = (1..=3)
        .map(|number| {
            let collector = members.collector(number, actors[number - 1]).unwrap();
            Load::start(collector, 10, usize::MAX)
        })
        .collect();
    let mut victims = vec![network.wait_for_leader()];
    victims.extend(actors.into_iter().map(str::to_owned));
    for victim in victims {
        for load in &mut loads {
            load.progress(10).await.unwrap();
        }
        network.kill_peer(&victim);
        // The other two go on without it.
        for load in &mut loads {
            load.progress(10).await.unwrap();
        }
        network.start_peer(&victim);
    }
    let mut receipts = Vec::new();
    for load in loads {
        let (_, acknowledged) = load.stop().await.unwrap();
        receipts.extend(acknowledged);
    }
    assert!(receipts.len() >= 240, "only {} batches", receipts.len());

    let ledger = members.same_ledgers(&actors, 1).await.unwrap();
    ledger.check_receipts(&receipts).unwrap();
    // Nothing else is there: a batch that was sent again was not stored again.
    assert_eq!(ledger.transactions().unwrap().len(), receipts.len() * 10);
    for receipt in &receipts {
        assert!(receipt.answer.endorsed_by.len() >= 2, "{:?}", receipt.answer);
        assert_eq!(receipt.answer.voters, 3);
    }

    for actor in actors {
        network.stop_peer(actor);
    }
    for actor in actors {
        network.start_peer(actor);
    }
    let height = ledger.blocks.last().unwrap().header.height;
    let again = members.same_ledgers(&actors, height).await.unwrap();
    assert!(again == ledger, "the ledger changed over a restart of all");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_peer_tells_the_same_history() {
    let network = Network::start(2);
    let members = Members::of(&network).unwrap();
    let mut collectors: Vec<_> = (1..=2)
        .map(|number| members.collector(number, "provider").unwrap())
        .collect();
    let actions = ["create", "start", "pause", "unpause", "die", "destroy"];
    for action in actions {
        for collector in &mut collectors {
            let answer = collector.submit(vec![event("shared", action)]).await.unwrap();
            assert_eq!(&answer.codes[..], [0]);
        }
    }
    members.settled(&Network::actors(), 1).await.unwrap();
    let told = members.history("provider", "shared").await.unwrap();
    let found: Vec<&str> = told["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(found, actions.map(|action| [action; 2]).concat());
    for actor in Network::actors() {
        assert_eq!(
            members.history(actor, "shared").await.unwrap(),
            told,
            "at {actor}'s peer"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_away_for_long_comes_back_through_a_pointer() {
    let mut network = Network::start_with(1, "[raft]\npurge_after = 40\nkeep = 10");
    let members = Members::of(&network).unwrap();
    let leader = network.wait_for_leader();
    let away = Network::actors()
        .into_iter()
        .find(|actor| *actor != leader)
        .unwrap();
    let present: Vec<&str> = Network::actors()
        .into_iter()
        .filter(|actor| *actor != away)
        .collect();
    let mut collector = members.collector(1, &leader).unwrap();
    collector.submit(vec![event("before", "start")]).await.unwrap();
    members.settled(&Network::actors(), 1).await.unwrap();

    network.kill_peer(away);
    // One at a time, so that each is a block and a Raft entry of its own.
    for number in 0..MISSED {
        let answer = collector
            .submit(vec![event(&format!("missed-{number}"), "start")])
            .await;
        assert_eq!(&answer.unwrap().codes[..], [0]);
    }
    let height = members.settled(&present, MISSED + 1).await.unwrap();
    network.start_peer(away);
    members.settled(&Network::actors(), height).await.unwrap();
    let log = network.peer_log(away);
    assert!(
        log.contains("catching up"),
        "it came back without a pointer:\n{log}"
    );

    collector.submit(vec![event("after", "start")]).await.unwrap();
    let ledger = members
        .same_ledgers(&Network::actors(), height + 1)
        .await
        .unwrap();
    assert_eq!(ledger.transactions().unwrap().len() as u64, MISSED + 2);
}
