//! What the engine remembers: its last events, of all kinds.

use super::super::EngineEvent;
use super::engine::Engine;
use super::intake::Newest;
use crate::clock::now_nano;
use crate::recent::{Fingerprint, fingerprint};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::{Stream, StreamExt};
use std::collections::HashMap;
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

/// Compares what is remembered with the event that was read last. `resumed`: something may have been read, though it is
/// not known what.
pub fn continuity(remembered: &[EngineEvent], newest: Option<Newest>, resumed: bool) -> Continuity {
    let place = newest.and_then(|newest| {
        remembered
            .iter()
            .rposition(|event| print_of(event.clone()) == Some(newest.print))
    });
    match place {
        Some(place) => Continuity::Proven(place),
        None if newest.is_none() && !resumed => Continuity::Fresh,
        None if remembered.len() >= REMEMBERED => {
            Continuity::Broken("not read for too long: the engine forgot events")
        }
        None => Continuity::Broken("the engine was restarted"),
    }
}

/// What an event is known by; `None` for kinds that the ledger does not record.
pub fn print_of(event: EngineEvent) -> Option<Fingerprint> {
    event.normalise(1).ok().flatten().map(|event| fingerprint(&event))
}

/// Asks the engine for what it remembers, oldest first. `highest_nano` is the highest time that was read of it.
pub async fn read(docker: &Docker, engine: &Engine, highest_nano: i64) -> Result<Vec<EngineEvent>, Error> {
    let now = engine.nano(now_nano());
    let mut events = Vec::new();
    if highest_nano <= now {
        // With an end, the engine tells what it remembers and closes the stream.
        let mut stream = stream(docker, false, Some(now + MARGIN));
        while let Some(event) = stream.next().await {
            events.push(event?.into());
        }
        return Ok(events);
    }
    // Its clock was set back: it would leave out what has a later time than the end.
    let mut stream = stream(docker, false, None);
    let end = Instant::now() + SURELY;
    while let Ok(Some(event)) = timeout_at(end.min(Instant::now() + QUIET), stream.next()).await {
        events.push(event?.into());
    }
    Ok(events)
}

/// Everything that the engine remembers, and then what happens, or only up to a moment of its clock. Not from a moment
/// on: it would stop at the first older timestamp, and clocks step.
pub fn stream(
    docker: &Docker,
    recorded_kinds: bool,
    until_nano: Option<i64>,
) -> impl Stream<Item = Result<EventMessage, Error>> + Unpin + use<> {
    let mut options = EventsOptionsBuilder::new().since("1");
    if recorded_kinds {
        let filters = HashMap::from([("type", vec!["container", "service"])]);
        options = options.filters(&filters);
    }
    if let Some(nano) = until_nano {
        options = options.until(&format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000));
    }
    Box::pin(docker.events(Some(options.build())))
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

    fn newest(number: usize) -> Option<Newest> {
        print_of(event("container", number)).map(|print| Newest {
            print,
            time_nano: None,
        })
    }

    #[test]
    fn what_is_remembered_tells_a_restart_from_an_overrun() {
        let few: Vec<_> = (0..10).map(|number| event("container", number)).collect();
        let full: Vec<_> = (0..256).map(|number| event("container", number)).collect();
        assert_eq!(continuity(&few, newest(7), true), Continuity::Proven(7));
        assert_eq!(continuity(&full, newest(0), false), Continuity::Proven(0));
        assert_eq!(continuity(&few, None, false), Continuity::Fresh);
        let reason = |remembered: &[EngineEvent], newest| match continuity(remembered, newest, true) {
            Continuity::Broken(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(reason(&few, newest(300)).contains("restarted"));
        assert!(reason(&few, None).contains("restarted"));
        assert!(reason(&full, newest(300)).contains("forgot"));
    }

    #[test]
    fn events_of_kinds_that_are_not_recorded_fill_its_memory_and_are_not_what_was_read() {
        let networks: Vec<_> = (0..256).map(|number| event("network", number)).collect();
        assert!(
            matches!(continuity(&networks, newest(3), true), Continuity::Broken(why) if why.contains("forgot"))
        );
    }
}
