//! What was recorded of each container and service: a fold over the recorded events.

use super::Phase;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::event::{Event, EventKind, Observation};
use std::collections::{BTreeMap, VecDeque};

/// Most containers that are remembered, about 200 bytes each.
const MOST_CONTAINERS: usize = 16_384;
/// Most services.
const MOST_SERVICES: usize = 4096;
/// Removed ones that are remembered: twice as many as events may come between an inspection and its comparison.
const REMOVED: usize = 2 * MOST_BETWEEN as usize;
/// Most events between them: else it is too old to say anything.
const MOST_BETWEEN: u64 = 1024;
/// The stream's event comes at most so much after the moment that inspection gives, nanoseconds.
const LOGGED_WITHIN: i64 = 10_000_000_000;

/// Attribute that tells a container's runs apart, where the moment of the start does not.
pub const RUN: &str = "event2ledger.run";

/// A moment of a run, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Moment {
    /// Nanoseconds since the Unix epoch.
    pub nano: i64,
    /// From inspection; else it is the time of the stream's event, a little later.
    pub exact: bool,
    /// The stream did not tell.
    pub inferred: bool,
}

impl Moment {
    /// Whether it is the moment that inspection names.
    pub fn is(self, inspected_nano: i64) -> bool {
        if self.exact {
            return self.nano == inspected_nano;
        }
        (0..=LOGGED_WITHIN).contains(&self.nano.saturating_sub(inspected_nano))
    }
}

/// What was recorded of a container.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Container {
    /// What it did after its last event.
    pub phase: Phase,
    /// When it was started last.
    pub started: Option<Moment>,
    /// When it died last.
    pub finished: Option<Moment>,
    /// The engine's name of its last run, where it has one.
    pub run: Option<String>,
    /// Engine's time of its last event, nanoseconds since the Unix epoch.
    pub last_nano: i64,
    /// Whether its creation was inferred.
    pub inferred: bool,
    /// Number of its last event in this run's stream.
    #[borsh(skip)]
    read: u64,
}

/// What was recorded of a service.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Service {
    /// Time of its last event, nanoseconds since the Unix epoch.
    pub updated_nano: i64,
    /// Whether that was inferred.
    pub inferred: bool,
    /// Whether its creation was.
    pub created_inferred: bool,
    /// Time of an event that was told after one had been inferred of a later time.
    pub told_late_nano: Option<i64>,
    /// Number of its last event in this run's stream.
    #[borsh(skip)]
    read: u64,
}

/// One that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Removed {
    id: String,
    inferred: bool,
    read: u64,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Known {
    containers: BTreeMap<String, Container>,
    services: BTreeMap<String, Service>,
    /// Engine's time of the container's event of its stream that was recorded last.
    read_nano: Option<i64>,
    forgotten: bool,
    /// The latest change of the services that were forgotten.
    services_forgotten_nano: Option<i64>,
    #[borsh(skip)]
    removed: VecDeque<Removed>,
    /// Number of the stream's last event in this run.
    #[borsh(skip)]
    number: u64,
}

impl Known {
    /// Adds a recorded event.
    pub fn note(&mut self, event: &Event) {
        if event.kind == EventKind::Container && event.observation == Observation::Observed {
            self.read_nano = Some(event.time_nano);
        }
        match event.kind {
            EventKind::Container => self.note_container(event),
            EventKind::Service => self.note_service(event),
            EventKind::Collector => {}
        }
    }

    /// The event about this id that was noted last was the stream's of this number.
    pub fn touch(&mut self, id: &str, number: u64) {
        self.number = self.number.max(number);
        if let Some(container) = self.containers.get_mut(id) {
            container.read = container.read.max(number);
        } else if let Some(service) = self.services.get_mut(id) {
            service.read = service.read.max(number);
        } else if let Some(removed) = self.removed.iter_mut().rev().find(|removed| removed.id == id) {
            removed.read = removed.read.max(number);
        }
    }

    /// Whether an event about this id came after the event of this number.
    pub fn changed_since(&self, id: &str, number: u64) -> bool {
        let read = match (self.containers.get(id), self.services.get(id)) {
            (Some(container), _) => container.read,
            (None, Some(service)) => service.read,
            (None, None) => self.removed_of(id).map_or(0, |removed| removed.read),
        };
        read > number
    }

    /// Whether too many events came after the event of this number to tell of whom.
    pub fn is_far_beyond(&self, number: u64) -> bool {
        self.number > number.saturating_add(MOST_BETWEEN)
    }

