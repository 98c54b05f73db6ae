//! Waiting longer after each failure.

use std::time::Duration;

/// Doubles from `first` to `most`.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            next: first,
        }
    }

    /// How long to wait now.
    pub(crate) fn fail(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.most);
        now
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}
