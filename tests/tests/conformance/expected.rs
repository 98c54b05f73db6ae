//! What happened, by the test's own clock, and whether the ledger has it.

use crate::ledger::{Ledger, word};
use e2l_event::{Event, Observation};

/// An event of the stream comes at most so much after what happened, nanoseconds.
const TOLD_WITHIN: i64 = 10_000_000_000;

/// One thing that happened to a container between two moments.
#[derive(Debug, Clone)]
pub struct Expected {
    pub id: String,
    pub action: &'static str,
    pub between: (i64, i64),
    /// Exit code of an end.
    pub code: Option<i64>,
}

/// What is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wrong {
    /// Not there, and not covered by a gap.
    pub missing: Vec<String>,
    /// Never was so.
    pub false_: Vec<String>,
}

impl Expected {
    /// Whether this event tells it: at its moment, as the stream or the engine's state has it.
    fn is_told_by(&self, event: &Event) -> bool {
        if word(event) != self.action {
            return false;
        }
        let (from, to) = self.between;
        let moment = event.facts.as_ref().and_then(|facts| match self.action {
            "start" => facts.started_nano,
            "die" => facts.finished_nano,
            _ => None,
        });
        match (moment, event.observation) {
            (Some(nano), _) => (from..=to).contains(&nano),
            (None, Observation::Observed) => (from..=to + TOLD_WITHIN).contains(&event.time_nano),
            // When was not told: it is covered besides, where that matters.
            (None, _) => event.time_nano >= from,
        }
    }

    /// Whether the facts of an end are those of this one.
    fn is_true_of(&self, event: &Event) -> bool {
        let code = event.facts.as_ref().and_then(|facts| facts.exit_code);
        code.is_none_or(|code| Some(code) == self.code)
    }
}

/// Compares a ledger with what happened.
pub fn compare(ledger: &Ledger, expected: &[Expected]) -> Wrong {
    let mut wrong = Wrong::default();
    let mut ids: Vec<&str> = expected.iter().map(|one| one.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let mut told: Vec<&Event> = ledger.core(id).collect();
        for one in expected.iter().filter(|one| one.id == id) {
            match told.iter().position(|event| one.is_told_by(event)) {
                Some(place) => {
                    let event = told.remove(place);
                    if !one.is_true_of(event) {
                        wrong.false_.push(format!("{one:?} is told by {event:#?}"));
                    }
                    let vague =
                        event.observation == Observation::Inferred && event.time_nano == event.received_nano;
                    let matters = matches!(one.action, "start" | "die" | "pause" | "unpause");
                    if vague && matters && !ledger.covers(id, one.between) {
                        wrong
                            .false_
                            .push(format!("no gap says when this was: {one:?}, {event:#?}"));
                    }
                }
                None if ledger.covers(id, one.between) => {}
                None => wrong.missing.push(format!("{one:?}")),
            }
        }
        wrong.false_.extend(
            told.iter()
                .map(|event| format!("that did not happen: {event:#?}")),
        );
    }
    wrong
}
