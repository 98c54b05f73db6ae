//! What an engine says of itself.

use super::super::identity::EngineIdentity;
use super::dialect::Dialect;
use crate::clock::{Ahead, now_nano};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{SystemInfo, SystemVersion};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// What it is.
    pub identity: EngineIdentity,
    /// What it means by Docker's interface.
    pub dialect: Dialect,
    /// How far its clock is ahead of the collector's.
    pub ahead: Ahead,
    /// Whether it manages a Swarm.
    pub manages: bool,
}

impl Engine {
    /// Asks it.
    pub async fn ask(docker: &Docker) -> Result<Self, Error> {
        let version = docker.version().await?;
        let before = now_nano();
        let info = docker.info().await?;
        Ok(Self::from_answers(version, &info, before, now_nano()))
    }

    fn from_answers(version: SystemVersion, info: &SystemInfo, before_nano: i64, after_nano: i64) -> Self {
        // One that does not say is taken to agree.
        let shown_nano = nano(info.system_time.as_deref()).unwrap_or(after_nano);
        let swarm = info.swarm.as_ref();
        let dialect = Dialect::of(&version);
        let known = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        Self {
            identity: EngineIdentity {
                name: dialect.name(),
                version: known(version.version),
                api: known(version.api_version),
            },
            dialect,
            ahead: Ahead::shown_between(shown_nano, before_nano, after_nano),
            manages: swarm.is_some_and(|swarm| swarm.control_available == Some(true)),
        }
    }

    /// A moment of the collector's clock by the engine's, which looks at its own before it gathers the rest of its answer.
    pub fn nano(&self, collectors_nano: i64) -> i64 {
        collectors_nano.saturating_add(self.ahead.most_nano)
    }
}

/// Nanoseconds since the Unix epoch. The engine writes year 1 for "never".
pub fn nano(text: Option<&str>) -> Option<i64> {
    let moment = OffsetDateTime::parse(text?, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos())
        .ok()
        .filter(|nano| *nano > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_no_moment() {
        assert_eq!(nano(Some("0001-01-01T00:00:00Z")), None);
        assert_eq!(nano(Some("1970-01-01T00:00:01.000000005Z")), Some(1_000_000_005));
    }

    #[test]
    fn the_offset_of_a_clock_an_hour_ahead_is_an_hour() {
        let info = SystemInfo {
            system_time: Some("1970-01-01T01:00:10Z".to_owned()),
            ..SystemInfo::default()
        };
        let engine = Engine::from_answers(SystemVersion::default(), &info, 9_000_000_000, 11_000_000_000);
        assert_eq!(engine.ahead.middle_nano(), 3_600_000_000_000);
        assert_eq!(engine.nano(10_000_000_000), 3_611_000_000_000);
    }
}
