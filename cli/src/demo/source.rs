//! Where the demo's events come from.

use crate::docker::{Engine, find_engine, ping_socket};
use crate::error::{CliError, CliResult};
use std::path::PathBuf;
use std::str::FromStr;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoSource {
    /// The engine if one answers, else synthetic events.
    Auto,
    /// The engine at its usual place.
    Docker,
    /// The engine at a socket.
    Socket(PathBuf),
    /// A recording.
    Replay(PathBuf),
    /// Invented events.
    Synthetic,
}

impl FromStr for DemoSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "docker" => Ok(Self::Docker),
            None if text == "synthetic" => Ok(Self::Synthetic),
            Some(("docker", path)) if !path.is_empty() => Ok(Self::Socket(path.into())),
            Some(("replay", path)) if !path.is_empty() => Ok(Self::Replay(path.into())),
            _ => Err("write auto, docker, docker:PATH, replay:FILE or synthetic".to_owned()),
        }
    }
}

/// What the collector is given, and what people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenSource {
    /// Value of the collector's `--source`.
    pub argument: String,
    /// What it is, for people.
    pub about: String,
    /// Whether containers started now will show.
    pub live: bool,
    /// Why it is not what one might expect.
    pub note: Option<String>,
}

impl ChosenSource {
    fn new(argument: impl Into<String>, about: impl Into<String>, live: bool) -> Self {
        Self {
            argument: argument.into(),
            about: about.into(),
            live,
            note: None,
        }
    }

    fn engine(engine: Engine) -> Self {
        match engine {
            Engine::Default => Self::new("docker", "events of this machine's Docker Engine", true),
            Engine::Socket(path) => Self::new(
                format!("docker:{}", path.display()),
                format!("events of the Docker Engine at {}", path.display()),
                true,
            ),
        }
    }

    fn synthetic() -> Self {
        Self::new("synthetic", "synthetic events, two a second", false)
    }
}

/// Decides, and makes sure that what was asked for is there.
///
/// # Errors
/// No engine answers where one was asked for; a recording is not there.
pub fn choose(source: &DemoSource) -> CliResult<ChosenSource> {
    let or_synthetic = "start the engine, or run with --source synthetic";
    match source {
        DemoSource::Synthetic => Ok(ChosenSource::synthetic()),
        DemoSource::Docker => find_engine()
            .map(ChosenSource::engine)
            .map_err(|why| CliError::usage(format!("no Docker Engine answers: {why}"), or_synthetic)),
        DemoSource::Socket(path) => ping_socket(path)
            .map(|()| ChosenSource::engine(Engine::Socket(path.clone())))
            .map_err(|why| {
                CliError::usage(
                    format!("no Docker Engine answers at {}: {why}", path.display()),
                    or_synthetic,
                )
            }),
        DemoSource::Replay(path) => {
            // The collector runs elsewhere: it needs the whole path.
            let path = path
                .canonicalize()
                .map_err(|error| CliError::file("read the recording", path, &error))?;
            let about = format!("recording {}", path.display());
            Ok(ChosenSource::new(
                format!("replay:{}", path.display()),
                about,
                false,
            ))
        }
        DemoSource::Auto => Ok(match find_engine() {
            Ok(engine) => ChosenSource::engine(engine),
            Err(why) => ChosenSource {
                note: Some(format!(
                    "no Docker Engine answers ({why}), so events are synthetic"
                )),
                ..ChosenSource::synthetic()
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_as_people_write_them() {
        assert_eq!("auto".parse(), Ok(DemoSource::Auto));
        assert_eq!(
            "docker:/run/d.sock".parse(),
            Ok(DemoSource::Socket("/run/d.sock".into()))
        );
        assert_eq!("replay:a:b".parse(), Ok(DemoSource::Replay("a:b".into())));
        for wrong in ["", "docker:", "replay", "replay:", "podman"] {
            assert!(wrong.parse::<DemoSource>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_missing_recording_is_named() {
        let error = choose(&DemoSource::Replay("/nonexistent/r.jsonl".into())).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/r.jsonl"), "{error}");
    }
}
