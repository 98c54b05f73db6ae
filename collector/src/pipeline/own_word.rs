//! What the collector says itself: clocks, heartbeats, inventories.

use super::Pipeline;
use crate::clock::{self, Ahead, Said, Watch, now_nano};
use e2l_ledger::event::Event;
use std::time::Duration;

/// The clocks that matter.
#[derive(Debug)]
pub struct Clocks {
    own: Watch,
    pub(super) engine: Said,
    peers: Said,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            own: Watch::new(now_nano(), std::time::Instant::now()),
            engine: Said::default(),
            peers: Said::default(),
        }
    }
}

impl Pipeline {
    pub(super) fn peers_ahead(&mut self, ahead: Ahead) {
        let milliseconds = ahead.middle_nano() / 1_000_000;
        self.stats.change(|stats| stats.peers_ahead_ms = milliseconds);
        if self.can_say() && self.clocks.peers.is_news(ahead) {
            self.say_clock_differs("peers", ahead);
        }
    }

    pub(super) fn say_clock_differs(&mut self, whose: &str, ahead: Ahead) {
        let (now, milliseconds) = (now_nano(), ahead.middle_nano() / 1_000_000);
        tracing::warn!(
            whose,
            ahead_ms = milliseconds,
            "a clock differs from this host's: it is recorded"
        );
        let event = clock::differs(&self.spool.sender().to_string(), whose, ahead, now);
        self.say(event);
    }

    /// Records a step of the host's clock. Nothing depends on it: order is that of sequence numbers.
    pub(super) fn watch_clock(&mut self) {
        let now = now_nano();
        if !self.can_say() {
            return;
        }
        let Some(step) = self.clocks.own.step(now, std::time::Instant::now()) else {
            return;
        };
        tracing::warn!(
            by_ms = step.0 / 1_000_000,
            "this host's clock was set: it is recorded"
        );
        let event = clock::stepped(&self.spool.sender().to_string(), step, now);
        self.say(event);
    }

    pub(super) fn heartbeat_left(&self) -> Option<Duration> {
        self.heartbeat.as_ref()?.left(std::time::Instant::now())
    }

    pub(super) fn beat(&mut self) {
        if self.heartbeat_left().is_none_or(|left| !left.is_zero()) {
            return;
        }
        let now = (std::time::Instant::now(), now_nano());
        let (collector, stats) = (self.spool.sender().to_string(), self.stats.get());
        if let Some(event) = self
            .heartbeat
            .as_mut()
            .map(|due| due.beat(&collector, &stats, now))
        {
            self.say(event);
        }
    }

    pub(super) fn can_say(&self) -> bool {
        self.full.is_none() && self.full_disk.is_none()
    }

    /// Takes what the collector has to say itself, unless the spool is full.
    pub(super) fn say(&mut self, mut event: Event) {
        if !self.can_say() {
            return;
        }
        let now = event.received_nano;
        self.spool.take(&mut event, None, now);
        self.stats.change(|stats| stats.taken += 1);
    }

    /// A comparison has come to its end: says what runs, if that is due.
    pub(super) fn take_inventory(&mut self, unsettled: usize) {
        let Some(inventories) = &mut self.inventories else {
            return;
        };
        let agreed = Duration::from_millis(self.anchor.newest().limits.inventory_interval_ms);
        if !inventories.is_due(agreed, std::time::Instant::now()) {
            return;
        }
        let collector = self.spool.sender().to_string();
        let parts = inventories.state(&collector, self.spool.recorded(), unsettled, now_nano());
        parts.into_iter().for_each(|part| self.say(part));
    }
}
