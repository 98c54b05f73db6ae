//! Events to submit.

use e2l_event::{Event, EventKind, Observation};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, nanoseconds since the Unix epoch.
pub fn now_nano() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is after 1970");
    i64::try_from(since.as_nanos()).expect("before the year 2262")
}

/// A container event as an engine would emit it now. Its collector numbers it.
pub fn event(container: &str, action: &str) -> Event {
    let now = now_nano();
    let attributes = [("image", "alpine:3.20"), ("name", container)];
    Event {
        kind: EventKind::Container,
        action: action.to_owned(),
        actor_id: container.to_owned(),
        attributes: attributes
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        scope: "local".to_owned(),
        time: now / 1_000_000_000,
        time_nano: now,
        received_nano: now,
        sequence: 0,
        observation: Observation::Observed,
        facts: None,
    }
}
