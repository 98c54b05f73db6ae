//! What happened to each container, as the engine's inspection has it.

use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Exit code of what is killed.
const KILLED: i64 = 137;

/// One run of a container; nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub started: i64,
    /// When it ended and with which code.
    pub ended: Option<(i64, i64)>,
}

/// One container's life.
#[derive(Debug, Clone, Default)]
pub struct Life {
    pub runs: Vec<Run>,
    /// Whether its command ends by itself, soon after each start.
    pub ends_by_itself: bool,
    /// When it was certainly not yet removed, and when it certainly was.
    pub removed: Option<(i64, i64)>,
    /// Moments just before and after each pause and unpause.
    pub pauses: Vec<(&'static str, i64, i64)>,
    /// When it was certainly not yet created, and when it certainly was.
    pub created: (i64, i64),
}

/// All of them, by id.
#[derive(Debug, Default)]
pub struct Truth {
    pub lives: BTreeMap<String, Life>,
}

impl Truth {
    /// Notes what inspection says now.
    pub fn note(&mut self, id: &str, state: &Value) {
        let life = self.lives.get_mut(id).expect("it was created");
        let Some(started) = nano(&state["StartedAt"]) else {
            return;
        };
        if life.runs.last().is_none_or(|run| run.started != started) {
            // `docker restart -t 0` has ended the run before: only what does not end by itself is noted while it runs.
            if let Some(run) = life.runs.last_mut().filter(|run| run.ended.is_none()) {
                let finished = nano(&state["FinishedAt"]).expect("the run before has ended");
                run.ended = Some((finished, KILLED));
            }
            life.runs.push(Run { started, ended: None });
        }
        let alive = ["running", "paused"].map(Value::from).contains(&state["Status"]);
        if !alive {
            let code = state["ExitCode"].as_i64().expect("a code");
            let finished = nano(&state["FinishedAt"]).expect("it has ended");
            life.runs.last_mut().expect("a run").ended = Some((finished, code));
        }
    }

    /// Those that are there, and whether each runs.
    pub fn there(&self) -> Vec<(String, bool)> {
        let there = self.lives.iter().filter(|(_, life)| life.removed.is_none());
        there
            .map(|(id, life)| {
                let runs = life.runs.last().is_some_and(|run| run.ended.is_none());
                (id.clone(), runs)
            })
            .collect()
    }
}

fn nano(text: &Value) -> Option<i64> {
    let moment = OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok()?;
    let nano = i64::try_from(moment.unix_timestamp_nanos()).ok()?;
    (nano > 0).then_some(nano)
}