    /// Whether this event of the stream is one that was inferred before.
    pub fn has_inferred(&self, event: &Event) -> bool {
        if event.kind == EventKind::Service {
            return self.has_inferred_of_service(event);
        }
        let id = &event.actor_id;
        let Some(container) = self.containers.get(id) else {
            return event.action == "destroy" && self.removed_of(id).is_some_and(|removed| removed.inferred);
        };
        let facts = event.facts.as_ref();
        // Without facts the phase decides: nothing starts twice without an end between, or ends twice without a start.
        let repeats = |moment: Option<Moment>, fact: Option<i64>, in_phase: bool| {
            moment.is_some_and(|moment| moment.inferred && fact.map_or(in_phase, |fact| moment.is(fact)))
        };
        match event.action.as_str() {
            "create" => container.inferred,
            "start" => {
                let fact = facts.and_then(|facts| facts.started_nano);
                repeats(container.started, fact, container.phase.is_alive())
            }
            "die" => {
                let fact = facts.and_then(|facts| facts.finished_nano);
                repeats(container.finished, fact, container.phase == Phase::Dead)
            }
            _ => false,
        }
    }

    fn has_inferred_of_service(&self, event: &Event) -> bool {
        match self.services.get(&event.actor_id) {
            Some(service) if event.action == "create" => service.created_inferred,
            Some(service) => service.inferred && service.updated_nano == event.time_nano,
            None => {
                event.action == "remove" && self.removed_of(&event.actor_id).is_some_and(|gone| gone.inferred)
            }
        }
    }

    /// What is known of a container.
    pub fn container(&self, id: &str) -> Option<&Container> {
        self.containers.get(id)
    }

    /// Ids of the containers that were not removed.
    pub fn containers(&self) -> impl Iterator<Item = &String> {
        self.containers.keys()
    }

    /// Ids of the containers that have a process, and when each was started last, nanoseconds since the Unix epoch.
    pub fn alive(&self) -> impl Iterator<Item = (&str, Option<i64>)> {
        let alive = self
            .containers
            .iter()
            .filter(|(_, container)| container.phase.is_alive());
        alive.map(|(id, container)| (id.as_str(), container.started.map(|started| started.nano)))
    }

    /// Those that have a process, and what is known of each.
    pub fn running(&self) -> impl Iterator<Item = (&String, &Container)> {
        self.containers
            .iter()
            .filter(|(_, container)| container.phase.is_alive())
    }

    /// The highest engine's time of the last event of a container or service that is there, nanoseconds since the Unix epoch;
    /// 0 for none.
    pub fn newest_nano(&self) -> i64 {
        let containers = self.containers.values().map(|container| container.last_nano);
        let services = self.services.values().map(|service| service.updated_nano);
        containers.chain(services).max().unwrap_or_default()
    }

    /// Engine's time of the container's event of its stream that was recorded last, nanoseconds since the Unix epoch: services'
    /// events have the time of the Swarm's leader.
    pub fn read_nano(&self) -> Option<i64> {
        self.read_nano
    }

