//! The task that asks a Swarm's manager which tasks there are, so that what labels claim can be compared with it.
//!
//! A task has its container for good. So each is said once, when its container is known, and all of them again at long
//! intervals and at the start: what was said may have found a full spool.

use super::endpoint::Endpoint;
use super::raw;
use crate::clock::now_nano;
use crate::source::intake::Intake;
use crate::statement::statement;
use bollard::errors::Error;
use e2l_ledger::swarm::{SwarmTask, TASKS_ACTION, TaskStatement};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Until an engine that manages no Swarm, or does not answer, is asked again.
const NO_MANAGER: Duration = Duration::from_secs(30);

/// How tasks are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskOptions {
    /// Between two looks at the manager's tasks.
    pub every: Duration,
    /// Between two statements of all tasks.
    pub restate_every: Duration,
}

/// See the module.
pub struct TaskWatch {
    /// Where the engine is.
    pub address: Endpoint,
    /// Takes what is said.
    pub intake: Arc<Intake>,
    /// `None`: tasks are not asked for.
    pub options: Option<TaskOptions>,
    /// See the reader.
    pub epoch: watch::Receiver<u64>,
}

/// A task as the interface has it, as far as it is needed: the rest, the specification, is most of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Told {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ServiceID")]
    service: String,
    #[serde(rename = "NodeID")]
    node: String,
    slot: u64,
    status: ToldStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ToldStatus {
    container_status: Option<ToldContainer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToldContainer {
    #[serde(rename = "ContainerID")]
    id: String,
}

/// What an engine says of itself, as far as it is needed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ToldInfo {
    swarm: ToldSwarm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ToldSwarm {
    control_available: bool,
}

/// Tasks by service.
type Tasks = BTreeMap<String, BTreeSet<SwarmTask>>;

impl TaskWatch {
    /// Asks as long as somebody listens.
    pub async fn run(mut self) {
        let Some(options) = self.options else { return };
        let mut said = Said::new(options);
        let mut manages = false;
        while self
            .epoch
            .wait_for(|epoch| !epoch.is_multiple_of(2))
            .await
            .is_ok()
        {
            let pause = match self.ask(&mut manages).await {
                Ok(None) => NO_MANAGER.max(options.every),
                Ok(Some(told)) => {
                    let new = said.news(by_service(told), Instant::now());
                    new.into_iter()
                        .for_each(|(service, news)| self.say(&service, &news));
                    options.every
                }
                Err(error) => {
                    tracing::debug!(address = %self.address, %error, "the engine does not tell a Swarm's tasks");
                    NO_MANAGER.max(options.every)
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.intake.closed() => return,
            }
        }
    }

    /// The tasks; `None` if the engine manages no Swarm. It is asked about that first, unless it did the last time: one that
    /// does not would write an error into its log when it is asked for tasks.
    async fn ask(&self, manages: &mut bool) -> Result<Option<Vec<Told>>, Error> {
        if !*manages {
            let info: ToldInfo = raw::json(&self.address, "/info").await?;
            *manages = info.swarm.control_available;
        }
        if !*manages {
            return Ok(None);
        }
        let told = raw::json(&self.address, "/tasks").await;
        *manages = told.is_ok();
        told.map(Some)
    }

    fn say(&self, service: &str, news: &News) {
        let now = now_nano();
        for attributes in TaskStatement::attributes(&news.tasks, news.whole, news.every_s) {
            self.intake.say(statement(service, TASKS_ACTION, attributes, now));
        }
    }
}

fn by_service(told: Vec<Told>) -> Tasks {
    let mut tasks = Tasks::new();
    for one in told {
        let container = one.status.container_status.unwrap_or_default().id;
        let task = SwarmTask {
            id: one.id,
            node: one.node,
            slot: one.slot,
            container,
        };
        let of_service = tasks.entry(one.service).or_default();
        // One that has no container yet has no node, or no place on it.
        if task.is_sound() {
            of_service.insert(task);
        }
    }
    // Tasks of networks have no service.
    tasks.remove("");
    tasks
}

/// What is to be said of one service.
#[derive(Debug, PartialEq, Eq)]
struct News {
    tasks: Vec<SwarmTask>,
    whole: bool,
    every_s: u64,
}

/// What was said, of the tasks that are there.
#[derive(Debug)]
struct Said {
    options: TaskOptions,
    tasks: Tasks,
    /// When all are said again.
    all_at: Option<Instant>,
}

impl Said {
    fn new(options: TaskOptions) -> Self {
        Self {
            options,
            tasks: Tasks::new(),
            all_at: None,
        }
    }

    /// What is to be said now that these are all tasks.
    fn news(&mut self, tasks: Tasks, now: Instant) -> Vec<(String, News)> {
        let all = self.all_at.is_none_or(|at| at <= now);
        if all {
            self.all_at = Some(now + self.options.restate_every);
        }
        let nothing = BTreeSet::new();
        let mut news = Vec::new();
        for (service, tasks) in &tasks {
            let known = self.tasks.get(service);
            // A service that is new is said as a whole: it begins.
            let whole = all || known.is_none();
            let before = known.filter(|_| !whole).unwrap_or(&nothing);
            let new: Vec<SwarmTask> = tasks.difference(before).cloned().collect();
            if whole || !new.is_empty() {
                let every_s = self.options.every.as_secs();
                news.push((
                    service.clone(),
                    News {
                        tasks: new,
                        whole,
                        every_s,
                    },
                ));
            }
        }
        self.tasks = tasks;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: TaskOptions = TaskOptions {
        every: Duration::from_secs(10),
        restate_every: Duration::from_secs(3600),
    };

    fn told(text: &str) -> Tasks {
        by_service(serde_json::from_str(text).unwrap())
    }

    fn texts(news: &[(String, News)]) -> Vec<String> {
        let text = |(service, news): &(String, News)| {
            let tasks: Vec<String> = news.tasks.iter().map(SwarmTask::to_string).collect();
            format!(
                "{service} {} {}",
                if news.whole { "all" } else { "new" },
                tasks.join(" ")
            )
        };
        news.iter().map(text).collect()
    }

    #[test]
    fn each_task_is_said_when_it_has_a_container_and_all_of_them_now_and_then() {
        let waiting = r#"{"ID":"t1","ServiceID":"s1","Slot":1,"Status":{"State":"pending"}}"#;
        let runs = r#"{"ID":"t1","ServiceID":"s1","NodeID":"n1","Slot":1,"Spec":{"Runtime":"container"},
            "Status":{"ContainerStatus":{"ContainerID":"c1","PID":7}}}"#;
        let second = r#"{"ID":"t2","ServiceID":"s1","NodeID":"n2","Slot":2,"Status":{"ContainerStatus":{"ContainerID":"c2"}}}"#;
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut said = Said::new(OPTIONS);
        let news = said.news(told(&format!("[{waiting}]")), start);
        assert_eq!(
            texts(&news),
            ["s1 all "],
            "a service without containers is said too"
        );
        let news = said.news(told(&format!("[{runs}]")), after(10));
        assert_eq!(texts(&news), ["s1 new t1@n1@1@c1"]);
        assert_eq!(said.news(told(&format!("[{runs}]")), after(20)), []);
        let news = said.news(told(&format!("[{second},{runs}]")), after(30));
        assert_eq!(texts(&news), ["s1 new t2@n2@2@c2"]);
        let news = said.news(told(&format!("[{runs},{second}]")), after(3600));
        assert_eq!(texts(&news), ["s1 all t1@n1@1@c1 t2@n2@2@c2"]);
        assert_eq!(
            said.news(told("[]"), after(3610)),
            [],
            "a service that is gone has its own event"
        );
    }

    #[test]
    fn a_task_without_a_service_is_left_out() {
        let attachment = r#"[{"ID":"t1","NodeID":"n1","Status":{"ContainerStatus":{"ContainerID":"c1"}}}]"#;
        assert_eq!(told(attachment), Tasks::new());
    }
}
