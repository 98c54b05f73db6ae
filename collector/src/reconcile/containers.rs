//! Which transitions of a container were missed.

use super::known::{Container, Moment, RUN};
use super::{Context, Inspected, Phase, RunMark};
use super::{processes, wording};
use crate::gap;
use e2l_ledger::event::{Event, Facts};

/// What is to be recorded so that the record says what inspection says. `entry` is `None` for a container of which
/// nothing was recorded.
pub fn missed(entry: Option<&Container>, seen: &Inspected, context: &Context) -> Vec<Event> {
    if let RunMark::Process(run) = &seen.mark {
        return processes::missed(entry, seen, run.as_deref(), context);
    }
    let mut missed = Missed {
        seen,
        now_nano: context.now_nano,
        events: Vec::new(),
    };
    match entry {
        None => missed.unknown(context),
        Some(entry) => missed.known(entry),
    }
    missed.events
}

/// What is to be recorded before a death that the stream tells, if inspection says of it that it ended a run whose start was not
/// told: after it the start would look like one that came later.
pub fn before_death(entry: &Container, died: &Event, now_nano: i64) -> Vec<Event> {
    // Runs that have names are told apart by these.
    let facts = died.facts.as_ref().filter(|_| !died.attributes.contains_key(RUN));
    let Some(started) = facts.and_then(|facts| facts.started_nano) else {
        return Vec::new();
    };
    let is_later = |moment: Moment| !moment.is(started) && moment.nano < started;
    if entry.started.is_some_and(|moment| !is_later(moment)) {
        return Vec::new();
    }
    let (reason, since) = match (entry.phase.is_alive(), entry.started) {
        (true, Some(moment)) => (Some("the end of a run was not read"), moment.nano),
        (_, Some(_)) => (Some("runs between were not read"), entry.last_nano),
        (_, None) => (None, started),
    };
    let gap = reason.map(|reason| gap::unproven(&died.actor_id, reason, (since, started)));
    gap.into_iter()
        .chain([wording::start_of(died, started, now_nano)])
        .collect()
}

/// What is to be recorded of a container that is no longer there.
pub fn gone(id: &str, entry: &Container, context: &Context) -> Vec<Event> {
    let mut events = Vec::new();
    if entry.phase.is_alive() {
        let bounds = (entry.last_nano, context.now_nano);
        events.push(gap::unproven(
            id,
            "container is gone, its end was not read",
            bounds,
        ));
    }
    events.push(wording::of_gone_container(id, context.now_nano));
    events
}

struct Missed<'a> {
    seen: &'a Inspected,
    now_nano: i64,
    events: Vec<Event>,
}

impl Missed<'_> {
    /// Nothing was recorded. One from before the spool matters if it runs, or ran since.
    fn unknown(&mut self, context: &Context) {
        let seen = self.seen;
        if seen.created_nano >= context.opened_nano {
            self.put("create", seen.created_nano, self.image_only());
        } else if !seen.phase.is_alive() && seen.finished_nano.is_none_or(|nano| nano < context.opened_nano) {
            return;
        }
        let Some(started) = seen.started_nano else { return };
        if seen.phase.is_alive() && seen.finished_nano.is_some_and(|nano| nano >= context.opened_nano) {
            self.gap(
                "earlier runs were not read",
                seen.created_nano.max(context.opened_nano),
                started,
            );
        }
        self.last_run(started, seen.created_nano.max(context.opened_nano));
    }

    fn known(&mut self, entry: &Container) {
        match self.seen.started_nano {
            // It never ran: what was recorded of it besides was a start that failed.
            None => {}
            Some(started) if entry.started.is_some_and(|moment| moment.is(started)) => self.same_run(entry),
            Some(started) => self.later_run(entry, started),
        }
    }

    /// It was not started since: what ended, ended once, and at the time that inspection names.
    fn same_run(&mut self, entry: &Container) {
        let seen = self.seen;
        match (entry.phase.is_alive(), seen.phase.is_alive()) {
            (true, false) => self.death(),
            (true, true) => self.pauses(entry.phase, entry.last_nano),
            (false, false) => {
                if entry.phase == Phase::Dead && entry.finished.is_some_and(|moment| !moment.exact) {
                    self.facts_of_last_run();
                }
            }
            (false, true) => {}
        }
    }

    /// It was started since. Where that need not have been once, or an end is not known, a gap says so.
    fn later_run(&mut self, entry: &Container, started: i64) {
        let since = entry.started.map_or(entry.last_nano, |moment| moment.nano);
        let recorded = |nano: &i64| entry.finished.is_some_and(|moment: Moment| moment.is(*nano));
        let ended = self.seen.finished_nano.filter(|nano| !recorded(nano));
        match (entry.phase.is_alive(), self.seen.phase.is_alive(), ended) {
            (true, true, Some(finished)) => {
                self.gap("runs between were not read", since, started);
                let facts = Facts {
                    finished_nano: Some(finished),
                    ..self.image_only()
                };
                self.put("die", finished, facts);
            }
            (true, _, _) => self.gap("the end of a run was not read", since, started),
            // One that has ended again may have been started any number of times.
            (false, true, Some(_)) | (false, false, _) => {
                self.gap("runs between were not read", entry.last_nano, started);
            }
            (false, true, None) => {}
        }
        self.last_run(started, entry.last_nano);
    }

    fn last_run(&mut self, started: i64, since: i64) {
        let facts = Facts {
            started_nano: Some(started),
            ..self.image_only()
        };
        self.put("start", started, facts);
        if self.seen.phase.is_alive() {
            self.pauses(Phase::Runs, started.max(since));
        } else {
            self.death();
        }
    }

    fn death(&mut self) {
        if let Some(finished) = self.seen.finished_nano {
            self.put("die", finished, self.run());
        }
    }

    /// Its death was recorded without facts, which are here now.
    fn facts_of_last_run(&mut self) {
        if let Some(finished) = self.seen.finished_nano {
            self.put("inspect", finished, self.run());
        }
    }

    /// Inspection does not say since when a container is paused.
    fn pauses(&mut self, recorded: Phase, since: i64) {
        let action = match (recorded, self.seen.phase) {
            (Phase::Runs, Phase::Paused) => "pause",
            (Phase::Paused, Phase::Runs) => "unpause",
            _ => return,
        };
        self.gap("paused or unpaused while it was not read", since, self.now_nano);
        self.put(action, self.now_nano, self.image_only());
    }

    fn image_only(&self) -> Facts {
        Facts {
            image_digest: self.seen.image_digest.clone(),
            ..Facts::default()
        }
    }

    fn run(&self) -> Facts {
        Facts {
            image_digest: self.seen.image_digest.clone(),
            started_nano: self.seen.started_nano,
            finished_nano: self.seen.finished_nano,
            exit_code: self.seen.exit_code,
            oom_killed: self.seen.oom_killed,
        }
    }

    fn put(&mut self, action: &str, time_nano: i64, facts: Facts) {
        let event = wording::of_container(self.seen, (action, time_nano), facts, self.now_nano);
        self.events.push(event);
    }

    fn gap(&mut self, reason: &str, from_nano: i64, to_nano: i64) {
        self.events
            .push(gap::unproven(&self.seen.id, reason, (from_nano, to_nano)));
    }
}
