//! When the other actors' peers were last heard.

use crate::votes_in::now_nano;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// When another actor's peer was last heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Whether the link works now.
    pub linked: bool,
    /// Nanoseconds since the Unix epoch; 0 for never.
    pub at_nano: i64,
}

/// By actor, for the status and announcements: finality has its own clock.
#[derive(Default)]
pub struct HeardPeers(Mutex<BTreeMap<String, Heard>>);

impl HeardPeers {
    /// When an actor's peer was last heard; `None` before the first attempt.
    pub fn get(&self, actor: &str) -> Option<Heard> {
        self.0.lock().get(actor).copied()
    }

    /// The link to an actor's peer came up or went down.
    pub(super) fn on_link(&self, actor: &str, linked: bool) {
        let mut heard = self.0.lock();
        let entry = heard
            .entry(actor.to_owned())
            .or_insert(Heard { linked, at_nano: 0 });
        entry.linked = linked;
        if linked {
            entry.at_nano = now_nano();
        }
    }
}
