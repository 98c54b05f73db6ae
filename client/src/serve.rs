//! The serving side's settings, the counterpart of those in `channel`.

use crate::channel::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::incoming::TlsIncoming;
use crate::wire::ledger_server::{Ledger, LedgerServer};
use crate::wire::peering_server::{Peering, PeeringServer};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tonic::service::Routes;
use tonic::transport::Server;

/// Largest message in bytes, in both directions.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Streams one connection may have open.
const MAX_STREAMS: u32 = 1024;

/// The `Ledger` service with the wire's message limits.
pub fn ledger_server<S: Ledger>(service: S) -> LedgerServer<S> {
    LedgerServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// The `Peering` service with the wire's message limits.
pub fn peering_server<S: Peering>(service: S) -> PeeringServer<S> {
    PeeringServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// A server with the wire's windows and keep-alive; a caller that is gone without a word is noticed after
/// 10 s.
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_frame_size(256 << 10)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
}

/// Serves until `stop` resolves. Then the port is closed and calls under way have `grace` to end; streams
/// without an end, such as followed events, are cut off by the end of the process or runtime.
///
/// # Errors
/// What tonic reports; accepting itself does not fail.
pub async fn serve(
    routes: Routes,
    incoming: TlsIncoming,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> Result<(), tonic::transport::Error> {
    let (stopping, stopped) = oneshot::channel();
    let stop = async {
        stop.await;
        // Nobody listens when serving has ended already.
        let _ = stopping.send(());
    };
    let deadline = async {
        // Without a stop there is no deadline.
        match stopped.await {
            Ok(()) => sleep(grace).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = server().add_routes(routes).serve_with_incoming_shutdown(incoming, stop) => served,
        () = deadline => Ok(()),
    }
}
