//! Metrics and health over HTTP, for monitoring on the same machine: no secrets, no authentication, so loopback only.

use crate::api::kept::readable_incidents;
use crate::api::status;
use crate::node::Node;
use crate::options::ConnectionOptions;
use crate::pool::PoolOptions;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use e2l_client::OpenConnections;
use e2l_consensus::{Participation, RaftNode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Settings of the metrics.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsOptions {
    /// `address:port` to listen on, a loopback address; none turns metrics off.
    pub listen: Option<String>,
}

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address is none, or others reach it.
    #[error(
        "[metrics] listen = \"{0}\" is not a loopback address with a port, such as 127.0.0.1:9464: metrics need no \
             certificate, so nobody else may reach them"
    )]
    NotLoopback(String),
    /// The system refuses it.
    #[error("cannot listen on {address} for metrics: {source}; is another process there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

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

/// Serves `/metrics` (OpenMetrics text) and `/healthz` until the process ends, if an address is set.
///
/// # Errors
/// The address cannot be used.
pub async fn serve_metrics(options: &MetricsOptions, watched: Watched) -> Result<(), MetricsError> {
    let Some(listen) = &options.listen else {
        return Ok(());
    };
    let address: SocketAddr = listen
        .parse()
        .ok()
        .filter(|address: &SocketAddr| IpAddr::is_loopback(&address.ip()))
        .ok_or_else(|| MetricsError::NotLoopback(listen.clone()))?;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| MetricsError::Listen { address, source })?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(Arc::new(watched));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    Ok(())
}

/// Whether it takes part: 200, or 503 with what keeps it from that.
async fn health(State(watched): State<Arc<Watched>>) -> (StatusCode, String) {
    match watched.raft.participation() {
        Participation::Voting => (StatusCode::OK, "ok\n".to_owned()),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "this peer does not take part in ordering yet\n".to_owned(),
        ),
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    let gathered = tokio::task::spawn_blocking(move || gather(&watched)).await;
    match gathered {
        Ok(Ok(text)) => (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], text),
        Ok(Err(why)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            why,
        ),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "text/plain")],
            "this peer is stopping\n".to_owned(),
        ),
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
