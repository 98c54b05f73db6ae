//! By what the events of a spool were recorded: a batch names one component, and holds what that one has recorded.

use super::Spool;
use super::record::Record;
use crate::recent::Fingerprint;
use e2l_ledger::Digest;
use e2l_ledger::event::Event;

impl Spool {
    /// The component that the last event was recorded by, or the next will be; `None`: the rules that are built in.
    pub fn component(&self) -> Option<Digest> {
        self.head.recorded_by.back().and_then(|(_, component)| *component)
    }

    /// Events that are taken from now on are recorded by this component. Durable after the next commit.
    pub fn record_by(&mut self, component: Option<Digest>) {
        if component == self.component() {
            return;
        }
        self.put(&Record::Component(component));
        self.note_component(component);
        self.dirty = true;
    }

    /// This event is not recorded. Only what the collector's own knowledge needs of it stays: `event` is without what
    /// others have put in it. Durable after the next commit.
    pub fn pass_over(&mut self, event: &Event, fingerprint: Option<Fingerprint>) {
        self.put(&Record::Unrecorded {
            bytes: event.encode(),
            fingerprint,
        });
        if let Some(fingerprint) = fingerprint {
            self.recent.insert(fingerprint);
        }
        self.known.note(event);
        self.dirty = true;
    }

    pub(super) fn note_component(&mut self, component: Option<Digest>) {
        let first = self.head.next_event;
        // What was in force for no event at all does not matter.
        if self.head.recorded_by.back().is_some_and(|(at, _)| *at == first) {
            self.head.recorded_by.pop_back();
        }
        if self.head.recorded_by.back().map(|(_, component)| *component) != Some(component) {
            self.head.recorded_by.push_back((first, component));
        }
        // All before it may be in batches.
        self.forget_recorded_by();
    }

    /// By what the next batch's events were recorded.
    pub(super) fn next_component(&self) -> Option<Digest> {
        self.head
            .recorded_by
            .front()
            .and_then(|(_, component)| *component)
    }

    /// How many events that are in no batch were recorded by the same as the first of them.
    pub(super) fn recorded_alike(&self) -> usize {
        let end = self
            .head
            .recorded_by
            .get(1)
            .map_or(self.head.next_event, |(first, _)| *first);
        usize::try_from(end - self.head.next_unbatched).unwrap_or(usize::MAX)
    }

    /// Forgets by what events were recorded that are in batches.
    pub(super) fn forget_recorded_by(&mut self) {
        let next = self.head.next_unbatched;
        while self
            .head
            .recorded_by
            .get(1)
            .is_some_and(|(first, _)| *first <= next)
        {
            self.head.recorded_by.pop_front();
        }
    }
}
