//! Which engine a collector reads, as it says so itself.

use crate::statement::statement;
use e2l_ledger::event::Event;

/// Action of these events.
const ACTION: &str = "engine";

/// What an engine says it is. That is its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineIdentity {
    /// `Docker Engine`, `Podman Engine` or `containerd`.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// Version of the interface that is spoken with it.
    pub api: String,
}

impl EngineIdentity {
    /// What is recorded of it: `collector` is `actor/collector/name`, `address` where the engine is, `now_nano` the collector's
    /// clock, nanoseconds since the Unix epoch.
    pub fn statement(&self, collector: &str, address: &str, now_nano: i64) -> Event {
        let attributes = [
            ("address", address.to_owned()),
            ("api", self.api.clone()),
            ("name", self.name.to_owned()),
            ("version", self.version.clone()),
        ];
        statement(collector, ACTION, attributes, now_nano)
    }
}
