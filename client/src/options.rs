//! How patient a client is.

use std::time::Duration;

/// Patience of a [`crate::LedgerClient`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Longest wait for the answer of one peer to a read, and for a stream to open.
    pub read_timeout: Duration,
    /// Longest wait for one peer to make an envelope final; its outcome is unknown afterwards.
    pub submit_timeout: Duration,
    /// How long to go round the peers again while none can serve. Zero means one round. A round that has
    /// begun is finished.
    pub patience: Duration,
    /// First pause between two rounds; it doubles.
    pub pause: Duration,
    /// Longest pause between two rounds.
    pub max_pause: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(10),
            submit_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            pause: Duration::from_millis(50),
            max_pause: Duration::from_secs(2),
        }
    }
}
