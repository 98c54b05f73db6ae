//! What happened to this peer's own records.

use e2l_store::{LedgerStore, StoreError};
use serde::{Deserialize, Serialize};

/// Damage that was found, and what came of it. Times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When it was found.
    pub found_nano: i64,
    /// What is damaged: `block 5`, `blocks 5 to 9`, `ledger`, ...
    pub what: String,
    /// Height of the damaged block, of the first of several; 0 where it is not one.
    pub height: u64,
    /// Height of the last of several damaged blocks; of the only one otherwise.
    #[serde(default)]
    pub last_height: u64,
    /// How it was found: `read`, `scrub` or `start`.
    pub found_by: String,
    /// What does not hold, of the first that was found.
    pub why: String,
    /// Damaged records kept as evidence.
    pub quarantined: usize,
    /// The actors from whose peers the truth came, `nobody` where it is lost; none while it is not repaired.
    pub repaired_from: Option<String>,
    /// When it was repaired.
    pub repaired_nano: Option<i64>,
}

impl Incident {
    /// Damage to no block, that was found just now when the peer was started.
    pub fn at_start(what: &str, why: String, found_nano: i64) -> Self {
        Self {
            found_nano,
            what: what.to_owned(),
            height: 0,
            last_height: 0,
            found_by: "start".to_owned(),
            why,
            quarantined: 0,
            repaired_from: None,
            repaired_nano: None,
        }
    }

    /// Keeps it under a name; the same name again replaces it. Durable on return.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, store: &LedgerStore, name: &str) -> Result<(), StoreError> {
        // A struct of numbers and texts always has a JSON form.
        store.save_incident(name, &serde_json::to_vec(self).unwrap_or_default())
    }
}
