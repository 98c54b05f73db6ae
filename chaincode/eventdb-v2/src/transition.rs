//! The index of `runningContainers`: one key per start and end of a service's container.

use crate::event2ledger::ledger::state;
use crate::{Rejection, reject};
use e2l_event::Event;

/// Label with the name of a container's service. Whoever starts a container can write it.
const SERVICE: &str = "com.docker.swarm.service.name";
/// Longest name that is indexed, bytes: its length is one byte of the key. Swarm allows 63.
pub const MAX_SERVICE: usize = 255;

/// Value of a key whose container has started.
pub const STARTED: u8 = 1;
/// Value of a key whose container has ended.
const ENDED: u8 = 0;

/// With these bytes the events begin that start or end a container: version, type, and the action behind its length
/// (docs/format/event.md). Most events are neither, and need not be decoded.
const KINDS: [(&[u8], u8); 2] = [
    (b"\x01\x00\x05\x00\x00\x00start", STARTED),
    (b"\x01\x00\x03\x00\x00\x00die", ENDED),
];

/// A container of a service started or ended.
pub struct Transition {
    service: String,
    container: String,
    /// Engine's time, nanoseconds since the Unix epoch.
    time_nano: u64,
    became: u8,
}

impl Transition {
    /// What an encoded event says; `None` if it is about something else.
    pub fn of(event: &[u8]) -> Result<Option<Self>, Rejection> {
        let Some((_, became)) = KINDS.iter().find(|(begin, _)| event.starts_with(begin)) else {
            return Ok(None);
        };
        let mut event = Event::decode(event).map_err(|error| reject(error.to_string()))?;
        let service = event.attributes.remove(SERVICE);
        let service = service.filter(|service| service.len() <= MAX_SERVICE);
        Ok(service.map(|service| Self {
            service,
            container: event.actor_id,
            // Never negative: `createEvent` refuses that.
            time_nano: event.time_nano as u64,
            became: *became,
        }))
    }

    /// Puts it into the index; `position` is that of its event among all. Doing so again changes nothing.
    pub fn keep(&self, position: u64) {
        let mut key = key_at(&self.service, &self.container, self.time_nano);
        // Of two at the same time the later in the ledger counts: it comes first here.
        key.extend_from_slice(&(!position).to_be_bytes());
        state::put(&key, &[self.became]);
    }
}

/// Begin of all keys of this version: what it prepares must bear its name.
pub const OWN: &str = concat!(env!("CARGO_PKG_VERSION"), "/");

/// Begin of the keys of a service. The length makes that no name is the begin of another.
pub fn prefix(service: &str) -> Vec<u8> {
    // Of at most `MAX_SERVICE` bytes, here and in questions.
    let length = service.len() as u8;
    [OWN.as_bytes(), b"run/", &[length], service.as_bytes()].concat()
}

/// The first key of a container at or before a time: times are kept as their complement, so that the newest comes first
/// and one look finds the last transition before a moment.
pub fn key_at(service: &str, container: &str, time_nano: u64) -> Vec<u8> {
    let time = (!time_nano).to_be_bytes();
    [prefix(service).as_slice(), container.as_bytes(), &[0], &time].concat()
}

/// The first key after those of a container. An id holds no control characters, so a longer one comes later.
pub fn after(service: &str, container: &str) -> Vec<u8> {
    [prefix(service).as_slice(), container.as_bytes(), &[1]].concat()
}

/// The first key after those of a service: no id holds this byte.
pub fn end(service: &str) -> Vec<u8> {
    [prefix(service).as_slice(), &[0xff]].concat()
}

/// The container that a key of a service is about.
pub fn container_of<'a>(service: &str, key: &'a [u8]) -> Result<&'a str, Rejection> {
    let rest = key.strip_prefix(prefix(service).as_slice()).unwrap_or_default();
    let id = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(id).map_err(|error| reject(format!("the index holds an unreadable key: {error}")))
}
