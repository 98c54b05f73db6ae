//! Events as people see them: one line each.

use crate::output::{Cell, Column, Style, Terminal, clock, short_id, short_stamp, stamp};
use e2l_client::EventRecord;
use e2l_ledger::ValidationCode;

/// Fields of an event's JSON object, in order (DESIGN section 10).
pub const EVENT_FIELDS: [&str; 25] = [
    "tx_id",
    "height",
    "index",
    "validation_code",
    "type",
    "action",
    "actor_id",
    "attributes",
    "scope",
    "time_nano",
    "received_nano",
    "block_time_nano",
    "collector",
    "sequence",
    "observed",
    "facts",
    "conflict",
    "swarm",
    "swarm_why",
    "late",
    "delay_ms",
    "sender",
    "actor",
    "finality",
    "endorsed_by",
];

/// Narrower terminals get times without year and fraction.
const WIDE: usize = 120;

/// How much of an event a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Of many objects, over days.
    Ledger,
    /// As they happen: the time of day, and who endorsed by name.
    Live,
}

/// Turns events into rows.
#[derive(Debug, Clone)]
pub struct EventView {
    lines: Lines,
    short_time: bool,
    voters: usize,
}

impl EventView {
    /// For a network with so many voting actors.
    pub fn new(lines: Lines, voters: usize, terminal: Terminal) -> Self {
        Self {
            lines,
            short_time: terminal.width.is_some_and(|width| width < WIDE),
            voters,
        }
    }

    /// The columns. Those of a live view keep room for what is to come.
    pub fn columns(&self) -> Vec<Column> {
        let live = self.lines == Lines::Live;
        let room = |width| if live { width } else { 0 };
        vec![
            Column::new(if live { "UTC" } else { "TIME (UTC)" }),
            Column::new("TYPE").optional(2).reserve(room(9)),
            Column::new("ACTION").shrink(8).reserve(room(8)),
            Column::new("NAME").shrink(8).reserve(room(16)),
            Column::new("ID").reserve(room(12)),
            Column::new("DETAILS").shrink(10).reserve(room(24)),
            Column::new("COLLECTOR").shrink(10).optional(1).reserve(room(20)),
            Column::new("HEIGHT").right(),
            Column::new("ENDORSED")
                .shrink(8)
                .reserve(room(if live { 30 } else { 6 })),
        ]
    }

    /// One event's cells.
    pub fn row(&self, event: &EventRecord) -> Vec<Cell> {
        let time = match (self.lines, self.short_time) {
            (Lines::Live, _) => clock(event.time_nano),
            (_, true) => short_stamp(event.time_nano),
            (_, false) => stamp(event.time_nano),
        };
        let sender = || format!("{}/{}", event.actor, event.sender);
        let all = event.endorsed_by.len() >= self.voters;
        vec![
            Cell::new(time, Style::Dim),
            event.r#type.into(),
            Cell::new(&event.action, action_style(&event.action)),
            Cell::new(name(event), Style::Bold),
            Cell::new(short_id(&event.actor_id), Style::Accent),
            details(event),
            Cell::new(event.collector.clone().unwrap_or_else(sender), Style::Dim),
            Cell::from(event.height.to_string()),
            Cell::new(self.endorsed(event), if all { Style::Good } else { Style::Plain }),
        ]
    }

    fn endorsed(&self, event: &EventRecord) -> String {
        let count = format!("{} of {}", event.endorsed_by.len(), self.voters);
        match self.lines {
            Lines::Ledger => count,
            Lines::Live => format!("{count}: {}", event.endorsed_by.join(" ")),
        }
    }
}

fn name(event: &EventRecord) -> &str {
    event.attributes.get("name").map_or("", String::as_str)
}

/// Began, changed or ended.
pub fn action_style(action: &str) -> Style {
    match action.split(':').next().unwrap_or(action) {
        "create" | "start" | "restart" | "unpause" => Style::Good,
        "die" | "kill" | "stop" | "oom" | "destroy" | "remove" => Style::Bad,
        "pause" | "update" | "rename" | "health_status" => Style::Warn,
        _ => Style::Plain,
    }
}

fn details(event: &EventRecord) -> Cell {
    let attribute = |key: &str| event.attributes.get(key).map(String::as_str);
    let oddities = Oddities {
        code: event.validation_code.as_str(),
        observed: event.observed,
        late_ms: event.late.then_some(event.delay_ms),
        conflict: event.conflict.as_deref(),
        swarm: event.swarm,
    };
    Cell::new(particulars(&oddities, &attribute), oddities.style())
}

/// What makes an event unlike an ordinary one.
pub struct Oddities<'a> {
    /// Validation code.
    pub code: &'a str,
    /// How the collector knows.
    pub observed: &'a str,
    /// How late it came, if it was late.
    pub late_ms: Option<i64>,
    /// What its attributes claim and inspection denies.
    pub conflict: Option<&'a str>,
    /// What managers say of its claim to be a Swarm's task, if it makes one.
    pub swarm: Option<&'a str>,
}

impl Oddities<'_> {
    /// How loud it is: what somebody has forged stands out.
    pub fn style(&self) -> Style {
        let odd = self.late_ms.is_some()
            || self.observed != "observed"
            || self.code != ValidationCode::Valid.as_str();
        match (self.conflict, self.swarm) {
            (Some(_), _) | (_, Some("contradicted")) => Style::Bad,
            _ if odd => Style::Warn,
            _ => Style::Plain,
        }
    }
}

/// What distinguishes an event from others of its kind; oddities first.
pub fn particulars<'a>(odd: &Oddities<'_>, attribute: &dyn Fn(&str) -> Option<&'a str>) -> String {
    let mut parts = Vec::new();
    if odd.code != ValidationCode::Valid.as_str() {
        parts.push(odd.code.to_owned());
    }
    if odd.observed != "observed" {
        parts.push(odd.observed.to_owned());
    }
    if let Some(late) = odd.late_ms {
        parts.push(format!("late by {} s", late / 1000));
    }
    if let Some(conflict) = odd.conflict {
        parts.push(format!("CONFLICT {conflict}"));
    }
    match odd.swarm {
        Some("contradicted") => parts.push("CONFLICT swarm contradicted".to_owned()),
        Some(verdict) => parts.push(format!("swarm {verdict}")),
        None => {}
    }
    let attribute = |key: &str| attribute(key).filter(|value| !value.is_empty());
    if let Some(code) = attribute("exitCode") {
        parts.push(format!("exit {code}"));
    }
    if let Some(signal) = attribute("signal") {
        parts.push(format!("signal {signal}"));
    }
    if let (Some(old), Some(new)) = (attribute("replicas.old"), attribute("replicas.new")) {
        parts.push(format!("replicas {old} -> {new}"));
    }
    if let Some(old) = attribute("oldName") {
        parts.push(format!("was {}", old.trim_start_matches('/')));
    }
    if let Some(reason) = attribute("reason") {
        parts.push(reason.to_owned());
    }
    if let Some(image) = attribute("image") {
        // A digest behind the tag is 71 characters that nobody reads in a table.
        parts.push(image.split('@').next().unwrap_or(image).to_owned());
    }
    parts.join(", ")
}
