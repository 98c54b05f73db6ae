//! The sidecar beside a container engine: reads its events, keeps them in a spool, signs them in batches and
//! brings those to the ledger.
//!
//! [`source`] gives events and the engine's state, [`reconcile`] finds what is missing, [`spool`] makes them durable, the pipeline cuts batches, [`submit`] brings them to
//! peers until they are final. A slow network fills the spool, never the engine.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod backoff;
mod clock;
mod collector;
mod error;
mod followers;
mod gap;
mod heartbeat;
mod inventory;
mod metrics;
mod options;
mod pipeline;
pub mod privileges;
mod recent;
pub mod reconcile;
pub mod recording;
mod renewal;
mod reserved;
pub mod source;
pub mod spool;
mod statement;
mod stats;
pub mod submit;

pub use collector::Collector;
pub use error::CollectorError;
pub use options::{BatchOptions, CollectorOptions, OptionsError};
pub use recent::{Fingerprint, fingerprint};
pub use recording::redact_action;
pub use stats::{Histogram, Latency, SharedStats, Stats};
