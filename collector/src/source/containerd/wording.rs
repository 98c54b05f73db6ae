//! An event of containerd in the words of the ledger.

use super::api::events::Envelope;
use super::api::happened::{
    ContainerCreate, ContainerDelete, ContainerUpdate, TaskCheckpointed, TaskCreate, TaskDelete,
    TaskExecAdded, TaskExecStarted, TaskExit, TaskOom, TaskPaused, TaskResumed, TaskStart,
};
use super::api::nano;
use super::roster::Roster;
use super::selection::name;
use crate::source::EngineEvent;
use crate::source::engine_event::{EngineActor, Said};
use e2l_ledger::event::Facts;
use prost::{DecodeError, Message};
use std::collections::BTreeMap;

/// Attribute for containerd's own word.
const ACTION: &str = "action";
/// Attribute for what tells a container's runs apart.
const RUN: &str = "run";

/// One thing that happened to a container.
#[derive(Debug, Default)]
struct Happened {
    id: String,
    action: &'static str,
    attributes: Vec<(&'static str, String)>,
    run: Option<u32>,
    facts: Option<Facts>,
}

impl Happened {
    fn to(id: String, action: &'static str) -> Self {
        Self {
            id,
            action,
            ..Self::default()
        }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }
}

/// The event, and what it says of tasks noted; `None` for one that is about no container, or not known.
///
/// # Errors
/// It is not what its type claims.
pub fn event(envelope: &Envelope, roster: &mut Roster) -> Result<Option<EngineEvent>, DecodeError> {
    let Some(time_nano) = nano(envelope.timestamp.as_ref()) else {
        return Ok(None);
    };
    let Some(happened) = happened(envelope, time_nano, roster)? else {
        return Ok(None);
    };
    let name = name(&envelope.namespace, &happened.id);
    let own = [("name", happened.id), ("namespace", envelope.namespace.clone())];
    let attributes = own.into_iter().chain(happened.attributes);
    let mut said = BTreeMap::from([(ACTION, envelope.topic.clone())]);
    said.extend(happened.run.map(|pid| (RUN, pid.to_string())));
    Ok(Some(EngineEvent {
        kind: "container".to_owned(),
        action: happened.action.to_owned(),
        actor: EngineActor {
            id: name,
            attributes: Some(attributes.map(|(name, value)| (name.to_owned(), value)).collect()),
        },
        scope: "local".to_owned(),
        time: time_nano / 1_000_000_000,
        time_nano,
        said: Said {
            attributes: said,
            facts: happened.facts,
        },
        ..EngineEvent::default()
    }))
}

fn happened(
    envelope: &Envelope,
    time_nano: i64,
    roster: &mut Roster,
) -> Result<Option<Happened>, DecodeError> {
    let Some(any) = &envelope.event else {
        return Ok(None);
    };
    let bytes = any.value.as_slice();
    let kind = any.type_url.rsplit('/').next().unwrap_or_default();
    let named = |id: &str| name(&envelope.namespace, id);
    Ok(Some(match kind {
        "containerd.events.ContainerCreate" => Happened::to(ContainerCreate::decode(bytes)?.id, "create"),
        "containerd.events.ContainerUpdate" => Happened::to(ContainerUpdate::decode(bytes)?.id, "update"),
        "containerd.events.ContainerDelete" => {
            let id = ContainerDelete::decode(bytes)?.id;
            roster.removed(&named(&id));
            Happened::to(id, "destroy")
        }
        "containerd.events.TaskCreate" => {
            let task = TaskCreate::decode(bytes)?;
            roster.started(&named(&task.container_id), task.pid, None);
            Happened::to(task.container_id, "init").with("pid", task.pid)
        }
        "containerd.events.TaskStart" => {
            let task = TaskStart::decode(bytes)?;
            roster.started(&named(&task.container_id), task.pid, Some(time_nano));
            let started = Facts {
                started_nano: Some(time_nano),
                ..Facts::default()
            };
            Happened {
                run: Some(task.pid),
                facts: Some(started),
                ..Happened::to(task.container_id, "start").with("pid", task.pid)
            }
        }
        "containerd.events.TaskExit" => exit(TaskExit::decode(bytes)?, named, roster),
        "containerd.events.TaskDelete" => {
            let task = TaskDelete::decode(bytes)?;
            if task.id.is_empty() || task.id == task.container_id {
                Happened::to(task.container_id, "cleanup").with("pid", task.pid)
            } else {
                Happened::to(task.container_id, "exec_cleanup").with("execID", task.id)
            }
        }
        "containerd.events.TaskOOM" => {
            let id = TaskOom::decode(bytes)?.container_id;
            roster.out_of_memory(&named(&id));
            Happened::to(id, "oom")
        }
        "containerd.events.TaskPaused" => Happened::to(TaskPaused::decode(bytes)?.container_id, "pause"),
        "containerd.events.TaskResumed" => Happened::to(TaskResumed::decode(bytes)?.container_id, "unpause"),
        "containerd.events.TaskCheckpointed" => {
            Happened::to(TaskCheckpointed::decode(bytes)?.container_id, "checkpoint")
        }
        "containerd.events.TaskExecAdded" => {
            let exec = TaskExecAdded::decode(bytes)?;
            Happened::to(exec.container_id, "exec_create").with("execID", exec.exec_id)
        }
        "containerd.events.TaskExecStarted" => {
            let exec = TaskExecStarted::decode(bytes)?;
            if exec.exec_id == exec.container_id {
                roster.has_namesake(&named(&exec.container_id), exec.pid);
            }
            Happened::to(exec.container_id, "exec_start")
                .with("execID", exec.exec_id)
                .with("pid", exec.pid)
        }
        _ => return Ok(None),
    }))
}

/// Of the container's own process, or of another that was started in it.
fn exit(exit: TaskExit, named: impl Fn(&str) -> String, roster: &mut Roster) -> Happened {
    let name = named(&exit.container_id);
    if exit.id != exit.container_id || roster.was_namesake(&name, exit.pid) {
        return Happened::to(exit.container_id, "exec_die")
            .with("execID", exit.id)
            .with("exitCode", exit.exit_status)
            .with("pid", exit.pid);
    }
    let ended = Facts {
        image_digest: None,
        started_nano: roster.started_nano(&name, exit.pid),
        finished_nano: nano(exit.exited_at.as_ref()),
        exit_code: Some(i64::from(exit.exit_status)),
        oom_killed: roster.was_out_of_memory(&name, exit.pid),
    };
    Happened {
        run: Some(exit.pid),
        facts: Some(ended),
        ..Happened::to(exit.container_id, "die")
            .with("exitCode", exit.exit_status)
            .with("pid", exit.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::event::Event;

    /// What is recorded of messages, each at its own second.
    fn recorded(messages: &[(&str, Vec<u8>)]) -> Vec<Event> {
        let mut roster = Roster::default();
        let events = messages.iter().zip(1..).map(|((kind, value), seconds)| {
            let envelope = Envelope {
                timestamp: Some(prost_types::Timestamp { seconds, nanos: 5 }),
                namespace: "default".to_owned(),
                topic: format!("/tasks/{kind}"),
                event: Some(prost_types::Any {
                    type_url: format!("containerd.events.{kind}"),
                    value: value.clone(),
                }),
            };
            let event = event(&envelope, &mut roster).unwrap().unwrap();
            event.normalise(99).unwrap().unwrap()
        });
        events.collect()
    }

    fn start(pid: u32) -> (&'static str, Vec<u8>) {
        let container_id = "web".to_owned();
        ("TaskStart", TaskStart { container_id, pid }.encode_to_vec())
    }

    fn exit_of(id: &str, pid: u32, exit_status: u32) -> (&'static str, Vec<u8>) {
        let exit = TaskExit {
            container_id: "web".to_owned(),
            id: id.to_owned(),
            pid,
            exit_status,
            exited_at: Some(prost_types::Timestamp { seconds: 2, nanos: 0 }),
        };
        ("TaskExit", exit.encode_to_vec())
    }

    #[test]
    fn a_death_has_its_own_run_and_moment() {
        let oom = TaskOom {
            container_id: "web".to_owned(),
        };
        let oom = ("TaskOOM", oom.encode_to_vec());
        let events = recorded(&[
            start(7),
            oom,
            exit_of("web", 7, 137),
            start(8),
            exit_of("web", 8, 0),
        ]);
        let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["start", "oom", "die", "start", "die"]);
        assert!(events.iter().all(|event| event.actor_id == "default/web"));
        assert_eq!(events[0].attributes["event2ledger.run"], "7");
        assert_eq!(events[2].attributes["event2ledger.action"], "/tasks/TaskExit");
        let died = |place: usize| events[place].facts.clone().unwrap();
        let first = Facts {
            image_digest: None,
            started_nano: Some(1_000_000_005),
            finished_nano: Some(2_000_000_000),
            exit_code: Some(137),
            oom_killed: Some(true),
        };
        assert_eq!(died(2), first);
        assert_eq!(
            (died(4).started_nano, died(4).oom_killed),
            (Some(4_000_000_005), None)
        );
        // Told late, after the next run has begun: it is that run's all the same.
        let late = recorded(&[start(7), start(8), exit_of("web", 7, 137)]);
        assert_eq!(
            (
                late[2].action.as_str(),
                late[2].attributes["event2ledger.run"].as_str()
            ),
            ("die", "7")
        );
        assert_eq!(late[2].facts.as_ref().unwrap().started_nano, Some(1_000_000_005));
    }

    #[test]
    fn the_exit_of_another_process_is_none_of_the_container_whatever_its_name() {
        let exec = TaskExecStarted {
            container_id: "web".to_owned(),
            exec_id: "web".to_owned(),
            pid: 9,
        };
        let exec = ("TaskExecStarted", exec.encode_to_vec());
        let of = |messages: &[(&'static str, Vec<u8>)]| {
            let events = recorded(messages);
            let event = events.last().unwrap().clone();
            (event.action, event.facts, event.attributes["exitCode"].clone())
        };
        let expected = ("exec_die".to_owned(), None, "3".to_owned());
        assert_eq!(of(&[start(7), exit_of("e1", 9, 3)]), expected);
        // Its name is the container's: the task's process is another.
        assert_eq!(of(&[start(7), exit_of("web", 9, 3)]), expected);
        assert_eq!(of(&[exec, exit_of("web", 9, 3)]), expected);
        // Nothing is known of the task: it is the container's own word.
        assert_eq!(of(&[exit_of("web", 9, 3)]).0, "die");
    }

    #[test]
    fn what_is_not_about_a_container_is_left_out_and_what_is_torn_is_an_error() {
        let mut roster = Roster::default();
        let mut envelope = Envelope {
            timestamp: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
            event: Some(prost_types::Any {
                type_url: "containerd.events.ImageCreate".to_owned(),
                value: vec![10, 200],
            }),
            ..Envelope::default()
        };
        assert_eq!(event(&envelope, &mut roster).unwrap(), None);
        envelope.event.as_mut().unwrap().type_url =
            "type.googleapis.com/containerd.events.TaskExit".to_owned();
        assert!(event(&envelope, &mut roster).is_err());
    }
}
