//! The value of `--source`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Which source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SourceSpec {
    /// The engine that `DOCKER_HOST` names, else the one at `/var/run/docker.sock`.
    #[default]
    Docker,
    /// The engine at a socket.
    Socket(PathBuf),
    /// Podman's service at a socket, else the one that `CONTAINER_HOST` names, else the user's or the machine's own.
    Podman(Option<PathBuf>),
    /// containerd at a socket, else the one that `CONTAINERD_ADDRESS` names, else the machine's.
    Containerd(Option<PathBuf>),
    /// A recording.
    Replay(PathBuf),
    /// Invented events.
    Synthetic,
}

/// The text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no source: write docker, podman or containerd, each also with :PATH of a socket, replay:FILE or synthetic"
)]
pub struct SourceSpecError(String);

impl SourceSpec {
    /// With a relative path counted from `base`.
    pub fn within(self, base: &Path) -> Self {
        match self {
            Self::Socket(path) => Self::Socket(base.join(path)),
            Self::Podman(path) => Self::Podman(path.map(|path| base.join(path))),
            Self::Containerd(path) => Self::Containerd(path.map(|path| base.join(path))),
            Self::Replay(path) => Self::Replay(base.join(path)),
            other => other,
        }
    }
}

impl FromStr for SourceSpec {
    type Err = SourceSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "docker" => Ok(Self::Docker),
            None if text == "podman" => Ok(Self::Podman(None)),
            None if text == "containerd" => Ok(Self::Containerd(None)),
            None if text == "synthetic" => Ok(Self::Synthetic),
            Some(("docker", path)) if !path.is_empty() => Ok(Self::Socket(path.into())),
            Some(("podman", path)) if !path.is_empty() => Ok(Self::Podman(Some(path.into()))),
            Some(("containerd", path)) if !path.is_empty() => Ok(Self::Containerd(Some(path.into()))),
            Some(("replay", path)) if !path.is_empty() => Ok(Self::Replay(path.into())),
            _ => Err(SourceSpecError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for SourceSpec {
    type Error = SourceSpecError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SourceSpec> for String {
    fn from(spec: SourceSpec) -> Self {
        spec.to_string()
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker => f.write_str("docker"),
            Self::Socket(path) => write!(f, "docker:{}", path.display()),
            Self::Podman(None) => f.write_str("podman"),
            Self::Podman(Some(path)) => write!(f, "podman:{}", path.display()),
            Self::Containerd(None) => f.write_str("containerd"),
            Self::Containerd(Some(path)) => write!(f, "containerd:{}", path.display()),
            Self::Replay(path) => write!(f, "replay:{}", path.display()),
            Self::Synthetic => f.write_str("synthetic"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "docker",
            "docker:/run/a.sock",
            "podman",
            "podman:/run/b.sock",
            "containerd",
            "containerd:/run/c.sock",
            "replay:a.jsonl",
            "synthetic",
        ] {
            let spec: SourceSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
        }
        let relative: SourceSpec = "podman:b.sock".parse().unwrap();
        assert_eq!(
            relative.within(Path::new("/etc")).to_string(),
            "podman:/etc/b.sock"
        );
        for text in ["podman:", "crio", "containerd:", "docker:", "synthetic:x", ""] {
            assert!(text.parse::<SourceSpec>().is_err(), "{text}");
        }
    }
}
