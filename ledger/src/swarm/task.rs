//! What a manager's collector says of a service's tasks.

use std::fmt;

/// Action of these events, whose type is `collector` and whose `Actor.ID` is the service's id.
pub const TASKS_ACTION: &str = "tasks";
/// Most tasks of one event, some 130 bytes each.
pub const TASKS_PER_PART: usize = 128;

/// A task that has a container, as a manager knows it. In text: `TASK@NODE@SLOT@CONTAINER`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SwarmTask {
    /// Its id.
    pub id: String,
    /// Id of the node on which it is.
    pub node: String,
    /// Its place among the service's replicas, from 1; 0 where services have none.
    pub slot: u64,
    /// Id of its container, which it has for good.
    pub container: String,
}

impl fmt::Display for SwarmTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}@{}@{}", self.id, self.node, self.slot, self.container)
    }
}

impl SwarmTask {
    /// Reads the text; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('@');
        let mut next = || parts.next().filter(|part| is_id(part)).map(str::to_owned);
        let (id, node, slot, container) = (next()?, next()?, next()?, next()?);
        parts.next().is_none().then_some(())?;
        Some(Self {
            id,
            node,
            slot: slot.parse().ok()?,
            container,
        })
    }

    /// Whether its ids are such that the text can be read again.
    pub fn is_sound(&self) -> bool {
        [&self.id, &self.node, &self.container]
            .into_iter()
            .all(|id| is_id(id))
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What one event says of a service's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatement {
    /// Actor of the collector that says it.
    pub actor: String,
    /// Name of that collector.
    pub collector: String,
    /// When, by its clock, nanoseconds since the Unix epoch. Parts of one statement have the same.
    pub time_nano: i64,
    /// Time of its block, nanoseconds since the Unix epoch.
    pub block_time_nano: i64,
    /// Whether, with its other parts, it names every task of the service that the manager knows.
    pub is_whole: bool,
    /// How many parts there are.
    pub parts: u64,
    /// The tasks.
    pub tasks: Vec<SwarmTask>,
}

impl TaskStatement {
    /// From an event of type `collector` and action [`TASKS_ACTION`], sent by a collector of this actor and name, with its time
    /// and that of its block. Tasks that cannot be read are left out.
    pub fn read<'a>(
        (actor, collector): (&str, &str),
        (time_nano, block_time_nano): (i64, i64),
        attribute: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let tasks = attribute("tasks").unwrap_or_default();
        Self {
            actor: actor.to_owned(),
            collector: collector.to_owned(),
            time_nano,
            block_time_nano,
            is_whole: attribute("whole") == Some("true"),
            parts: attribute("parts")
                .and_then(|parts| parts.parse().ok())
                .unwrap_or(1),
            tasks: tasks.split(' ').filter_map(SwarmTask::parse).collect(),
        }
    }

    /// Its attributes, one set for each event that it takes.
    pub fn attributes(tasks: &[SwarmTask], is_whole: bool, every_s: u64) -> Vec<Vec<(&'static str, String)>> {
        let parts: Vec<&[SwarmTask]> = match tasks {
            // That there is none is said too.
            [] => vec![&[]],
            tasks => tasks.chunks(TASKS_PER_PART).collect(),
        };
        let of_part = |(number, part): (usize, &&[SwarmTask])| {
            let texts: Vec<String> = part.iter().map(SwarmTask::to_string).collect();
            vec![
                ("every_s", every_s.to_string()),
                ("part", (number + 1).to_string()),
                ("parts", parts.len().to_string()),
                ("tasks", texts.join(" ")),
                ("whole", is_whole.to_string()),
            ]
        };
        parts.iter().enumerate().map(of_part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: usize) -> SwarmTask {
        SwarmTask {
            id: format!("t{number}"),
            node: "n1".to_owned(),
            slot: number as u64,
            container: format!("c{number}"),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all: Vec<SwarmTask> = (0..=TASKS_PER_PART).map(task).collect();
        let parts = TaskStatement::attributes(&all, true, 10);
        assert_eq!(parts.len(), 2);
        let read: Vec<TaskStatement> = parts
            .iter()
            .map(|part| {
                let attribute = |name: &str| {
                    let found = part.iter().find(|(key, _)| *key == name);
                    found.map(|(_, value)| value.as_str())
                };
                TaskStatement::read(("provider", "c1"), (5, 6), attribute)
            })
            .collect();
        assert!(read.iter().all(|part| part.is_whole && part.parts == 2));
        let tasks: Vec<SwarmTask> = read.into_iter().flat_map(|part| part.tasks).collect();
        assert_eq!(tasks, all);
        assert_eq!(
            TaskStatement::attributes(&[], true, 10).len(),
            1,
            "that there is none is said"
        );
    }

    #[test]
    fn what_is_no_task_is_none() {
        for text in [
            "",
            "t@n@1",
            "t@n@1@c@d",
            "t@n@x@c",
            "@n@1@c",
            "t@n@1@c c",
            "t@é@1@c",
        ] {
            assert_eq!(SwarmTask::parse(text), None, "{text}");
        }
    }
}
