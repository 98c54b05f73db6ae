//! Handshakes under way.

use std::collections::VecDeque;
use tokio::task::{AbortHandle, JoinSet};

/// A bounded set of handshakes. When it is full the oldest gives way: an honest handshake takes milliseconds,
/// so the oldest of many is one that somebody holds open, and waiting for it would shut out the honest ones.
#[derive(Debug)]
pub(crate) struct Handshakes {
    tasks: JoinSet<()>,
    by_age: VecDeque<AbortHandle>,
    most: usize,
}

impl Handshakes {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            tasks: JoinSet::new(),
            by_age: VecDeque::new(),
            most: most.max(1),
        }
    }

    /// Starts a handshake; whether an older one had to give way for it.
    pub(crate) fn start(&mut self, handshake: impl Future<Output = ()> + Send + 'static) -> bool {
        self.forget_finished();
        let full = self.by_age.len() >= self.most;
        if full {
            self.drop_oldest();
        }
        self.by_age.push_back(self.tasks.spawn(handshake));
        full
    }

    /// Ends the oldest, and frees its descriptor.
    pub(crate) fn drop_oldest(&mut self) {
        self.forget_finished();
        if let Some(oldest) = self.by_age.pop_front() {
            oldest.abort();
        }
    }

    fn forget_finished(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.by_age.retain(|handshake| !handshake.is_finished());
    }
}
