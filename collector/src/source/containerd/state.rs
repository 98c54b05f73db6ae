//! What containerd says when it is asked which containers there are and what their tasks do.

use super::api::containers::Container;
use super::api::nano;
use super::api::tasks::{Process, Status};
use super::client::{Client, ContainerdError};
use super::describer::attributes;
use super::selection::{ContainerdOptions, name};
use crate::reconcile::{Inspected, Phase, RunMark};
use std::collections::HashMap;

/// What is said of a container.
#[derive(Debug)]
pub struct Seen {
    /// What it is called.
    pub name: String,
    /// What it does; `None` where that is not told.
    pub there: Option<Inspected>,
    /// Its task's process, if it has a task.
    pub pid: Option<u32>,
}

/// All selected containers.
///
/// # Errors
/// It does not answer.
pub async fn all(client: &Client, selection: &ContainerdOptions) -> Result<Vec<Seen>, ContainerdError> {
    let mut seen = Vec::new();
    for namespace in client.namespaces().await? {
        if !selection.selects(&namespace) {
            continue;
        }
        let containers = client.containers(&namespace).await?;
        let tasks = client.tasks(&namespace).await?;
        let mut tasks: HashMap<String, Process> =
            tasks.into_iter().map(|task| (task.id.clone(), task)).collect();
        for container in &containers {
            let listed = tasks.remove(&container.id);
            seen.push(one(client, &namespace, container, listed).await);
        }
    }
    Ok(seen)
}

async fn one(client: &Client, namespace: &str, container: &Container, listed: Option<Process>) -> Seen {
    // A task whose shim does not answer is left out of the list: that is not to say that it has ended.
    let task = match listed {
        Some(task) => Ok(Some(task)),
        None => client.task(namespace, &container.id).await,
    };
    let name = name(namespace, &container.id);
    match task {
        Ok(task) => Seen {
            there: inspected(namespace, container, task.as_ref()),
            pid: task.map(|task| task.pid),
            name,
        },
        Err(error) => {
            tracing::warn!(container = %name, %error, "containerd does not tell a container's state");
            Seen {
                there: None,
                pid: None,
                name,
            }
        }
    }
}

/// `None` if it lacks what every container has, or nobody knows what its task does.
fn inspected(namespace: &str, container: &Container, task: Option<&Process>) -> Option<Inspected> {
    let phase = match task {
        Some(task) => phase(task.status())?,
        None => Phase::Created,
    };
    // One that was only created has run nothing.
    let run = task
        .filter(|_| phase != Phase::Created)
        .map(|task| task.pid.to_string());
    let ended = task.filter(|_| phase == Phase::Dead);
    let mut labels = attributes(container);
    labels.insert("namespace".to_owned(), namespace.to_owned());
    Some(Inspected {
        id: name(namespace, &container.id),
        name: container.id.clone(),
        image: container.image.clone(),
        image_digest: None,
        labels,
        created_nano: nano(container.created_at.as_ref())?,
        phase,
        mark: RunMark::Process(run),
        started_nano: None,
        finished_nano: ended.and_then(|task| nano(task.exited_at.as_ref())),
        exit_code: ended.map(|task| i64::from(task.exit_status)),
        oom_killed: None,
    })
}

fn phase(status: Status) -> Option<Phase> {
    Some(match status {
        Status::Unknown => return None,
        Status::Created => Phase::Created,
        Status::Running | Status::Pausing => Phase::Runs,
        Status::Paused => Phase::Paused,
        Status::Stopped => Phase::Dead,
    })
}
