//! `collector.toml`. The collector's own crate reads it and refuses what it does not know; a test compares the
//! two.

use serde::Serialize;
use std::time::Duration;

/// What a collector is told.
#[derive(Debug, Clone, Serialize)]
pub struct CollectorFile {
    genesis: &'static str,
}

/// Invented events.
pub struct SyntheticFile {
    /// Events a second; `None`: as fast as they become final.
    pub rate: Option<f64>,
    /// Containers that they are about.
    pub containers: u32,
    /// How many, if that is the end.
    pub events: Option<u64>,
    /// For how long, if that is the end.
    pub duration: Option<Duration>,
}

impl CollectorFile {
    /// For a collector of `actor`, which submits to that actor's peer first.
    pub fn new(_actor: &str, _rate: Option<f64>) -> Self {
        Self { genesis: "genesis.json" }
    }

    pub fn synthetic(_actor: &str, s: &SyntheticFile, _stats: &str) -> Self {
        let _ = (s.rate, s.containers, s.events, s.duration);
        Self { genesis: "genesis.json" }
    }
}
