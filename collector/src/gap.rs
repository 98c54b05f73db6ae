//! What a collector has to say about events that are missing.

use e2l_ledger::event::{Event, EventError, EventKind, Observation};
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
    gap(
        cut(&event.actor_id),
        attributes.into(),
        event.time_nano,
        event.received_nano,
    )
}

/// An event breaks the form that the contract demands.
pub fn malformed(event: &Event, why: &EventError) -> Event {
    let attributes = [
        ("reason", "malformed event".to_owned()),
        ("event.type", event.kind.to_string()),
        ("event.action", cut(&event.action)),
        ("event.id", cut(&event.actor_id)),
        ("event.error", cut(&why.to_string())),
    ];
    let actor_id: String = cut(&event.actor_id)
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    let actor_id = if actor_id.is_empty() {
        "unknown".to_owned()
    } else {
        actor_id
    };
    gap(
        actor_id,
        attributes.into(),
        event.time_nano.max(1),
        event.received_nano.max(1),
    )
}

/// The spool reached its bound: what the engine emits from now on is not taken.
pub fn spool_full(sender: &Member, from_nano: i64) -> Event {
    let attributes = [
        ("reason", "spool full".to_owned()),
        ("from", from_nano.to_string()),
    ];
    gap(sender.to_string(), attributes.into(), from_nano, from_nano)
}

/// There is room again.
pub fn spool_was_full(sender: &Member, from_nano: i64, to_nano: i64, events: u64) -> Event {
    let attributes = [
        ("reason", "spool was full".to_owned()),
        ("from", from_nano.to_string()),
        ("to", to_nano.to_string()),
        ("events", events.to_string()),
    ];
    gap(sender.to_string(), attributes.into(), to_nano, to_nano)
}

/// So many events were read and not kept, because memory was full of others.
pub fn overrun(collector: &str, (from_nano, to_nano): (i64, i64), events: u64) -> Event {
    let attributes = vec![
        ("reason", "memory was full".to_owned()),
        ("from", from_nano.to_string()),
        ("to", to_nano.to_string()),
        ("events", events.to_string()),
    ];
    gap(collector.to_owned(), attributes, to_nano, to_nano)
}

/// What happened between two moments is not known in full: to one container or service, or to all that the collector of this
/// name watches.
pub fn unproven(id: &str, reason: &str, (from_nano, to_nano): (i64, i64)) -> Event {
    let attributes = vec![
        ("reason", reason.to_owned()),
        ("from", from_nano.to_string()),
        ("to", to_nano.to_string()),
    ];
    let to_nano = to_nano.max(1);
    gap(id.to_owned(), attributes, to_nano, to_nano)
}

/// The disk was full: what was read meanwhile waited in memory. `lost` says that the collector ended before it could be
/// written.
pub fn disk_was_full(sender: &Member, (from_nano, to_nano): (i64, i64), lost: bool) -> Event {
    let reason = if lost {
        "disk was full, and the collector ended"
    } else {
        "disk was full"
    };
    let attributes = vec![
        ("reason", reason.to_owned()),
        ("from", from_nano.to_string()),
        ("to", to_nano.to_string()),
    ];
    gap(sender.to_string(), attributes, to_nano, to_nano)
}

/// Peers will never take what was signed in the incarnation before: events that are not on the ledger were recorded anew, by
/// another component or executable, and some of them are not recorded by it.
pub fn recorded_anew(
    sender: &Member,
    incarnation: u64,
    (events, left_out): (u64, u64),
    now_nano: i64,
) -> Event {
    let attributes = vec![
        (
            "reason",
            "recorded anew: what was signed before is not taken any more".to_owned(),
        ),
        ("last.incarnation", incarnation.to_string()),
        ("events", events.to_string()),
        ("left_out", left_out.to_string()),
    ];
    gap(sender.to_string(), attributes, now_nano, now_nano)
}

fn gap(actor_id: String, attributes: Vec<(&str, String)>, time_nano: i64, received_nano: i64) -> Event {
    Event {
        kind: EventKind::Collector,
        action: "gap".to_owned(),
        actor_id,
        attributes: attributes
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
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
