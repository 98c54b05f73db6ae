//! What a collector has to say about events that are missing.

use e2l_ledger::event::{Event, EventKind, Observation};
use e2l_ledger::{Member, SenderHead};
use std::collections::BTreeMap;

/// Longest piece of a foreign string in a gap, bytes.
const MAX_TEXT: usize = 256;

/// The spool was lost: events between the last batch on the ledger and now may be missing.
pub fn spool_lost(sender: &Member, head: &SenderHead, now_nano: i64) -> Event {
    let attributes = [
        ("reason", "spool lost".to_owned()),
        ("last.incarnation", head.incarnation.to_string()),
        ("last.sequence", head.sequence.to_string()),
        ("last.digest", head.digest.to_string()),
    ];
    gap(sender.to_string(), attributes.into(), now_nano, now_nano)
}

/// An event is larger than the network allows.
pub fn too_large(event: &Event, size: usize) -> Event {
    let attributes = [
        ("reason", "event too large".to_owned()),
        ("event.type", event.kind.to_string()),
        ("event.action", cut(&event.action)),
        ("event.bytes", size.to_string()),
    ];
    gap(cut(&event.actor_id), attributes.into(), event.time_nano, event.received_nano)
}

fn gap(actor_id: String, attributes: Vec<(&str, String)>, time_nano: i64, received_nano: i64) -> Event {
    Event {
        kind: EventKind::Collector,
        action: "gap".to_owned(),
        actor_id,
        attributes: attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<BTreeMap<_, _>>(),
        scope: "local".to_owned(),
        time: time_nano / 1_000_000_000,
        time_nano,
        received_nano,
        sequence: 0,
        observation: Observation::Gap,
        facts: None,
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
