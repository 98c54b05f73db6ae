//! What inspection says, which labels cannot forge.

use super::super::engine_event::marked;
use super::engine::nano;
use crate::reconcile::{Inspected, InspectedService, Phase, RunMark};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, Service};
use e2l_ledger::event::{Event, EventKind, Facts};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longest wait for an inspection; the event is recorded without it then, and later inspected again.
const PATIENCE: Duration = Duration::from_secs(5);
/// An engine tells of a start or an end so long after it at most, also when it was stopped meanwhile; nanoseconds.
const TOLD_WITHIN: i64 = 600_000_000_000;
/// How often an answer is asked for again that cannot be read: what Podman does after a death takes seconds on a busy machine.
const TRIES: u32 = 60;
/// After so long.
const A_MOMENT: Duration = Duration::from_millis(50);

/// Whether facts belong to this event.
pub fn wanted(event: &Event) -> bool {
    event.kind == EventKind::Container && are_wanted_of(event.action.as_bytes())
}

/// Whether they belong to events of a container that say this, in Docker's word.
pub fn are_wanted_of(action: &[u8]) -> bool {
    matches!(action, b"create" | b"start" | b"die")
}

/// Asks the engine; `None` when the container is gone or the engine is slow. With `--rm` that is a race.
pub async fn ask(docker: &Docker, event: &Event) -> Option<Inspected> {
    match timeout(PATIENCE, inspect(docker, &event.actor_id)).await {
        Ok(Ok(answer)) => inspected(&event.actor_id, answer),
        Ok(Err(error)) => {
            tracing::debug!(container = %event.actor_id, %error, "no facts");
            None
        }
        Err(_) => {
            tracing::debug!(container = %event.actor_id, "no facts: the engine is slow");
            None
        }
    }
}

/// Podman names states of a moment that Docker does not know: just after a death, and before a start.
async fn inspect(docker: &Docker, id: &str) -> Result<ContainerInspectResponse, Error> {
    let mut tries = 0;
    loop {
        match docker.inspect_container(id, None).await {
            Err(Error::JsonDataError { .. }) if tries < TRIES => {
                tries += 1;
                sleep(A_MOMENT).await;
            }
            answer => return answer,
        }
    }
}

/// The facts that belong to an event. Inspection comes later, and tells of the last run only.
pub fn of(event: &Event, seen: &Inspected) -> Facts {
    let image_digest = seen.image_digest.clone();
    // What is younger than the event is of a later run; what is much older is, too, if the clock was set back between them.
    let by_then = |nano: &i64| *nano <= event.time_nano;
    let just_then = |nano: &i64| by_then(nano) && event.time_nano.saturating_sub(*nano) <= TOLD_WITHIN;
    let started_nano = seen.started_nano.filter(by_then);
    // The last end before the event is that which it tells of, also when the container was started again since.
    let finished_nano = seen.finished_nano.filter(just_then);
    match event.action.as_str() {
        "start" => Facts {
            image_digest,
            started_nano: started_nano.filter(just_then),
            ..Facts::default()
        },
        "die" if started_nano.is_some() && finished_nano.is_some() && !seen.phase.is_alive() => Facts {
            image_digest,
            started_nano,
            finished_nano,
            exit_code: seen.exit_code,
            oom_killed: seen.oom_killed,
        },
        "die" => Facts {
            image_digest,
            finished_nano,
            ..Facts::default()
        },
        _ => Facts {
            image_digest,
            ..Facts::default()
        },
    }
}

/// An answer of the engine; `None` if it lacks what every container has.
pub fn inspected(id: &str, answer: ContainerInspectResponse) -> Option<Inspected> {
    let state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let name = answer.name.unwrap_or_default();
    Some(Inspected {
        id: id.to_owned(),
        name: name.strip_prefix('/').unwrap_or(&name).to_owned(),
        image: config.image.unwrap_or_default(),
        image_digest: answer.image,
        labels: marked(config.labels.unwrap_or_default().into_iter().collect()),
        created_nano: nano(answer.created.as_deref())?,
        phase: phase(&state)?,
        mark: RunMark::Start,
        started_nano: nano(state.started_at.as_deref()),
        finished_nano: nano(state.finished_at.as_deref()),
        // A start that failed overwrites the last run's.
        exit_code: state
            .exit_code
            .filter(|_| state.error.unwrap_or_default().is_empty()),
        oom_killed: state.oom_killed,
    })
}

