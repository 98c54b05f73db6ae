//! The wire of event2ledger: gRPC over mutual TLS.
//!
//! - [`wire`]: the generated messages and services.
//! - [`connect`], [`connect_lazy`]: one channel to one peer, whose certificate must be the expected one.
//! - [`LedgerClient`]: the `Ledger` service over several peers, with failover.
//! - [`TlsIncoming`], [`serve`]: the accepting side, which survives what the network throws at it.
//! - [`serve_metrics`]: metrics and health of a program, on loopback.
//! - [`EventRecord`]: an event of the ledger as every output shows it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod admission;
mod agreement;
mod backoff;
mod block_events;
mod caller;
mod chained;
mod channel;
mod checkpoint;
mod client;
mod config_changes;
mod connection;
mod distrust;
mod error;
mod event_filter;
mod events;
mod failover;
mod handshakes;
mod incoming;
mod introduction;
pub mod latency_bucket;
mod link;
mod monitoring;
mod options;
pub mod pipe;
mod record;
mod remedy;
mod serve;
mod status;
mod submit;
mod tls_reason;
mod transport;
mod verified_events;
mod verifier;
#[allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
pub mod wire;

pub use agreement::{Agreed, AgreementError, Said};
pub use block_events::{Endorsers, block_events, lateness};
pub use caller::{Caller, caller};
pub use channel::{Target, connect, connect_lazy};
pub use checkpoint::Checkpoint;
pub use client::LedgerClient;
pub use config_changes::{introduce, learn_changes};
pub use connection::TlsConnection;
pub use error::ClientError;
pub use events::EventStream;
pub use incoming::{IncomingLimits, OpenConnections, TlsIncoming};
pub use introduction::Introduction;
pub use link::PeerAddress;
pub use monitoring::{MetricsError, MetricsOptions, Monitored, serve_metrics};
pub use options::ClientOptions;
pub use record::{EventRecord, RecordError};
pub use remedy::refusal_remedy;
pub use serve::{MAX_MESSAGE_BYTES, ledger_server, peering_server, serve, server};
pub use status::{refusal, refusal_status, status_refusal};
pub use submit::{Outcome, SubmitReceiver, SubmitSender, SubmitStream};
pub use verified_events::VerifiedEvents;
pub use verifier::{LogRead, Verifier, VerifyError};
