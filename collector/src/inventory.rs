//! What ran at a moment, signed: so that it can be shown later without trust in anybody's arithmetic over events.

use crate::reconcile::Known;
use crate::statement::statement;
use e2l_ledger::event::Event;
use std::time::{Duration, Instant};

/// Action of these events.
const ACTION: &str = "inventory";
/// Containers in one event, some 90 bytes each.
const PART: usize = 128;

/// When the next one is due.
#[derive(Debug, Clone, Copy)]
pub struct Inventories {
    own: Option<Duration>,
    agreed: Duration,
    last: Instant,
}

impl Inventories {
    /// The first one when an interval from `now` on has passed: the collector's `own`, if that is no longer than what the
    /// actors have agreed on.
    pub fn new(own: Option<Duration>, now: Instant) -> Self {
        Self {
            own,
            agreed: Duration::MAX,
            last: now,
        }
    }

    /// Whether one is due, by what the actors have agreed on now; then the next one is after another interval.
    pub fn is_due(&mut self, agreed: Duration, now: Instant) -> bool {
        self.agreed = agreed;
        let due = now.saturating_duration_since(self.last) >= self.every();
        if due {
            self.last = now;
        }
        due
    }

    fn every(&self) -> Duration {
        self.own.unwrap_or(self.agreed).min(self.agreed)
    }

    /// The containers that have a process, as recorded and just compared with the engine, in parts. `unsettled` of them, or
    /// of others, changed meanwhile and are compared again.
    pub fn state(&self, collector: &str, known: &Known, unsettled: usize, now_nano: i64) -> Vec<Event> {
        let alive: Vec<String> = known
            .alive()
            .map(|(id, started_nano)| match started_nano {
                Some(nano) => format!("{id}@{nano}"),
                None => id.to_owned(),
            })
            .collect();
        // One that names nothing says that nothing ran.
        let parts = alive.len().div_ceil(PART).max(1);
        let part = |number: usize| {
            let from = (number * PART).min(alive.len());
            let to = (from + PART).min(alive.len());
            let attributes = [
                ("alive", alive.len().to_string()),
                ("containers", alive[from..to].join(" ")),
                ("every_s", self.every().as_secs().to_string()),
                ("part", (number + 1).to_string()),
                ("parts", parts.to_string()),
                ("unsettled", unsettled.to_string()),
            ];
            statement(collector, ACTION, attributes, now_nano)
        };
        (0..parts).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::event::{EventKind, Facts, Observation};

    fn started(id: &str, nano: i64) -> Event {
        Event {
            kind: EventKind::Container,
            facts: Some(Facts {
                started_nano: Some(nano),
                ..Facts::default()
            }),
            observation: Observation::Observed,
            ..statement(id, "start", [], nano + 5)
        }
    }

    #[test]
    fn one_is_due_as_often_as_the_actors_agree_or_the_collector_wants_if_that_is_more() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        for (own, agreed, every) in [
            (None, 60, 60),
            (Some(seconds(10)), 60, 10),
            (Some(seconds(100)), 60, 60),
        ] {
            let mut inventories = Inventories::new(own, start);
            let mut due = |after| inventories.is_due(seconds(agreed), start + seconds(after));
            assert!(!due(every - 1));
            assert!(due(every + 1));
            assert!(!due(2 * every));
            assert!(due(2 * every + 1));
        }
        // What is agreed on while one waits counts.
        let mut inventories = Inventories::new(None, start);
        assert!(!inventories.is_due(seconds(3600), start + seconds(100)));
        assert!(inventories.is_due(seconds(60), start + seconds(101)));
    }

    #[test]
    fn every_container_that_runs_is_in_one_part() {
        let now = Instant::now();
        let mut inventories = Inventories::new(Some(Duration::from_secs(60)), now);
        assert!(inventories.is_due(Duration::from_secs(3600), now + Duration::from_secs(60)));

        let mut known = Known::default();
        let nothing = inventories.state("a/collector/c", &known, 0, 9);
        assert_eq!(nothing.len(), 1);
        assert_eq!(
            (
                nothing[0].attributes["alive"].as_str(),
                nothing[0].attributes["containers"].as_str()
            ),
            ("0", "")
        );

        let count = 2 * PART + 1;
        (0..count).for_each(|number| known.note(&started(&format!("c{number:04}"), 1000 + number as i64)));
        let mut died = started("c0000", 1000);
        died.action = "die".to_owned();
        known.note(&died);
        let parts = inventories.state("a/collector/c", &known, 3, 9);
        let of = |name: &str| {
            parts
                .iter()
                .map(|part| part.attributes[name].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("part"), ["1", "2"]);
        assert_eq!(
            (of("parts"), of("alive"), of("unsettled")),
            (vec!["2".into(); 2], vec!["256".into(); 2], vec!["3".into(); 2])
        );
        let named = of("containers").join(" ");
        let named: Vec<&str> = named.split(' ').collect();
        assert_eq!(named.len(), count - 1);
        assert_eq!((named[0], named[count - 2]), ("c0001@1001", "c0256@1256"));
    }
}