/// The engine calls a container running that waits to be started again.
fn phase(state: &ContainerState) -> Option<Phase> {
    Some(match state.status? {
        ContainerStateStatusEnum::CREATED => Phase::Created,
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => Phase::Runs,
        ContainerStateStatusEnum::PAUSED => Phase::Paused,
        ContainerStateStatusEnum::REMOVING if state.running == Some(true) => Phase::Runs,
        ContainerStateStatusEnum::RESTARTING
        | ContainerStateStatusEnum::REMOVING
        | ContainerStateStatusEnum::EXITED
        | ContainerStateStatusEnum::DEAD => Phase::Dead,
        ContainerStateStatusEnum::EMPTY => return None,
    })
}

/// A manager's answer; `None` if it lacks what every service has.
pub fn inspected_service(service: Service) -> Option<InspectedService> {
    let created_nano = nano(service.created_at.as_deref())?;
    Some(InspectedService {
        id: service.id?,
        name: service.spec.and_then(|spec| spec.name).unwrap_or_default(),
        created_nano,
        updated_nano: nano(service.updated_at.as_deref()).unwrap_or(created_nano),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::EngineEvent;

    fn die(time_nano: i64) -> Event {
        let line =
            format!(r#"{{"Type":"container","Action":"die","Actor":{{"ID":"a"}},"timeNano":{time_nano}}}"#);
        EngineEvent::parse(&line).unwrap().normalise(1).unwrap().unwrap()
    }

    fn answer(status: ContainerStateStatusEnum, started: &str) -> Inspected {
        let state = ContainerState {
            status: Some(status),
            started_at: Some(started.to_owned()),
            finished_at: Some("1970-01-01T00:00:02Z".to_owned()),
            exit_code: Some(7),
            running: Some(status == ContainerStateStatusEnum::RESTARTING),
            ..ContainerState::default()
        };
        let answer = ContainerInspectResponse {
            image: Some("sha256:1".to_owned()),
            created: Some("1970-01-01T00:00:01Z".to_owned()),
            name: Some("/a".to_owned()),
            state: Some(state),
            ..ContainerInspectResponse::default()
        };
        inspected("a", answer).unwrap()
    }

    const STARTED: &str = "1970-01-01T00:00:01.000000005Z";

    #[test]
    fn a_death_has_its_own_times_and_exit_code_also_while_it_waits_to_be_started_again() {
        for status in [
            ContainerStateStatusEnum::EXITED,
            ContainerStateStatusEnum::RESTARTING,
        ] {
            let found = of(&die(2_000_000_001), &answer(status, STARTED));
            assert_eq!(found.started_nano, Some(1_000_000_005));
            assert_eq!(
                (found.finished_nano, found.exit_code),
                (Some(2_000_000_000), Some(7))
            );
        }
    }

    #[test]
    fn a_later_run_says_of_an_earlier_death_when_it_was_and_nothing_else() {
        let later = answer(ContainerStateStatusEnum::RUNNING, "1970-01-01T00:00:03Z");
        let found = of(&die(2_000_000_001), &later);
        let expected = Facts {
            image_digest: Some("sha256:1".to_owned()),
            finished_nano: Some(2_000_000_000),
            ..Facts::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_later_run_on_a_clock_that_was_set_back_says_nothing_of_an_earlier_one() {
        // It died at two o'clock; the clock was set back, and it ran once more within the hour before.
        let hour = 3_600_000_000_000;
        let later = answer(ContainerStateStatusEnum::EXITED, STARTED);
        for action in ["die", "start"] {
            let mut event = die(2 * hour);
            event.action = action.to_owned();
            let found = of(&event, &later);
            assert_eq!(
                (found.started_nano, found.finished_nano),
                (None, None),
                "{action}"
            );
            assert_eq!(found.exit_code, None, "{action}");
        }
    }

    #[test]
    fn a_later_end_says_nothing_of_an_earlier_death() {
        let found = of(
            &die(1_500_000_000),
            &answer(ContainerStateStatusEnum::EXITED, "1970-01-01T00:00:01.7Z"),
        );
        let expected = Facts {
            image_digest: Some("sha256:1".to_owned()),
            ..Facts::default()
        };
        assert_eq!(found, expected);
    }
}
