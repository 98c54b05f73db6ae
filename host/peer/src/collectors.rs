//! Collectors, as the ledger has them.

use crate::node::{Executed, Node};
use e2l_ledger::event::Event;
use e2l_ledger::{Canonical, Member, Role, SenderHead, StateKey};
use e2l_store::{StoreError, View};
use std::time::Duration;

/// Most senders that are looked at.
pub const MOST: usize = 10_000;
/// Longest heartbeat that is looked at, bytes: an honest one has some 600.
const MAX_HEARTBEAT: usize = 4096;
/// Attribute with a heartbeat's interval in seconds.
const INTERVAL: &str = "every_s";

/// One collector.
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

/// All of them as of a height, in the order of their names.
///
/// # Errors
/// The store cannot be read, or what is read is damaged.
pub fn collectors(node: &Node, at: &Executed) -> Result<Vec<Seen>, StoreError> {
    let (view, chaincodes) = (&at.view, chaincodes(node));
    let heads = heads(view)?;
    let seen = heads.into_iter().map(|(member, head)| {
        let height = view
            .batch(&member, head.incarnation, head.sequence)?
            .map_or(0, |place| place.height);
        let time_nano = view.header(height)?.map_or(0, |header| header.time_nano);
        Ok(Seen {
            last: (height, time_nano),
            statements: statements(view, &chaincodes, &member)?,
            heartbeat: heartbeat(view, &chaincodes, &member)?,
            member,
            head,
        })
    });
    seen.collect()
}

/// Names of the active chaincodes: a collector's events are in one of them.
pub fn chaincodes(node: &Node) -> Vec<String> {
    let config = node.config();
    config.chaincodes.iter().map(|one| one.name.clone()).collect()
}

/// Where each collector stands, in the order of their names.
///
/// # Errors
/// The store cannot be read, or what is read is damaged.
pub fn heads(view: &View) -> Result<Vec<(Member, SenderHead)>, StoreError> {
    let mut heads = Vec::new();
    for (key, value) in view.scan(&StateKey::senders(), &StateKey::senders_end(), MOST)? {
        let corrupt = |why: String| StoreError::corrupt_state(&key, why);
        let text = String::from_utf8_lossy(key.local()).into_owned();
        let member: Member = text.parse().map_err(|error| corrupt(format!("{error}")))?;
        let head = SenderHead::decode(&value).map_err(|error| corrupt(error.to_string()))?;
        if member.role == Role::Collector {
            heads.push((member, head));
        }
    }
    Ok(heads)
}

/// A collector's newest heartbeat, as a contract keeps it (docs/format/event.md), and the time of its block.
///
/// # Errors
/// The store cannot be read.
pub fn heartbeat(
    view: &View,
    chaincodes: &[String],
    member: &Member,
) -> Result<Option<(Event, i64)>, StoreError> {
    let mut newest: Option<(Event, i64)> = None;
    for chaincode in chaincodes {
        let key = StateKey::value(chaincode, format!("heartbeat/{member}").as_bytes());
        let Some(kept) = view.get(&key)?.filter(|kept| kept.len() <= MAX_HEARTBEAT) else {
            continue;
        };
        // Another contract may keep something else there.
        let Some((time, event)) = kept.split_first_chunk() else {
            continue;
        };
        let (time_nano, event) = (i64::from_be_bytes(*time), Event::decode(event));
        if let Ok(event) = event
            && newest.as_ref().is_none_or(|(_, newest)| *newest < time_nano)
        {
            newest = Some((event, time_nano));
        }
    }
    Ok(newest)
}

fn statements(view: &View, chaincodes: &[String], member: &Member) -> Result<u64, StoreError> {
    let mut count = 0;
    for chaincode in chaincodes {
        let log = StateKey::log(chaincode, format!("id/{member}").as_bytes());
        count += view.log_head(&log)?.length;
    }
    Ok(count)
}

/// When the next heartbeat is promised; `None` where none is.
pub fn interval(heartbeat: &Event) -> Option<Duration> {
    let seconds: u64 = heartbeat.attributes.get(INTERVAL)?.parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
