//! Two honest peers as processes, the malicious one, and the network between the two.

use super::malicious_peer::{ACTOR, MaliciousPeer};
use super::network_between::NetworkBetween;
use e2l_client::{ClientOptions, LedgerClient, PeerAddress, wire};
use e2l_ledger::{Envelope, Role, Signer};
use e2l_tests::{LedgerCopy, Members, Network, TestCollector, event, free_ports, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

pub const HONEST: [&str; 2] = ["provider", "user"];

/// No heights.
pub const NONE: [u64; 0] = [];

/// Evidence must come soon; a busy machine needs its time.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

pub struct Stage {
    pub network: Network,
    pub members: Members,
    pub liar: MaliciousPeer,
    pub collectors: [TestCollector; 2],
    between: Vec<NetworkBetween>,
    readers: Vec<LedgerClient>,
}

/// Where the two honest peers stand.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub finals: [u64; 2],
    pub sealed: [u64; 2],
    /// Heights at which the two have made another block final.
    pub conflicting_finals: Vec<u64>,
    /// The same for sealed blocks.
    pub conflicting_sealed: Vec<u64>,
}

impl Stage {
    /// The malicious peer leads, and nothing is on the ledgers yet.
    pub async fn set(finality: &str) -> Self {
        let ports: [u16; 3] = free_ports();
        let [listen, one, other] = ports.map(|port| format!("127.0.0.1:{port}"));
        let between = [&one, &other].map(|address| NetworkBetween::to(address.clone()));
        let between: Vec<NetworkBetween> = futures::future::join_all(between).await;
        let named = [
            between[0].address.clone(),
            listen.clone(),
            between[1].address.clone(),
        ];
        let mut network = Network::laid_out(&named, 2, &["--finality", finality]);
        let behind: BTreeMap<String, String> =
            HONEST.map(str::to_owned).into_iter().zip([one, other]).collect();
        for (actor, between) in HONEST.iter().zip(&between) {
            network.configure_peer(actor, |text| {
                let changed = text.replace(
                    &format!("listen = \"{}\"", between.address),
                    &format!("listen = \"{}\"", behind[*actor]),
                );
                assert_ne!(changed, text, "the peer listens behind the network");
                changed
            });
            network.start_peer(actor);
        }
        let members = Members::of(&network).unwrap();
        let liar = MaliciousPeer::start(&members, &listen, &behind).await;
        let readers = HONEST.map(|actor| reader(&members, actor, &behind[actor])).into();
        let collectors = [1, 2].map(|number| members.collector(number, HONEST[0]).unwrap());
        Self {
            network,
            members,
            liar,
            collectors,
            between,
            readers,
        }
    }

    /// Cuts the two honest peers apart, or lets them meet again.
    pub fn cut(&self, cut: bool) {
        self.between.iter().for_each(|between| between.cut(cut));
    }

    /// The next batch of a collector, and its certificate: what a collector has given to the leader.
    pub fn batch(&mut self, collector: usize) -> (Envelope, Vec<u8>) {
        let collector = &mut self.collectors[collector];
        let batch = collector.batch(vec![event("web", "start")]);
        (
            Envelope::Batch(batch),
            collector.identity.certificate().der().to_vec(),
        )
    }

    pub async fn status(&self, honest: usize) -> wire::StatusReply {
        self.readers[honest].status().await.unwrap()
    }

