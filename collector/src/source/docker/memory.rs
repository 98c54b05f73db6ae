//! What the engine remembers: its last events, of all kinds, or a log of them.

use super::super::EngineEvent;
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::engine::Engine;
use super::log;
use super::told::Told;
use crate::clock::now_nano;
use crate::recent::{Fingerprint, fingerprint};
use bollard::errors::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How many events an engine remembers.
pub const REMEMBERED: usize = 256;
/// A moment so much later than now is surely after what was published before, nanoseconds.
const MARGIN: i64 = 5_000_000;
/// The engine has told what it remembers when it tells nothing for so long.
const QUIET: Duration = Duration::from_millis(300);
/// And surely after so long, whatever else happens.
const SURELY: Duration = Duration::from_secs(1);

/// What asks for everything of all kinds that the engine remembers, and for what happens then. Not from a moment on: it would
/// stop at the first older timestamp, and clocks step.
const ALL: &str = "/events?since=1";

/// Whether the events of the stream go on where they were read last.
#[derive(Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The event that was read last is remembered at this place: nothing after it is missing.
    Proven(usize),
    /// There is nothing to be continuous with.
    Fresh,
    /// Events may be missing: why.
    Broken(&'static str),
}

/// From when on an engine is asked, nanoseconds since the Unix epoch by its clock.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// The highest time that was read of it.
    pub highest_nano: i64,
    /// From where on its log is wanted, if it keeps one.
    pub since_nano: i64,
}

/// Compares what is remembered with the event that was read last. `resumed`: something may have been read since this moment
/// of the engine's clock, though it is not known what.
pub fn continuity(
    dialect: Dialect,
    remembered: &[EngineEvent],
    newest: Option<Fingerprint>,
    resumed: Option<i64>,
) -> Continuity {
    let place = newest.and_then(|newest| {
        remembered
            .iter()
            .rposition(|event| print_of(event.clone()) == Some(newest))
    });
    match place {
        Some(place) => Continuity::Proven(place),
        None if newest.is_none() && resumed.is_none_or(|since| reaches_back(remembered, since)) => {
            Continuity::Fresh
        }
        None if dialect == Dialect::Podman => {
            Continuity::Broken("the engine's log does not reach back to what was read last")
        }
        None if remembered.len() >= REMEMBERED => {
            Continuity::Broken("not read for too long: the engine forgot events")
        }
        None => Continuity::Broken("the engine was restarted"),
    }
}

/// Whether all that happened since a moment is remembered: something before it is, and the clock was not set back since.
fn reaches_back(remembered: &[EngineEvent], since_nano: i64) -> bool {
    remembered
        .first()
        .is_some_and(|first| first.time_nano < since_nano)
        && remembered.is_sorted_by_key(|event| event.time_nano)
}

/// What an event is known by; `None` for kinds that the ledger does not record.
pub fn print_of(event: EngineEvent) -> Option<Fingerprint> {
    event.normalise(1).ok().flatten().map(|event| fingerprint(&event))
}

/// Asks the engine for what it remembers, oldest first.
///
/// # Errors
/// It does not answer, or with something else.
pub async fn read(address: &Endpoint, engine: &Engine, reach: Reach) -> Result<Vec<EngineEvent>, Error> {
    if engine.dialect == Dialect::Podman {
        return log::read(address, reach.since_nano).await;
    }
    let now = engine.nano(now_nano());
    let mut events = Vec::new();
    if reach.highest_nano <= now {
        // With an end, the engine tells what it remembers and closes the stream.
        let path = format!("{ALL}&until={}", seconds(now + MARGIN));
        let mut told = Told::open(address, engine.dialect, &path).await?;
        while let Some(event) = told.next().await? {
            events.push(event);
        }
        return Ok(events);
    }
    // Its clock was set back: it would leave out what has a later time than the end.
    let mut told = Told::open(address, engine.dialect, ALL).await?;
    let end = Instant::now() + SURELY;
    while let Ok(event) = timeout_at(end.min(Instant::now() + QUIET), told.next()).await
        && let Some(event) = event?
    {
        events.push(event);
    }
    Ok(events)
}

/// What asks for what happens, of the kinds that are recorded, after what the engine remembers; of a log only for what is younger
/// than `since_nano`.
pub fn subscription(dialect: Dialect, since_nano: i64) -> String {
    match dialect {
        Dialect::Docker => format!("{ALL}&filters=%7B%22type%22%3A%5B%22container%22%2C%22service%22%5D%7D"),
        Dialect::Podman => log::path(since_nano),
    }
}

/// As engines read a moment, nanoseconds since the Unix epoch.
pub fn seconds(nano: i64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, number: usize) -> EngineEvent {
        let line = format!(
            r#"{{"Type":"{kind}","Action":"start","Actor":{{"ID":"a"}},"timeNano":{}}}"#,
            number + 1
        );
        EngineEvent::parse(&line).unwrap()
    }

    fn newest(number: usize) -> Option<Fingerprint> {
        print_of(event("container", number))
    }

    #[test]
    fn what_is_remembered_tells_a_restart_from_an_overrun() {
        let few: Vec<_> = (0..10).map(|number| event("container", number)).collect();
        let full: Vec<_> = (0..256).map(|number| event("container", number)).collect();
        assert_eq!(
            continuity(Dialect::Docker, &few, newest(7), Some(1)),
            Continuity::Proven(7)
        );
        assert_eq!(
            continuity(Dialect::Docker, &full, newest(0), None),
            Continuity::Proven(0)
        );
        assert_eq!(continuity(Dialect::Docker, &few, None, None), Continuity::Fresh);
        let reason = |remembered: &[EngineEvent], newest| match continuity(
            Dialect::Docker,
            remembered,
            newest,
            Some(1),
        ) {
            Continuity::Broken(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(reason(&few, newest(300)).contains("restarted"));
        assert!(reason(&few, None).contains("restarted"));
        assert!(reason(&full, newest(300)).contains("forgot"));
    }

    #[test]
    fn an_engine_that_remembers_what_was_before_has_forgotten_nothing_since() {
        let few: Vec<_> = (0..10).map(|number| event("network", number)).collect();
        let of =
            |remembered: &[EngineEvent], since| continuity(Dialect::Docker, remembered, None, Some(since));
        assert_eq!(of(&few, 2), Continuity::Fresh);
        let restarted = Continuity::Broken("the engine was restarted");
        assert_eq!(of(&few, 1), restarted, "its first event is younger");
        assert_eq!(of(&[], 2), restarted);
        let set_back: Vec<_> = few[5..].iter().chain(&few[..5]).cloned().collect();
        assert_eq!(of(&set_back, 100), restarted, "its clock says nothing");
    }

    #[test]
    fn events_of_kinds_that_are_not_recorded_fill_its_memory_and_are_not_what_was_read() {
        let networks: Vec<_> = (0..256).map(|number| event("network", number)).collect();
        assert!(
            matches!(continuity(Dialect::Docker, &networks, newest(3), Some(1)), Continuity::Broken(why) if why.contains("forgot"))
        );
    }
}
