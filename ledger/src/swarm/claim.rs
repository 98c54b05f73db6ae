//! What a container's labels claim.

/// Labels that Swarm gives a task's container.
const TASK: &str = "com.docker.swarm.task.id";
const SERVICE: &str = "com.docker.swarm.service.id";
const NODE: &str = "com.docker.swarm.node.id";

/// A container's claim to be a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SwarmClaim {
    /// The container.
    pub container: String,
    /// Actor whose collector reported it.
    pub actor: String,
    /// The task; empty if the labels name none.
    pub task: String,
    /// The service; empty if the labels name none.
    pub service: String,
    /// The node, if the labels name one.
    pub node: Option<String>,
}

impl SwarmClaim {
    /// What an event of a container claims; `None` if it claims nothing of the kind.
    pub fn of<'a>(container: &str, actor: &str, attribute: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let (task, service, node) = (attribute(TASK), attribute(SERVICE), attribute(NODE));
        (task.is_some() || service.is_some()).then(|| Self {
            container: container.to_owned(),
            actor: actor.to_owned(),
            task: task.unwrap_or_default().to_owned(),
            service: service.unwrap_or_default().to_owned(),
            node: node.map(str::to_owned),
        })
    }
}

/// When a container surely was there, nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    from_nano: i64,
    to_nano: Option<i64>,
}

impl Life {
    /// From the container's events in ledger order: action, engine's time, time of the block. Of a clock that differs and of an
    /// event that came late the shorter life is taken. `None` if there is no event.
    pub fn of<'a>(events: impl IntoIterator<Item = (&'a str, i64, i64)>) -> Option<Self> {
        let mut life: Option<Self> = None;
        for (action, time_nano, block_time_nano) in events {
            let life = life.get_or_insert(Self {
                from_nano: time_nano.max(block_time_nano),
                to_nano: None,
            });
            if matches!(action, "die" | "destroy") && life.to_nano.is_none() {
                life.to_nano = Some(time_nano.min(block_time_nano));
            }
        }
        life
    }

    /// Whether it was there at this moment, and `margin_nano` before and after.
    pub fn spans(self, moment_nano: i64, margin_nano: i64) -> bool {
        let ended_later = |to_nano: i64| to_nano > moment_nano.saturating_add(margin_nano);
        self.from_nano < moment_nano.saturating_sub(margin_nano) && self.to_nano.is_none_or(ended_later)
    }
}
