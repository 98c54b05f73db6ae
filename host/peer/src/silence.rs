//! Collectors that have fallen silent: what happens on their hosts is on nobody's books.

use crate::collectors::{chaincodes, heads, heartbeat, interval};
use crate::node::{Executed, Node};
use e2l_ledger::{Digest, Member, SenderHead};
use e2l_store::StoreError;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked who is silent.
const LOOK: Duration = Duration::from_secs(5);
/// Names in an alarm.
const NAMED: usize = 3;

/// Who is silent now, for those who ask.
#[derive(Debug, Default)]
pub struct SilentCollectors(Mutex<BTreeSet<Member>>);

impl SilentCollectors {
    /// Whether this one is.
    pub fn contains(&self, member: &Member) -> bool {
        self.0.lock().contains(member)
    }
}

/// One collector, as this peer has heard it since its own start.
#[derive(Debug)]
struct Heard {
    head: SenderHead,
    at: Instant,
    every: Option<Duration>,
    /// Certificate of its last batch, once it was looked for.
    certificate: Option<Digest>,
}

impl Heard {
    /// Whether two heartbeats that it promised have stayed away, and everything else of it too.
    fn is_silent(&self, now: Instant) -> bool {
        let patience = self.every.map(|every| every.saturating_mul(5) / 2);
        patience.is_some_and(|patience| now.saturating_duration_since(self.at) > patience)
    }
}

/// Everybody who was heard.
#[derive(Debug, Default)]
struct Watch(BTreeMap<Member, Heard>);

impl Watch {
    /// Notes who has brought something since the last look. Time is this peer's own and runs from its own start: a
    /// leader's clock, or having been away, makes nobody silent.
    fn look(&mut self, node: &Node, at: &Executed, now: Instant) -> Result<(), StoreError> {
        let names = chaincodes(node);
        for (member, head) in heads(&at.view)? {
            if self.0.get(&member).is_some_and(|heard| heard.head == head) {
                continue;
            }
            let newest = heartbeat(&at.view, &names, &member)?;
            let heard = Heard {
                head,
                at: now,
                every: newest.and_then(|(event, _)| interval(&event)),
                certificate: None,
            };
            self.0.insert(member, heard);
        }
        Ok(())
    }

    /// Who is silent, and not for having been revoked.
    fn silent(&mut self, node: &Node, at: &Executed, now: Instant) -> Result<BTreeSet<Member>, StoreError> {
        let config = node.config();
        let mut silent = BTreeSet::new();
        for (member, heard) in self.0.iter_mut().filter(|(_, heard)| heard.is_silent(now)) {
            if heard.certificate.is_none() {
                heard.certificate = certificate(at, member, &heard.head)?;
            }
            let revoked = heard
                .certificate
                .is_some_and(|certificate| config.revoked.contains(&certificate));
            if !revoked {
                silent.insert(member.clone());
            }
        }
        Ok(silent)
    }
}

/// With which certificate a collector signed its last batch.
fn certificate(at: &Executed, member: &Member, head: &SenderHead) -> Result<Option<Digest>, StoreError> {
    let Some(place) = at.view.batch(member, head.incarnation, head.sequence)? else {
        return Ok(None);
    };
    let block = at.view.block(place.height)?;
    Ok(block.and_then(|block| {
        let mut outcomes = block.outcomes();
        let outcome = outcomes.find(|outcome| outcome.first == place.first_index as usize);
        outcome.map(|outcome| outcome.envelope.signature().certificate)
    }))
}

/// Raises an alarm for each actor whose collectors fall silent, and ends it when they are heard again. Until the peer
/// stops.
pub async fn watch_silence(node: Arc<Node>) {
    let mut stopping = node.stopping.begun();
    let (mut watch, mut alarms) = (Watch::default(), BTreeMap::new());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let Some(finalized) = node.finalized() else {
            continue;
        };
        let looked = node.clone();
        let found = tokio::task::spawn_blocking(move || {
            let now = Instant::now();
            let silent = watch.look(&looked, &finalized.at, now);
            let silent = silent.and_then(|()| watch.silent(&looked, &finalized.at, now));
            (watch, silent)
        });
        let Ok((watched, silent)) = found.await else {
            return;
        };
        watch = watched;
        match silent {
            Ok(silent) => {
                tell(&node, &silent, &mut alarms);
                *node.silent.0.lock() = silent;
            }
            // Damage is the scrubber's to find and to report.
            Err(error) => tracing::debug!(%error, "it cannot be told which collectors are silent"),
        }
    }
}

/// One alarm for each actor: nobody fills the peer's alarms with collectors of his own.
fn tell(node: &Node, silent: &BTreeSet<Member>, alarms: &mut BTreeMap<String, String>) {
    let mut of_actor: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
    for member in silent {
        of_actor.entry(&member.actor).or_default().push(member);
    }
    alarms.retain(|actor, alarm| {
        let goes_on = of_actor.contains_key(actor.as_str());
        if !goes_on {
            node.alarms.end(alarm);
            tracing::info!(actor, "the actor's collectors that were silent are heard again");
        }
        goes_on
    });
    for (actor, members) in of_actor {
        let alarm = words(actor, &members);
        let before = alarms.insert(actor.to_owned(), alarm.clone()).unwrap_or_default();
        node.alarms.replace(&before, alarm);
    }
}

fn words(actor: &str, members: &[&Member]) -> String {
    let named: Vec<String> = members.iter().take(NAMED).map(ToString::to_string).collect();
    let others = match members.len().saturating_sub(NAMED) {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    format!(
        "silent collectors of {actor}: {}{others}; what happens on their hosts is not recorded, see e2l collectors",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_promised_heartbeats_and_brings_nothing_is_silent() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let heard = |every| Heard {
            head: SenderHead::default(),
            at: start,
            every,
            certificate: None,
        };
        let ten = heard(Some(Duration::from_secs(10)));
        assert!(!ten.is_silent(start), "it was heard just now");
        assert!(!ten.is_silent(after(25_000)), "one may come late");
        assert!(ten.is_silent(after(25_001)));
        assert!(
            !heard(None).is_silent(after(u64::from(u32::MAX))),
            "it promised none"
        );
        assert!(!heard(Some(Duration::MAX)).is_silent(after(u64::from(u32::MAX))));
    }

    #[test]
    fn an_alarm_names_few() {
        let members: Vec<Member> = (0..5)
            .map(|number| format!("a/collector/c{number}").parse().expect("a member"))
            .collect();
        let members: Vec<&Member> = members.iter().collect();
        let text = words("a", &members);
        assert!(
            text.starts_with(
                "silent collectors of a: a/collector/c0, a/collector/c1, a/collector/c2 and 2 more;"
            ),
            "{text}"
        );
        assert!(words("a", &members[..1]).contains("of a: a/collector/c0; what"));
    }
}
