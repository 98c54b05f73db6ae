//! What collectors measure themselves.

use crate::bench::report::Latency;
use crate::error::{CliError, CliResult};
use std::path::Path;

/// A collector's measurements, or those of several together.
#[derive(Debug, Clone)]
pub struct CollectorStats {
    /// Events that became final.
    pub events: u64,
    /// When the first was sent, nanoseconds since the Unix epoch.
    pub first_sent_nano: i64,
    /// Until final.
    pub latency: Latency,
}

impl CollectorStats {
    pub fn read(path: &Path) -> CliResult<Self> {
        Err(CliError::usage(path.display(), "x"))
    }
    pub fn merge(_all: Vec<Self>) -> CliResult<Self> {
        Err(CliError::usage("x", "x"))
    }
}
