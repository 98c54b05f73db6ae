//! Which transitions of a container were missed, where the engine tells its process and not when that was started.
//!
//! The end of a run is told with its moment as long as the engine keeps it. When a run began, and what became of one whose
//! process is gone, is not: then the time is that of finding out, and a gap says between which moments it was.

use super::known::{Container, RUN};
use super::wording;
use super::{Context, Inspected, Phase};
use crate::gap;
use e2l_ledger::event::{Event, Facts};

/// What is to be recorded so that the record says what the engine says. `run` names its process.
pub fn missed(
    entry: Option<&Container>,
    seen: &Inspected,
    run: Option<&str>,
    context: &Context,
) -> Vec<Event> {
    let mut missed = Missed {
        seen,
        now_nano: context.now_nano,
        events: Vec::new(),
    };
    match (entry, run) {
        (None, run) => missed.unknown(run, context),
        (Some(entry), None) => missed.without_process(entry),
        (Some(entry), Some(run)) if entry.run.as_deref() == Some(run) => missed.same_run(entry),
        (Some(entry), Some(run)) => missed.other_run(entry, run),
    }
    missed.events
}

struct Missed<'a> {
    seen: &'a Inspected,
    now_nano: i64,
    events: Vec<Event>,
}

impl Missed<'_> {
    /// Nothing was recorded. One from before the spool matters if it runs, or ran since.
    fn unknown(&mut self, run: Option<&str>, context: &Context) {
        let seen = self.seen;
        let is_new = seen.created_nano >= context.opened_nano;
        let ended_before = seen.finished_nano.is_none_or(|nano| nano < context.opened_nano);
        if is_new {
            self.put("create", seen.created_nano, Facts::default());
        } else if !seen.phase.is_alive() && ended_before {
            return;
        }
        let Some(run) = run else { return };
        if is_new || !seen.phase.is_alive() {
            let from = seen.created_nano.max(context.opened_nano);
            self.gap("when it was started was not read", from);
        }
        self.last_run(run, seen.created_nano.max(context.opened_nano));
    }

    /// It has no process. If it had one, that has ended, and nothing tells when.
    fn without_process(&mut self, entry: &Container) {
        if entry.phase.is_alive() {
            self.gap("the end of a run was not read", entry.last_nano);
            self.put("die", self.now_nano, Facts::default());
        }
    }

    /// It has the process that it was recorded with.
    fn same_run(&mut self, entry: &Container) {
        match (entry.phase.is_alive(), self.seen.phase.is_alive()) {
            (true, false) => self.death(
                entry
                    .started
                    .filter(|started| started.exact)
                    .map(|started| started.nano),
            ),
            (true, true) => self.pauses(entry.phase, entry.last_nano),
            (false, _) => {}
        }
    }

    fn other_run(&mut self, entry: &Container, run: &str) {
        let recorded = |nano: i64| entry.finished.is_some_and(|finished| finished.is(nano));
        if !self.seen.phase.is_alive() && self.seen.finished_nano.is_some_and(recorded) {
            // Its start was not recorded, its end was.
            return;
        }
        let reason = match entry.phase.is_alive() {
            true => "the end of a run was not read",
            false => "when it was started was not read",
        };
        self.gap(reason, entry.last_nano);
        self.last_run(run, entry.last_nano);
    }

    fn last_run(&mut self, run: &str, since: i64) {
        if !self.seen.phase.is_alive() {
            return self.death(None);
        }
        self.put(
            "start",
            self.seen.started_nano.unwrap_or(self.now_nano),
            self.started(),
        );
        if let Some(start) = self.events.last_mut() {
            start.attributes.insert(RUN.to_owned(), run.to_owned());
        }
        self.pauses(Phase::Runs, since);
    }

    fn started(&self) -> Facts {
        Facts {
            started_nano: self.seen.started_nano,
            ..Facts::default()
        }
    }

    fn death(&mut self, started_nano: Option<i64>) {
        let Some(finished) = self.seen.finished_nano else {
            return;
        };
        let facts = Facts {
            started_nano,
            finished_nano: Some(finished),
            exit_code: self.seen.exit_code,
            ..Facts::default()
        };
        self.put("die", finished, facts);
    }

    /// Since when a process is frozen is not told.
    fn pauses(&mut self, recorded: Phase, since: i64) {
        let action = match (recorded, self.seen.phase) {
            (Phase::Runs, Phase::Paused) => "pause",
            (Phase::Paused, Phase::Runs) => "unpause",
            _ => return,
        };
        self.gap("paused or unpaused while it was not read", since);
        self.put(action, self.now_nano, Facts::default());
    }

    fn put(&mut self, action: &str, time_nano: i64, facts: Facts) {
        let event = wording::of_container(self.seen, (action, time_nano), facts, self.now_nano);
        self.events.push(event);
    }

    fn gap(&mut self, reason: &str, from_nano: i64) {
        let bounds = (from_nano, self.now_nano);
        self.events.push(gap::unproven(&self.seen.id, reason, bounds));
    }
}
