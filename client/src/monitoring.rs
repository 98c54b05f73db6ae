//! Metrics and health over HTTP, for monitoring on the same machine: no secrets, no authentication, so loopback only.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Settings of a program's metrics.
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

/// A program that tells how it is.
pub trait Monitored: Send + Sync + 'static {
    /// OpenMetrics text. May block for as long as a database takes to answer.
    ///
    /// # Errors
    /// What cannot be read, in one sentence.
    fn metrics(&self) -> Result<String, String>;

    /// Whether it does what it is there for.
    ///
    /// # Errors
    /// What keeps it from that, in one sentence.
    fn health(&self) -> Result<(), String>;
}

/// Serves `/metrics` (OpenMetrics text) and `/healthz` (200, or 503 and why) until the process ends, if an address is set.
///
/// # Errors
/// The address cannot be used.
pub async fn serve_metrics(
    options: &MetricsOptions,
    monitored: Arc<dyn Monitored>,
) -> Result<(), MetricsError> {
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
        .with_state(monitored);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    Ok(())
}

async fn health(State(monitored): State<Arc<dyn Monitored>>) -> (StatusCode, String) {
    match monitored.health() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(monitored): State<Arc<dyn Monitored>>) -> impl IntoResponse {
    let plain = [(header::CONTENT_TYPE, "text/plain")];
    match tokio::task::spawn_blocking(move || monitored.metrics()).await {
        Ok(Ok(text)) => (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], text),
        Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, plain, why),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            plain,
            "this program is stopping\n".to_owned(),
        ),
    }
}