    /// Looks until the two honest peers' statuses are as expected.
    pub async fn until(&self, what: &str, within: Duration, holds: impl Fn(&[wire::StatusReply; 2]) -> bool) {
        let began = std::time::Instant::now();
        loop {
            let now = [self.status(0).await, self.status(1).await];
            if holds(&now) {
                return;
            }
            assert!(began.elapsed() < within, "not within {within:?}: {what}: {now:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn genesis_header(&self) -> e2l_ledger::Header {
        let genesis = std::fs::read(self.network.root().join("genesis.json")).unwrap();
        let genesis: e2l_ledger::GenesisFile = serde_json::from_slice(&genesis).unwrap();
        genesis.genesis.header()
    }

    /// Digest of the header that an honest peer has made final at a height.
    pub async fn header(&self, honest: usize, height: u64) -> e2l_ledger::Digest {
        let genesis = self.genesis_header().digest();
        let ledger = LedgerCopy::read(&self.readers[honest], genesis, height).await;
        ledger.unwrap().blocks.pop().unwrap().header.digest()
    }

    /// Compares what the honest peers have made final.
    pub async fn outcome(&self) -> Outcome {
        let statuses = [self.status(0).await, self.status(1).await];
        let finals = [0, 1].map(|honest: usize| statuses[honest].final_height);
        let sealed = [0, 1].map(|honest: usize| statuses[honest].sealed_height);
        let genesis = self.genesis_header().digest();
        let mut ledgers = Vec::new();
        for (reader, height) in self.readers.iter().zip(finals) {
            ledgers.push(LedgerCopy::read(reader, genesis, height).await.unwrap());
        }
        let blocks = ledgers[0].blocks.iter().zip(&ledgers[1].blocks);
        let conflicting_finals: Vec<u64> = blocks
            .filter(|(one, other)| one.header != other.header)
            .map(|(one, _)| one.header.height)
            .collect();
        let conflicting_sealed = conflicting_finals.iter().copied();
        Outcome {
            finals,
            sealed,
            conflicting_sealed: conflicting_sealed
                .filter(|height| sealed.iter().all(|sealed| sealed >= height))
                .collect(),
            conflicting_finals,
        }
    }

    /// Every honest peer has evidence, names the malicious peer alone, and proves it to anyone who has the genesis.
    pub fn only_the_guilty_is_convicted(&self, by: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        for actor in by {
            let found = wait_until(&format!("{actor} has evidence"), FOUND_WITHIN, || {
                let list = self.network.json(actor, &["evidence"]);
                let found = list.as_array().unwrap().clone();
                (!found.is_empty()).then_some(found)
            });
            for piece in &found {
                assert_eq!(
                    piece["guilty"],
                    Value::from(format!("{ACTOR}/peer/peer")),
                    "{found:?}"
                );
                all.push(piece["what"].as_str().unwrap().to_owned());
            }
            self.verify_offline(actor);
        }
        all
    }

    fn verify_offline(&self, actor: &str) {
        let directory = self.network.root().join(format!("evidence-of-{actor}"));
        let written = self
            .network
            .e2l(actor, &["evidence", "--out", directory.to_str().unwrap()]);
        assert!(written.status.success());
        let files: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
        assert!(!files.is_empty());
        for file in files {
            let output = std::process::Command::new(e2l_tests::binary("e2l"))
                .arg("verify")
                .arg(file.unwrap().path())
                .arg("--genesis")
                .arg(self.network.root().join("genesis.json"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let names = said.starts_with("valid: ") && said.contains(&format!("{ACTOR}/peer/peer"));
            assert!(output.status.success() && names, "{said}");
        }
    }

    /// Nobody is told on.
    pub fn nobody_is_convicted(&self) {
        for actor in HONEST {
            let found = self.network.json(actor, &["evidence"]);
            assert_eq!(found.as_array().unwrap().len(), 0, "{actor}: {found}");
        }
    }

    /// Both honest peers run, and have not panicked.
    pub fn the_honest_live(&mut self) {
        for actor in HONEST {
            let log = self.network.peer_log(actor);
            assert!(!log.contains("panicked"), "{actor}'s peer panicked:\n{log}");
            assert!(self.network.is_running(actor), "{actor}'s peer has ended:\n{log}");
        }
    }

    /// With the malicious peer gone, the two order what a collector submits, and agree.
    pub async fn the_honest_go_on(&mut self, collector: usize) {
        self.liar.stop().await;
        let submitted = self.collectors[collector].submit(vec![event("web", "die")]).await;
        let height = submitted.unwrap().height;
        let heights = |all: &[wire::StatusReply; 2]| all.iter().all(|one| one.final_height == height);
        self.until("both have it", e2l_tests::PATIENCE, heights).await;
        let outcome = self.outcome().await;
        assert_eq!(outcome.conflicting_finals, NONE, "{outcome:?}");
        self.the_honest_live();
    }
}

fn reader(members: &Members, actor: &str, address: &str) -> LedgerClient {
    let identity = members.identity(actor, Role::Client, "client").unwrap();
    let peers = PeerAddress::voters(members.config(), Some(actor));
    let peer = PeerAddress {
        address: address.to_owned(),
        ..peers[0].clone()
    };
    let tls = members.tls(&identity).unwrap();
    LedgerClient::new(vec![peer], &tls, ClientOptions::default()).unwrap()
}
