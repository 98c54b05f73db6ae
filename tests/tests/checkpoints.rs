//! A majority that writes its history anew deceives who knows the genesis alone, and nobody who has a checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{Members, Network, event};
use std::path::Path;

/// Orders `count` events of a container, each in a block of its own.
fn record(network: &Network, number: usize, container: &str, count: u64) {
    let members = Members::of(network).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut collector = members.collector(number, "provider").unwrap();
        for _ in 0..count {
            collector.submit(vec![event(container, "start")]).await.unwrap();
        }
    });
}

struct Reader<'a> {
    network: &'a Network,
    checkpoint: &'a str,
}

impl Reader<'_> {
    /// Exit code and words of a command that has the checkpoint.
    fn with(&self, arguments: &[&str]) -> (Option<i32>, String) {
        self.run(&[arguments, &["--checkpoint", self.checkpoint]].concat())
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.network.e2l("user", arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// All actors stop their peers, remove their ledgers, and begin again with the same keys.
fn begin_anew(network: &mut Network) {
    for actor in Network::actors() {
        network.stop_peer(actor);
        let data = network.root().join("actors").join(actor).join("peer/data");
        std::fs::remove_dir_all(data).unwrap();
    }
    for actor in Network::actors() {
        network.start_peer(actor);
    }
    network.wait_for_leader();
}

fn height_of(checkpoint: &Path) -> u64 {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(checkpoint).unwrap()).unwrap();
    file["claim"]["height"].as_u64().unwrap()
}

#[test]
fn nothing_older_and_no_other_chain_than_the_checkpoint_is_believed() {
    let mut network = Network::start(2);
    let path = network.root().join("checkpoint.json");
    let checkpoint = path.to_str().unwrap().to_owned();
    record(&network, 1, "web", 5);
    network.wait_for_agreement(5);
    let reader = Reader {
        network: &network,
        checkpoint: &checkpoint,
    };
    let (code, said) = reader.with(&["events"]);
    assert_eq!(code, Some(2), "there is none yet: {said}");
    let (code, said) = reader.with(&["audit"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(height_of(&path), 5);
    let genesis = network.root().join("genesis.json");
    let (code, said) = reader.run(&["verify", &checkpoint, "--genesis", genesis.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");

    // It stays good while the ledger grows, and moves on with the next audit.
    record(&network, 2, "db", 3);
    network.wait_for_agreement(8);
    let history = network.json("user", &["history", "web"]);
    let id = history[2]["tx_id"].as_str().unwrap().to_owned();
    let readings: [&[&str]; 4] = [
        &["events"],
        &["events", "-n", "2"],
        &["history", "web"],
        &["receipt", &id],
    ];
    for reading in readings {
        let (code, said) = reader.with(reading);
        assert_eq!(code, Some(0), "{reading:?}: {said}");
    }
    let (code, said) = reader.with(&["history", "nobody"]);
    assert!(code == Some(1) && said.contains("(proven: "), "{said}");
    let (code, said) = reader.with(&["audit"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(height_of(&path), 8);

    begin_anew(&mut network);
    record(&network, 1, "web", 2);
    network.wait_for_agreement(2);
    let reader = Reader {
        network: &network,
        checkpoint: &checkpoint,
    };
    for reading in [&["events"][..], &["history", "web"]] {
        let (code, said) = reader.run(reading);
        assert_eq!(code, Some(0), "the genesis alone does not tell: {said}");
        let (code, said) = reader.with(reading);
        assert_eq!(code, Some(3), "{reading:?}: {said}");
        assert!(said.contains("your checkpoint is at height 8"), "{said}");
    }
    let (code, said) = reader.with(&["audit"]);
    assert_eq!(code, Some(1), "{said}");

    begin_anew(&mut network);
    record(&network, 1, "web", 12);
    network.wait_for_agreement(12);
    let reader = Reader {
        network: &network,
        checkpoint: &checkpoint,
    };
    let history = network.json("user", &["history", "web"]);
    let id = history[1]["tx_id"].as_str().unwrap().to_owned();
    for reading in [
        &["events"][..],
        &["history", "web"],
        &["receipt", &id],
        &["audit"],
    ] {
        let (code, said) = reader.with(reading);
        assert_eq!(code, Some(1), "{reading:?}: {said}");
        let found =
            said.contains("not of the chain of your checkpoint") || said.contains("the last checkpoint is");
        assert!(found, "{reading:?}: {said}");
    }
    assert_eq!(height_of(&path), 8, "a failed audit leaves it");
}
