//! `profile.toml`: who the caller is and whom it asks, for deployments where each actor has its own machine.

use crate::error::{CliError, CliResult};
use crate::output::Format;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A profile. Relative paths start at the directory of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The network's genesis.
    pub genesis: PathBuf,
    /// The caller's certificate.
    pub certificate: PathBuf,
    /// Its key; mode 0600.
    pub key: PathBuf,
    /// Actors whose peers are asked first, in order; the others follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// The last checkpoint, where neither `--checkpoint` nor `E2L_CHECKPOINT` names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
    /// Output format, where neither `-o` nor `E2L_OUTPUT` says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Format>,
    /// Longest wait for an answer, such as `10s`, where neither `--timeout` nor `E2L_TIMEOUT` says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The own actor's peer, if it has joined after the genesis: that does not say where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<JoinedPeer>,
}

/// A peer that the genesis does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedPeer {
    /// Its actor.
    pub actor: String,
    /// Name in its certificate.
    pub name: String,
    /// `host:port`.
    pub address: String,
}

impl Profile {
    /// Reads a file and resolves its paths.
    ///
    /// # Errors
    /// It cannot be read, is not TOML, or holds a field that is not known.
    pub fn load(path: &Path) -> CliResult<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| CliError::file("read the profile", path, &error))?;
        let mut profile: Self = toml::from_str(&text).map_err(|error| {
            CliError::usage(
                format!(
                    "{} is not a profile: {}",
                    path.display(),
                    error.to_string().trim_end()
                ),
                "correct the file; its fields are genesis, certificate, key, peers, checkpoint, output, timeout, joined",
            )
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        for field in [&mut profile.genesis, &mut profile.certificate, &mut profile.key] {
            *field = base.join(&field);
        }
        profile.checkpoint = profile.checkpoint.map(|file| base.join(file));
        Ok(profile)
    }
}
