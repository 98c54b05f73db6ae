//! Which collectors the ledger has heard, and which of them have fallen silent.
//!
//! A collector's heartbeats are on the ledger, each with the interval to the next. Nothing is remembered beside the ledger,
//! so a peer that was restarted knows as much as one that was not.

use crate::node::{Executed, Node};
use crate::votes_in::now_nano;
use e2l_ledger::event::Event;
use e2l_ledger::{Canonical, Member, Role, SenderHead, StateKey};
use e2l_store::{StoreError, View};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Most senders that are looked at.
const MOST: usize = 100_000;
/// Statements of a collector among which its newest heartbeat is looked for.
const RECENT: u64 = 32;
/// Action of a heartbeat, and the attribute with its interval in seconds.
const HEARTBEAT: (&str, &str) = ("heartbeat", "every_s");
/// How often it is looked who is silent.
const LOOK: Duration = Duration::from_secs(5);

/// One collector, as the ledger has it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Who.
    pub member: Member,
    /// Its last batch.
    pub head: SenderHead,
    /// That batch's block: height, and time in nanoseconds since the Unix epoch.
    pub last: (u64, i64),
    /// Statements of its own on the ledger.
    pub statements: u64,
    /// Its newest heartbeat, and the time of that one's block.
    pub heartbeat: Option<(Event, i64)>,
}

impl Seen {
    /// Whether two heartbeats that it promised have stayed away, and everything else of it too.
    pub fn is_silent(&self, now_nano: i64) -> bool {
        let every = self.heartbeat.as_ref().and_then(|(event, _)| interval(event));
        every
            .is_some_and(|every_nano| now_nano.saturating_sub(self.last.1) > every_nano.saturating_mul(5) / 2)
    }
}

/// Nanoseconds; `None` where it promises none.
fn interval(heartbeat: &Event) -> Option<i64> {
    let seconds: i64 = heartbeat.attributes.get(HEARTBEAT.1)?.parse().ok()?;
    (seconds > 0).then(|| seconds.saturating_mul(1_000_000_000))
}

/// All of them as of a height, in the order of their names.
///
/// # Errors
/// The store cannot be read, or what is read is damaged.
pub fn collectors(node: &Node, at: &Executed) -> Result<Vec<Seen>, StoreError> {
    let view = &at.view;
    let names: Vec<String> = node
        .config()
        .chaincodes
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let mut seen = Vec::new();
    for (key, value) in view.scan(&StateKey::senders(), &StateKey::senders_end(), MOST)? {
        let corrupt = |why: String| StoreError::corrupt_state(&key, why);
        let text = String::from_utf8_lossy(key.local()).into_owned();
        let member: Member = text.parse().map_err(|error| corrupt(format!("{error}")))?;
        if member.role != Role::Collector {
            continue;
        }
        let head = SenderHead::decode(&value).map_err(|error| corrupt(error.to_string()))?;
        let place = view.batch(&member, head.incarnation, head.sequence)?;
        let height = place.map_or(0, |place| place.height);
        let time_nano = view.header(height)?.map_or(0, |header| header.time_nano);
        let (statements, heartbeat) = newest_heartbeat(view, &names, &text)?;
        seen.push(Seen {
            member,
            head,
            last: (height, time_nano),
            statements,
            heartbeat,
        });
    }
    Ok(seen)
}

/// How many statements a collector has made of itself, and its newest heartbeat among the last of them.
fn newest_heartbeat(
    view: &View,
    chaincodes: &[String],
    collector: &str,
) -> Result<(u64, Option<(Event, i64)>), StoreError> {
    for chaincode in chaincodes {
        let log = StateKey::log(chaincode, format!("id/{collector}").as_bytes());
        let length = view.log_head(&log)?.length;
        if length == 0 {
            continue;
        }
        let entries = view.log_read(&log, length.saturating_sub(RECENT), RECENT as usize)?;
        let newest = entries.iter().rev().find_map(|entry| {
            let event = Event::decode(&entry.value).ok()?;
            // Anybody may name it; only what it said itself counts.
            let said = entry.provenance.sender.to_string() == collector && event.action == HEARTBEAT.0;
            said.then_some((event, entry.provenance.block_time_nano))
        });
        return Ok((length, newest));
    }
    Ok((0, None))
}

/// Raises an alarm for each collector that falls silent, and ends it when it is heard again. Until the peer stops.
pub async fn watch_silence(node: Arc<Node>) {
    let mut stopping = node.watch_stopping();
    let mut alarms: BTreeMap<Member, String> = BTreeMap::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let Some(finalized) = node.finalized() else {
            continue;
        };
        let looked = node.clone();
        let found = tokio::task::spawn_blocking(move || collectors(&looked, &finalized.at)).await;
        match found {
            Ok(Ok(seen)) => tell(&node, &seen, &mut alarms),
            // Damage is the scrubber's to find and to report.
            Ok(Err(error)) => tracing::debug!(%error, "it cannot be told which collectors are silent"),
            Err(_) => return,
        }
    }
}

fn tell(node: &Node, seen: &[Seen], alarms: &mut BTreeMap<Member, String>) {
    let now = now_nano();
    for one in seen {
        if !one.is_silent(now) {
            if let Some(alarm) = alarms.remove(&one.member) {
                node.end_alarm(&alarm);
                tracing::info!(collector = %one.member, "a collector that was silent is heard again");
            }
        } else if !alarms.contains_key(&one.member) {
            let alarm = format!(
                "collector {} is silent: the ledger heard it last at height {}; what happens on its host is not recorded",
                one.member, one.last.0
            );
            node.alarm(alarm.clone());
            alarms.insert(one.member.clone(), alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::event::{EventKind, Observation};

    const SECOND: i64 = 1_000_000_000;

    fn seen(every: Option<&str>, last_nano: i64) -> Seen {
        let heartbeat = every.map(|every| Event {
            kind: EventKind::Collector,
            action: "heartbeat".to_owned(),
            actor_id: "a/collector/c".to_owned(),
            attributes: BTreeMap::from([("every_s".to_owned(), every.to_owned())]),
            scope: "local".to_owned(),
            time: 1,
            time_nano: 1,
            received_nano: 1,
            sequence: 1,
            observation: Observation::Observed,
            facts: None,
        });
        Seen {
            member: "a/collector/c".parse().expect("a member"),
            head: SenderHead::default(),
            last: (1, last_nano),
            statements: 1,
            heartbeat: heartbeat.map(|event| (event, last_nano)),
        }
    }

    #[test]
    fn who_promised_heartbeats_and_sends_nothing_is_silent() {
        let one = seen(Some("10"), 100 * SECOND);
        assert!(!one.is_silent(100 * SECOND), "it was heard just now");
        assert!(!one.is_silent(125 * SECOND), "one may come late");
        assert!(one.is_silent(125 * SECOND + 1));
        for none in [None, Some("0"), Some("-1"), Some("often")] {
            assert!(!seen(none, 0).is_silent(i64::MAX), "{none:?} promises nothing");
        }
        assert!(!seen(Some("9223372036854775807"), 0).is_silent(i64::MAX));
    }
}
