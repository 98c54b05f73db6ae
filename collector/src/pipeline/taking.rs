//! What is taken into the spool: events as they came, and what the engine's state says besides.

use super::{Pipeline, PipelineOptions};
use crate::clock::now_nano;
use crate::gap;
use crate::recent::fingerprint;
use crate::reconcile::{self, Context};
use crate::recording::{self, Recorded, Recorder};
use crate::source::{Asked, Sourced};
use crate::spool::Spool;
use crate::stats::SharedStats;
use e2l_ledger::event::{Event, Observation};

impl Pipeline {
    /// Takes what the engine's state says and its stream did not.
    pub(super) fn reconcile(
        &mut self,
        Asked {
            inventory,
            ahead,
            again,
            ..
        }: Asked,
    ) {
        let milliseconds = ahead.middle_nano() / 1_000_000;
        self.stats.change(|stats| stats.engine_ahead_ms = milliseconds);
        if self.can_say() && self.clocks.engine.is_news(ahead) {
            self.say_clock_differs("engine", ahead);
        }
        let now_nano = now_nano();
        let context = Context {
            opened_nano: self.spool.opened_nano(),
            now_nano,
        };
        let plan = reconcile::plan(self.spool.recorded(), &inventory, &context);
        for event in plan.events {
            tracing::warn!(
                kind = %event.kind, action = %event.action, id = %event.actor_id, observed = %event.observation,
                "the engine's state differs from what its events said: what is missing is inferred"
            );
            take(
                (&mut self.spool, &mut self.recorder),
                &self.options,
                &self.stats,
                Sourced::once(event, now_nano),
            );
        }
        self.unsettled += plan.again.len();
        if inventory.listed.is_some() {
            let unsettled = std::mem::take(&mut self.unsettled);
            if inventory.whole && !self.spool.recorded().is_far_beyond(inventory.asked_at) {
                self.take_inventory(unsettled);
            }
        }
        if !plan.again.is_empty() {
            // Nobody asks again when the collector stops.
            let _ = again.send(plan.again);
        }
    }
}

pub(super) fn take(
    (spool, recorder): (&mut Spool, &mut Recorder),
    options: &PipelineOptions,
    stats: &SharedStats,
    sourced: Sourced,
) {
    let Sourced {
        mut event,
        print,
        number,
        since_nano,
        ..
    } = sourced;
    let repeats = options.repeats && event.observation == Observation::Observed;
    let print = repeats.then(|| print.unwrap_or_else(|| fingerprint(&event)));
    if print.is_some_and(|print| spool.knows(&print)) {
        stats.change(|stats| stats.repeats += 1);
        return;
    }
    if let Some(print) = print
        && spool.recorded().has_inferred(&event)
    {
        spool.leave_out(print);
        stats.change(|stats| stats.repeats += 1);
        return;
    }
    // What no engine tells is taken as it comes.
    let missed = match options.repeats {
        true => reconcile::before(spool.recorded(), &event, now_nano()),
        false => Vec::new(),
    };
    for missed in missed {
        tracing::warn!(
            action = %missed.action, id = %missed.actor_id, observed = %missed.observation,
            "an end was told of a run whose start was not: it is inferred"
        );
        let missed = Sourced::once(missed, since_nano);
        take((&mut *spool, &mut *recorder), options, stats, missed);
    }
    if !is_recorded(recorder, stats, &mut event) {
        spool.pass_over(&event, print);
        spool.touch(&event.actor_id, number);
        return;
    }
    let mut size = event.encode().len();
    if size > options.limits.event_bytes && event.observation == Observation::Inferred {
        event
            .attributes
            .retain(|name, _| name == "image" || name == "name");
        size = event.encode().len();
    }
    if size > options.limits.event_bytes {
        tracing::error!(
            alarm = true, size, limit = options.limits.event_bytes, action = %event.action, id = %event.actor_id,
            "an event is larger than the network's limits: a gap is recorded in its place"
        );
        event = gap::too_large(&event, size);
    }
    event.sequence = 1;
    if let Err(error) = event.check() {
        tracing::error!(
            alarm = true, %error, action = %event.action, id = %event.actor_id,
            "the contract would reject an event: a gap is recorded in its place"
        );
        event = gap::malformed(&event, &error);
    }
    spool.take(&mut event, print, since_nano);
    spool.touch(&event.actor_id, number);
    stats.change(|stats| {
        stats.taken += 1;
        stats.inferred += u64::from(event.observation == Observation::Inferred);
        stats.gaps += u64::from(event.observation == Observation::Gap);
    });
}

/// Makes an event what is recorded of it; of one that is not recorded leaves what the collector itself has to know.
fn is_recorded(recorder: &mut Recorder, stats: &SharedStats, event: &mut Event) -> bool {
    match recorder.record(event) {
        Recorded::Taken => true,
        Recorded::LeftOut => {
            recording::strip(event);
            stats.change(|stats| stats.left_out += 1);
            false
        }
        Recorded::Bare { why } => {
            tracing::error!(
                alarm = true, %why, id = %event.actor_id,
                "the component in force does not say how an event is recorded: it is recorded without its attributes"
            );
            stats.change(|stats| stats.component_failures += 1);
            true
        }
    }
}
