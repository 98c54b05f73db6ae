//! Whether the ledger has what happened, once, or says that it may lack it.

use crate::truth::{Life, Truth};
use e2l_event::{Event, EventKind, Facts, Observation};

/// The stream's event comes at most so much after the moment that inspection gives, nanoseconds.
const LOGGED_WITHIN: i64 = 5_000_000_000;

/// The ledger's events, and the gaps among them.
pub struct Ledger<'a> {
    pub events: &'a [Event],
    pub collector: &'a str,
}

impl Ledger<'_> {
    /// What is missing and not covered.
    pub fn missing(&self, truth: &Truth) -> Vec<String> {
        let lives = truth.lives.iter();
        lives.flat_map(|(id, life)| self.missing_of(id, life)).collect()
    }

    fn missing_of(&self, id: &str, life: &Life) -> Vec<String> {
        let mut missing = Vec::new();
        let mut want = |what: String, found: usize, wanted: usize, between: (i64, i64)| {
            if found < wanted && !self.covers(id, between) {
                missing.push(format!("{what} of {id} between {between:?}"));
            }
        };
        want(
            "create".to_owned(),
            self.of(id, "create").count(),
            1,
            life.created,
        );
        for run in &life.runs {
            let starts = self.of(id, "start").filter(|event| is_start(event, run.started));
            // The engine tells of a start and an end some time later: a gap that begins until then may hide what it told.
            let at = (run.started + LOGGED_WITHIN, run.started);
            want(format!("start at {}", run.started), starts.count(), 1, at);
            if let Some((finished, _)) = run.ended {
                let deaths = self.of(id, "die").filter(|event| is_death(event, finished));
                let at = (finished + LOGGED_WITHIN, finished);
                want(format!("die at {finished}"), deaths.count(), 1, at);
            }
        }
        for (action, from, to) in &life.pauses {
            let found = self.of(id, action).filter(|event| event.time_nano >= *from);
            want((*action).to_owned(), found.count(), 1, (*from, *to));
        }
        if let Some(removed) = life.removed {
            want("destroy".to_owned(), self.of(id, "destroy").count(), 1, removed);
        }
        missing
    }

    /// What is there twice, or was never so.
    pub fn wrong(&self, truth: &Truth) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, life) in &truth.lives {
            let ended = life.runs.iter().filter(|run| run.ended.is_some()).count();
            let pauses = |action| life.pauses.iter().filter(|(name, ..)| *name == action).count();
            let most = [
                ("create", 1),
                ("start", life.runs.len()),
                ("die", ended),
                ("destroy", usize::from(life.removed.is_some())),
                ("pause", pauses("pause")),
                ("unpause", pauses("unpause")),
            ];
            for (action, most) in most {
                let found: Vec<&Event> = self.of(id, action).collect();
                if found.len() > most {
                    wrong.push(format!("{} times {action}, not {most}: {found:#?}", found.len()));
                }
            }
            let facts = self
                .events
                .iter()
                .filter(|event| event.kind == EventKind::Container && event.actor_id == *id);
            let wrong_facts =
                facts.filter(|event| event.facts.as_ref().is_some_and(|facts| !is_true(facts, life)));
            // Every container has a label that claims another exit code.
            let unnoticed = self.of(id, "die").filter(|event| {
                let code = event.facts.as_ref().and_then(|facts| facts.exit_code);
                let claim = event.attributes.get("event2ledger.conflict");
                event.observation == Observation::Observed
                    && code.is_some()
                    && !claim.is_some_and(|claim| claim.contains("exitCode: event says 99"))
            });
            wrong.extend(unnoticed.map(|event| format!("a forged exit code went unnoticed: {event:#?}")));
            wrong.extend(
                wrong_facts.map(|event| format!("these facts were never so: {event:#?}, of {life:#?}")),
            );
        }
        wrong
    }

    fn of<'b>(&'b self, id: &'b str, action: &'b str) -> impl Iterator<Item = &'b Event> {
        self.events.iter().filter(move |event| {
            event.kind == EventKind::Container && event.actor_id == id && event.action == action
        })
    }

    /// Whether there is a gap of the collector, or of this container, that begins and ends so that it covers this: no later
    /// than the first moment, and no sooner than the second.
    fn covers(&self, id: &str, (from, to): (i64, i64)) -> bool {
        self.gaps().any(|gap| {
            let bound = |name| gap.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
            let of_it = gap.actor_id == id || gap.actor_id == self.collector;
            of_it
                && bound("from").is_some_and(|begin| begin <= from)
                && bound("to").is_some_and(|end| to <= end)
        })
    }

    /// The gaps.
    pub fn gaps(&self) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(|event| event.observation == Observation::Gap)
    }

    /// How many gaps have just this reason.
    pub fn count_of(&self, reason: &str) -> usize {
        let reasons = self.gaps().filter_map(|gap| gap.attributes.get("reason"));
        reasons.filter(|found| *found == reason).count()
    }

    /// How many times the host's clock was set by about so many seconds.
    pub fn count_of_steps(&self, seconds: i64) -> usize {
        let steps = self.events.iter().filter_map(|event| {
            let by: i64 = event.attributes.get("stepped_nano")?.parse().ok()?;
            Some(by / 1_000_000_000)
        });
        steps.filter(|by| by.abs_diff(seconds) <= 2).count()
    }
}

fn is_start(event: &Event, started: i64) -> bool {
    match event.facts.as_ref().and_then(|facts| facts.started_nano) {
        Some(fact) => fact == started,
        None => (0..LOGGED_WITHIN).contains(&(event.time_nano - started)),
    }
}

fn is_death(event: &Event, finished: i64) -> bool {
    match event.facts.as_ref().and_then(|facts| facts.finished_nano) {
        Some(fact) => fact == finished,
        None => (0..LOGGED_WITHIN).contains(&(event.time_nano - finished)),
    }
}

/// Whether some run of the container was so.
fn is_true(facts: &Facts, life: &Life) -> bool {
    let (started, finished, code) = (facts.started_nano, facts.finished_nano, facts.exit_code);
    if (started, finished) == (None, None) {
        return true;
    }
    life.runs.iter().any(|run| {
        started.is_none_or(|started| started == run.started)
            && finished.is_none_or(|finished| run.ended.is_some_and(|(nano, _)| nano == finished))
            && code.is_none_or(|code| run.ended.is_some_and(|(_, ended)| ended == code))
    })
}
