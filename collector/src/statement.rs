//! What a collector says of itself, as events.

use e2l_ledger::event::{Event, EventKind, Observation};

/// A statement: `collector` is `actor/collector/name`, `now_nano` the collector's clock, nanoseconds since the Unix epoch.
pub fn statement<'a>(
    collector: &str,
    action: &str,
    attributes: impl IntoIterator<Item = (&'a str, String)>,
    now_nano: i64,
) -> Event {
    let attributes = attributes.into_iter();
    Event {
        kind: EventKind::Collector,
        action: action.to_owned(),
        actor_id: collector.to_owned(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
        scope: "local".to_owned(),
        time: now_nano / 1_000_000_000,
        time_nano: now_nano,
        received_nano: now_nano,
        sequence: 0,
        observation: Observation::Observed,
        facts: None,
    }
}
