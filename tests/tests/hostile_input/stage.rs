//! A network with something on its ledger, and a watch on whether that changes.

use super::caller::Caller;
use e2l_client::wire;
use e2l_identity::{Authority, Identity, Validity};
use e2l_ledger::{Member, Role};
use e2l_tests::{Members, Network, PATIENCE, TestCollector, event, eventually};
use time::OffsetDateTime;

/// What must not change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    transactions: u64,
    height: u64,
    state_root: Vec<u8>,
    pooled: u64,
    alarms: Vec<String>,
}

impl From<wire::StatusReply> for Standing {
    fn from(status: wire::StatusReply) -> Self {
        Self {
            transactions: status.transactions,
            height: status.applied_height,
            state_root: status.state_root.to_vec(),
            pooled: status.pool_envelopes,
            // A collector that signs two batches with one number is told on: tests/tests/contradictions.rs.
            alarms: status
                .alarms
                .into_iter()
                .filter(|alarm| !alarm.contains("e2l evidence"))
                .collect(),
        }
    }
}

/// Three peers, an honest collector, and what is on the ledgers.
pub struct Stage {
    /// The processes.
    pub network: Network,
    /// Their members.
    pub members: Members,
    /// The honest collector, `collector-1`.
    pub honest: TestCollector,
    readers: Vec<e2l_client::LedgerClient>,
    standing: Standing,
}

impl Stage {
    /// Starts a network; one event of the honest collector is on its ledgers.
    pub async fn set() -> Self {
        let network = Network::start(2);
        let members = Members::of(&network).unwrap();
        let honest = members.collector(1, "provider").unwrap();
        let readers = Network::actors().map(|actor| members.reader(actor).unwrap());
        let standing = Standing {
            transactions: 0,
            height: 0,
            state_root: Vec::new(),
            pooled: 0,
            alarms: Vec::new(),
        };
        let mut stage = Self {
            network,
            members,
            honest,
            readers: readers.into(),
            standing,
        };
        stage.goes_on(0).await;
        stage
    }

    /// Nothing was stored, nothing waits, no alarm is raised: on no peer.
    pub async fn is_unmoved(&self, after: &str) {
        for (reader, actor) in self.readers.iter().zip(Network::actors()) {
            let status = reader.status().await;
            let status = status.unwrap_or_else(|error| panic!("{actor} after {after}: {error}"));
            assert_eq!(Standing::from(status), self.standing, "{actor} after {after}");
        }
    }

    /// A good batch becomes final on all three. Apart from it, `others` transactions are new since the last
    /// time.
    pub async fn goes_on(&mut self, others: u64) {
        let answer = self.honest.submit(vec![event("honest", "start")]).await;
        let answer = answer.expect("a good batch is taken");
        assert_eq!(&answer.codes[..], [0], "a good event is valid");
        let actors = Network::actors();
        let ledger = self.members.same_ledgers(&actors, answer.height).await.unwrap();
        let transactions = self.standing.transactions + 1 + others;
        assert_eq!(ledger.transactions().unwrap().len() as u64, transactions);
        // Statuses are read one after the other: until all say the same.
        let reader = &self.readers[0];
        self.standing = eventually("the count of transactions", PATIENCE, || async {
            let standing = Standing::from(reader.status().await?);
            anyhow::ensure!(standing.transactions == transactions, "{standing:?}");
            Ok(standing)
        })
        .await
        .unwrap();
        self.is_unmoved("a good batch").await;
    }

    /// A connection to an actor's peer in a member's name.
    pub async fn caller(&self, identity: &Identity, actor: &str) -> Caller {
        let address = self.members.address(actor).unwrap();
        let tls = self.members.tls(identity).unwrap();
        Caller::connect(&address, tls).await.unwrap()
    }

    /// An identity that an actor's own authority issues now.
    pub fn issue(&self, actor: &str, role: Role, name: &str, validity: Validity) -> Identity {
        let authority = Authority::load(actor, &self.members.home(actor, "ca")).unwrap();
        issue(
            &authority,
            &self.members.config().network,
            member(actor, role, name),
            validity,
        )
    }
}

pub fn member(actor: &str, role: Role, name: &str) -> Member {
    Member {
        actor: actor.to_owned(),
        role,
        name: name.to_owned(),
    }
}

/// From now on.
pub fn valid() -> Validity {
    Validity::days(OffsetDateTime::now_utc(), 1)
}

/// A certificate with its key, through the files that a process reads.
pub fn issue(authority: &Authority, network: &str, member: Member, validity: Validity) -> Identity {
    let home = tempfile::tempdir().unwrap();
    let issued = authority.issue(network, &member, validity, &[]).unwrap();
    issued.write(home.path(), "it").unwrap();
    Identity::load(&home.path().join("it.pem"), &home.path().join("it.key")).unwrap()
}