    /// What is known of a service.
    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services.get(id)
    }

    /// The services that were not removed.
    pub fn services(&self) -> impl Iterator<Item = (&String, &Service)> {
        self.services.iter()
    }

    /// Whether there were more containers than are remembered.
    pub fn has_forgotten(&self) -> bool {
        self.forgotten
    }

    /// The latest change of the services that were forgotten for want of room, nanoseconds since the Unix epoch: one that is
    /// not known and was not changed since may be one of them.
    pub fn services_forgotten_nano(&self) -> Option<i64> {
        self.services_forgotten_nano
    }

    fn removed_of(&self, id: &str) -> Option<&Removed> {
        self.removed.iter().rev().find(|removed| removed.id == id)
    }

    fn note_container(&mut self, event: &Event) {
        let id = &event.actor_id;
        let inferred = event.observation == Observation::Inferred;
        match event.action.as_str() {
            "destroy" => {
                if self.containers.remove(id).is_some() {
                    self.note_removed(id, inferred);
                }
                return;
            }
            "create" | "start" | "die" | "pause" | "unpause" | "inspect" => {}
            _ => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.last_nano = event.time_nano;
                }
                return;
            }
        }
        if let Some(container) = self.containers.get_mut(id) {
            return container.note(event, inferred);
        }
        self.make_room();
        let mut container = Container::new(inferred && event.action == "create");
        container.note(event, inferred);
        self.containers.insert(id.clone(), container);
    }

    /// Forgets those that have been dead for longest, else those that were silent for longest; several at a time, since
    /// looking for them takes a while.
    fn make_room(&mut self) {
        if self.containers.len() < MOST_CONTAINERS {
            return;
        }
        let mut all: Vec<_> = self
            .containers
            .iter()
            .map(|(id, container)| (container.phase.is_alive(), container.last_nano, id.clone()))
            .collect();
        all.sort_unstable();
        for (_, _, id) in all.into_iter().take(MOST_CONTAINERS / 16) {
            self.containers.remove(&id);
        }
        self.forgotten = true;
    }

    fn note_service(&mut self, event: &Event) {
        let id = &event.actor_id;
        let inferred = event.observation == Observation::Inferred;
        if event.action == "remove" {
            if self.services.remove(id).is_some() {
                self.note_removed(id, inferred);
            }
            return;
        }
        if let Some(service) = self.services.get_mut(id) {
            return service.note(event, inferred);
        }
        self.make_room_for_service();
        self.services.insert(id.clone(), Service::new(event, inferred));
    }

    /// Forgets those that were changed longest ago, several at a time.
    fn make_room_for_service(&mut self) {
        if self.services.len() < MOST_SERVICES {
            return;
        }
        let mut all: Vec<_> = self
            .services
            .iter()
            .map(|(id, service)| (service.updated_nano, id.clone()))
            .collect();
        all.sort_unstable();
        for (updated_nano, id) in all.into_iter().take(MOST_SERVICES / 16) {
            self.services.remove(&id);
            self.services_forgotten_nano = self.services_forgotten_nano.max(Some(updated_nano));
        }
    }

    fn note_removed(&mut self, id: &str, inferred: bool) {
        self.removed.push_back(Removed {
            id: id.to_owned(),
            inferred,
            read: 0,
        });
        if self.removed.len() > REMOVED {
            self.removed.pop_front();
        }
    }
}

impl Service {
    fn new(event: &Event, inferred: bool) -> Self {
        Self {
            updated_nano: event.time_nano,
            inferred,
            created_inferred: inferred && event.action == "create",
            told_late_nano: None,
            read: 0,
        }
    }

    fn note(&mut self, event: &Event, inferred: bool) {
        if !inferred && self.inferred && event.time_nano < self.updated_nano {
            self.told_late_nano = Some(event.time_nano);
            return;
        }
        if event.action == "create" {
            self.created_inferred = inferred;
        }
        self.updated_nano = event.time_nano;
        self.inferred = inferred;
        self.told_late_nano = None;
    }
}

impl Container {
    fn new(inferred: bool) -> Self {
        Self {
            phase: Phase::Created,
            started: None,
            finished: None,
            run: None,
            last_nano: 0,
            inferred,
            read: 0,
        }
    }

    fn note(&mut self, event: &Event, inferred: bool) {
        let moment = |fact: Option<i64>| Moment {
            nano: fact.unwrap_or(event.time_nano),
            exact: fact.is_some(),
            inferred,
        };
        let facts = event.facts.clone().unwrap_or_default();
        match event.action.as_str() {
            "start" => {
                self.phase = Phase::Runs;
                self.started = Some(moment(facts.started_nano));
                self.run = event.attributes.get(RUN).cloned();
            }
            // The end of a run, told after another has begun, is not that one's.
            "die"
                if self.run.is_some()
                    && event
                        .attributes
                        .get(RUN)
                        .is_some_and(|run| self.run.as_ref() != Some(run)) => {}
            "die" => {
                self.phase = Phase::Dead;
                self.finished = Some(moment(facts.finished_nano));
                self.correct_start(facts.started_nano);
            }
            "inspect" => {
                self.finished = Some(moment(facts.finished_nano));
                self.correct_start(facts.started_nano);
            }
            "pause" => self.phase = Phase::Paused,
            "unpause" => self.phase = Phase::Runs,
            _ => {}
        }
        self.last_nano = event.time_nano;
    }

    /// The start's own event may have come without facts.
    fn correct_start(&mut self, started_nano: Option<i64>) {
        if let Some(nano) = started_nano
            && self.started.is_none_or(|started| !started.exact)
        {
            self.started = Some(Moment {
                nano,
                exact: true,
                inferred: self.started.is_some_and(|started| started.inferred),
            });
        }
    }
}
