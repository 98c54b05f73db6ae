//! What a peer tells those who monitor it.

use crate::api::kept::readable_incidents;
use crate::api::status;
use crate::node::Node;
use crate::options::ConnectionOptions;
use crate::pool::PoolOptions;
use e2l_client::{Monitored, OpenConnections};
use e2l_consensus::{Participation, RaftNode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What metrics tell of.
pub struct Watched {
    /// The ledger.
    pub node: Arc<Node>,
    /// Ordering.
    pub raft: Arc<RaftNode>,
    /// Counts connections.
    pub connections: OpenConnections,
    /// Bounds, which are shown beside what they bound.
    pub limits: (ConnectionOptions, PoolOptions),
}

impl Monitored for Watched {
    fn metrics(&self) -> Result<String, String> {
        gather(self)
    }

    /// Whether it takes part.
    fn health(&self) -> Result<(), String> {
        match self.raft.participation() {
            Participation::Voting => Ok(()),
            _ => Err("this peer does not take part in ordering yet".to_owned()),
        }
    }
}

type OfActor = Family<[(&'static str, String); 1], Gauge>;

fn gather(watched: &Watched) -> Result<String, String> {
    let status = status::status(&watched.node, &watched.raft);
    let store = &watched.node.store;
    let kept = store.incidents_before(None, usize::MAX);
    let incidents = readable_incidents(&watched.node, kept.map_err(|error| error.to_string())?);
    let evidence = store.evidence().map_err(|error| error.to_string())?;
    let open = incidents
        .iter()
        .filter(|incident| incident.repaired_nano.is_none());
    let mut registry = Registry::with_prefix("e2l_peer");
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    gauge("applied_height", "Newest executed height", status.applied_height);
    gauge("final_height", "Newest final height", status.final_height);
    gauge(
        "sealed_height",
        "Height that every voting actor has endorsed",
        status.sealed_height,
    );
    gauge("transactions", "Final transactions", status.transactions);
    gauge(
        "syncs",
        "Times that a database's write-ahead log was made durable, since the start",
        e2l_store::syncs(),
    );
    gauge("raft_term", "Raft term", status.raft_term);
    gauge(
        "leads",
        "1 if this peer leads",
        u64::from(status.raft_role == "leader"),
    );
    let votes = watched.raft.participation() == Participation::Voting;
    gauge("votes", "1 if this peer votes in elections", u64::from(votes));
    gauge(
        "pool_envelopes",
        "Envelopes that wait to be ordered",
        status.pool_envelopes,
    );
    gauge(
        "pool_bytes",
        "Bytes of envelopes that wait to be ordered",
        status.pool_bytes,
    );
    let (connections, pool) = &watched.limits;
    gauge(
        "pool_max_bytes",
        "Bytes of envelopes at which submissions are answered with BUSY",
        pool.max_bytes as u64,
    );
    gauge(
        "connections",
        "Established connections",
        watched.connections.count() as u64,
    );
    gauge(
        "connections_max",
        "Connections at which no more are taken",
        connections.total as u64,
    );
    let memory = store.memory().map_err(|error| error.to_string())?;
    gauge(
        "store_buffer_bytes",
        "Bytes of new records of the ledger in memory",
        memory.buffers,
    );
    gauge(
        "store_cache_bytes",
        "Bytes of the ledger kept in memory for reading",
        memory.cache,
    );
    gauge(
        "store_file_bytes",
        "Bytes of the ledger's table files",
        memory.files,
    );
    gauge(
        "scrub_height",
        "Height that the background check has reached",
        status.scrubbed_height,
    );
    let passed = u64::try_from(status.scrub_pass_nano / 1_000_000_000).unwrap_or(0);
    gauge(
        "scrub_pass_seconds",
        "When the last full check ended, Unix time; 0 for never",
        passed,
    );
    gauge(
        "alarms",
        "Alarms in force: see e2l peer status",
        status.alarms.len() as u64,
    );
    gauge(
        "incidents",
        "Damage found: see e2l incidents",
        incidents.len() as u64,
    );
    gauge(
        "incidents_open",
        "Damage found and not repaired yet",
        open.count() as u64,
    );
    gauge(
        "evidence",
        "Contradictions of others: see e2l evidence",
        evidence.len() as u64,
    );
    let (reachable, endorsed) = (OfActor::default(), OfActor::default());
    for peer in &status.peers {
        let label = [("actor", peer.actor.clone())];
        reachable.get_or_create(&label).set(i64::from(peer.reachable));
        let height = i64::try_from(peer.endorsed_height).unwrap_or(i64::MAX);
        endorsed.get_or_create(&label).set(height);
    }
    registry.register("linked", "1 if there is a link to the actor's peer", reachable);
    registry.register(
        "endorsed_height",
        "Height that the actor's peer has endorsed",
        endorsed,
    );
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| error.to_string())?;
    Ok(text)
}
