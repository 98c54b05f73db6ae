//! The ledger's events, as a test looks at them.

use e2l_event::{Event, EventKind, Observation};

/// The collector, as gaps name it.
pub const COLLECTOR: &str = "provider/collector/collector-1";
/// What every engine tells; others have words besides.
const CORE: [&str; 8] = [
    "create",
    "start",
    "exec_start",
    "exec_die",
    "pause",
    "unpause",
    "die",
    "destroy",
];

/// An action without what follows it.
pub fn word(event: &Event) -> &str {
    event.action.split(':').next().unwrap_or_default()
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub events: Vec<Event>,
}

impl Ledger {
    /// About a container.
    pub fn of<'a>(&'a self, id: &'a str) -> impl DoubleEndedIterator<Item = &'a Event> {
        let is_it = move |event: &&Event| event.kind == EventKind::Container && event.actor_id == id;
        self.events.iter().filter(is_it)
    }

    /// The same, of what every engine tells.
    pub fn core<'a>(&'a self, id: &'a str) -> impl DoubleEndedIterator<Item = &'a Event> {
        self.of(id).filter(|event| CORE.contains(&word(event)))
    }

    /// What the collector says of itself.
    pub fn statements<'a>(&'a self, action: &'a str) -> impl DoubleEndedIterator<Item = &'a Event> {
        let is_it = move |event: &&Event| event.kind == EventKind::Collector && event.action == action;
        self.events.iter().filter(is_it)
    }

    pub fn gaps(&self) -> impl Iterator<Item = &Event> {
        self.with(Observation::Gap)
    }

    pub fn inferred(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.with(Observation::Inferred)
    }

    fn with(&self, observation: Observation) -> impl DoubleEndedIterator<Item = &Event> {
        self.events
            .iter()
            .filter(move |event| event.observation == observation)
    }

    /// Whether a gap of the collector, or of this container, covers these moments.
    pub fn covers(&self, id: &str, (from, to): (i64, i64)) -> bool {
        self.gaps().any(|gap| {
            let bound = |name| gap.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
            let of_it = gap.actor_id == id || gap.actor_id == COLLECTOR;
            of_it
                && bound("from").is_some_and(|begin| begin <= from)
                && bound("to").is_some_and(|end| to <= end)
        })
    }
}
