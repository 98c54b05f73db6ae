//! What inspection says of a container, which labels cannot forge.

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerState};
use e2l_ledger::event::{Event, EventKind, Facts};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;

/// Longest wait for an inspection; the event is recorded without it then.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether facts belong to this event.
pub fn wanted(event: &Event) -> bool {
    event.kind == EventKind::Container && matches!(event.action.as_str(), "create" | "start" | "die")
}

/// Asks the engine; `None` when the container is gone or the engine is slow. With `--rm` that is a race.
pub async fn ask(docker: &Docker, event: &Event) -> Option<Facts> {
    let asked = docker.inspect_container(&event.actor_id, None);
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Some(facts(event, answer)),
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

fn facts(event: &Event, answer: ContainerInspectResponse) -> Facts {
    let state = answer.state.unwrap_or_default();
    let image_digest = answer.image;
    // A restart may have come between: what is younger than the event is not of its run.
    let of_this_run = |nano: &i64| *nano <= event.time_nano;
    let started_nano = nano(state.started_at.as_deref()).filter(of_this_run);
    let finished_nano = nano(state.finished_at.as_deref()).filter(of_this_run);
    match event.action.as_str() {
        "start" => Facts {
            image_digest,
            started_nano,
            ..Facts::default()
        },
        "die" if finished_nano.is_some() && started_nano.is_some() && !runs(&state) => Facts {
            image_digest,
            started_nano,
            finished_nano,
            exit_code: state.exit_code,
            oom_killed: state.oom_killed,
        },
        _ => Facts {
            image_digest,
            ..Facts::default()
        },
    }
}

fn runs(state: &ContainerState) -> bool {
    state.running == Some(true)
}

/// The engine writes year 1 for "never".
fn nano(text: Option<&str>) -> Option<i64> {
    let moment = OffsetDateTime::parse(text?, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos())
        .ok()
        .filter(|nano| *nano > 0)
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

    fn inspected() -> ContainerInspectResponse {
        ContainerInspectResponse {
            image: Some("sha256:1".to_owned()),
            state: Some(ContainerState {
                started_at: Some("1970-01-01T00:00:01.000000005Z".to_owned()),
                finished_at: Some("1970-01-01T00:00:02Z".to_owned()),
                exit_code: Some(7),
                running: Some(false),
                ..ContainerState::default()
            }),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn a_death_has_its_own_times_and_exit_code() {
        let found = facts(&die(2_000_000_001), inspected());
        assert_eq!(found.started_nano, Some(1_000_000_005));
        assert_eq!(
            (found.finished_nano, found.exit_code),
            (Some(2_000_000_000), Some(7))
        );
    }

    #[test]
    fn a_later_run_says_nothing_of_an_earlier_death() {
        let found = facts(&die(1_500_000_000), inspected());
        assert_eq!(
            found,
            Facts {
                image_digest: Some("sha256:1".to_owned()),
                ..Facts::default()
            }
        );
    }

    #[test]
    fn never_is_no_moment() {
        assert_eq!(nano(Some("0001-01-01T00:00:00Z")), None);
    }
}
