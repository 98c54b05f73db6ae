//! What happened to this peer's own records.

use serde::{Deserialize, Serialize};

/// Damage that was found, and what came of it. Times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When it was found.
    pub found_nano: i64,
    /// Height of the damaged block.
    pub height: u64,
    /// How it was found: `read` or `scrub`.
    pub found_by: String,
    /// What does not hold.
    pub why: String,
    /// Damaged records kept as evidence.
    pub quarantined: usize,
    /// The actor from whose peer the true block came; none while it is not repaired.
    pub repaired_from: Option<String>,
    /// When it was repaired.
    pub repaired_nano: Option<i64>,
}
