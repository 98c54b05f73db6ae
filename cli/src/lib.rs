//! The command line of event2ledger. `main` is all that the binary calls; the rest is public for tests.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod actor_process;
mod args;
pub mod bench;
mod checkpoint_file;
mod collector_file;
mod commands;
mod component;
mod component_diff;
mod daemon;
pub mod demo;
mod deploy;
mod docker;
mod entry_value;
mod error;
mod event_sink;
mod event_view;
mod history_read;
mod network_dir;
pub mod output;
mod profile;
mod proof_file;
mod request;
mod run;
mod session;
mod settings;
mod swarm_check;

pub use args::{Cli, Command};
pub use component::Component;
pub use component_diff::{BoundsProfile, Change, ComponentDiff, ComponentProfile, FunctionProfile};
pub use error::{CliError, CliResult, Exit};
pub use event_sink::EventSink;
pub use event_view::{EVENT_FIELDS, EventView, Lines};
pub use network_dir::{NetworkDir, NetworkFile};
pub use profile::Profile;
pub use run::main;
pub use settings::{Global, Place, Settings, Surroundings};

/// This machine's clock, nanoseconds since the Unix epoch.
#[must_use]
pub fn unix_now_nano() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|age| i64::try_from(age.as_nanos()).ok())
        .unwrap_or_default()
}
