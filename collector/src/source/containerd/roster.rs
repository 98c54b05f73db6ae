//! What the events of a containerd have said of the tasks of its containers. An event names a task by its process only.

use crate::source::Alive;
use std::collections::{HashMap, HashSet};

/// Most containers that are remembered, some 200 bytes each. Beyond, all are forgotten: events are recorded without what
/// others would have said of them.
const MOST: usize = 16_384;
/// Most processes of `exec` that have the name of their container.
const MOST_NAMESAKES: usize = 4096;

/// A container's task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Task {
    pid: u32,
    started_nano: Option<i64>,
    out_of_memory: bool,
}

/// The last task of a container, and the one before: its end may be told late.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tasks {
    last: Task,
    before: Option<Task>,
}

impl Tasks {
    fn of(&self, pid: u32) -> Option<&Task> {
        let all = [Some(&self.last), self.before.as_ref()];
        all.into_iter().flatten().find(|task| task.pid == pid)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Roster {
    tasks: HashMap<String, Tasks>,
    namesakes: HashSet<(String, u32)>,
}

impl Roster {
    /// With what was recorded by earlier runs of the collector.
    pub fn new(alive: &[Alive]) -> Self {
        let mut roster = Self::default();
        for container in alive {
            let pid = container.run.as_ref().and_then(|run| run.parse().ok());
            if let Some(pid) = pid {
                roster.started(&container.id, pid, container.started_nano);
            }
        }
        roster
    }

    /// A task was created or started.
    pub fn started(&mut self, name: &str, pid: u32, started_nano: Option<i64>) {
        if self.tasks.len() >= MOST && !self.tasks.contains_key(name) {
            self.tasks.clear();
        }
        let last = Task {
            pid,
            started_nano,
            out_of_memory: false,
        };
        let before = self.tasks.remove(name).and_then(|tasks| {
            // It was created, and is started now.
            if tasks.last.pid == pid {
                tasks.before
            } else {
                Some(tasks.last)
            }
        });
        self.tasks.insert(name.to_owned(), Tasks { last, before });
    }

    /// A task is there, and no event has said so.
    pub fn is_there(&mut self, name: &str, pid: u32) {
        if !self.tasks.contains_key(name) {
            self.started(name, pid, None);
        }
    }

    /// The kernel found no memory for a process of it.
    pub fn out_of_memory(&mut self, name: &str) {
        if let Some(tasks) = self.tasks.get_mut(name) {
            tasks.last.out_of_memory = true;
        }
    }

    /// A process was started in it whose name is its own.
    pub fn has_namesake(&mut self, name: &str, pid: u32) {
        if self.namesakes.len() >= MOST_NAMESAKES {
            self.namesakes.clear();
        }
        self.namesakes.insert((name.to_owned(), pid));
    }

    /// Whether the process that has ended, under the container's name, is another than the container's own; then it is
    /// forgotten.
    pub fn was_namesake(&mut self, name: &str, pid: u32) -> bool {
        let known = self.namesakes.remove(&(name.to_owned(), pid));
        known || self.tasks.get(name).is_some_and(|tasks| tasks.of(pid).is_none())
    }

    /// When the task with this process was started, nanoseconds since the Unix epoch.
    pub fn started_nano(&self, name: &str, pid: u32) -> Option<i64> {
        self.task(name, pid)?.started_nano
    }

    /// Whether memory was found wanting; `None` for no sign of it.
    pub fn was_out_of_memory(&self, name: &str, pid: u32) -> Option<bool> {
        self.task(name, pid)?.out_of_memory.then_some(true)
    }

    /// The container was removed.
    pub fn removed(&mut self, name: &str) {
        self.tasks.remove(name);
    }

    fn task(&self, name: &str, pid: u32) -> Option<&Task> {
        self.tasks.get(name)?.of(pid)
    }
}
