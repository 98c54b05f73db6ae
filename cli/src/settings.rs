//! Where a command's settings come from: flags, then `E2L_*` environment variables, then the profile, then
//! defaults.

use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::output::{Format, parse_duration};
use crate::profile::Profile;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The demo's directory, used when nothing else is named.
pub const DEMO_DIR: &str = "e2l-demo";
/// Longest wait for an answer when nothing else is set.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Directory of a network [env: E2L_NETWORK; default: ./e2l-demo where it exists]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "profile")]
    pub network: Option<PathBuf>,
    /// Act for this actor, and ask its peer first [env: E2L_ACTOR; default: the network's first actor]
    #[arg(long, global = true, value_name = "NAME")]
    pub actor: Option<String>,
    /// Profile: identity and peers, in place of --network [env: E2L_PROFILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Last checkpoint: believe nothing that is older or of another chain [env: E2L_CHECKPOINT]
    #[arg(long, global = true, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Output format [env: E2L_OUTPUT; default: table]
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Longest wait for an answer, such as 500ms or 30s [env: E2L_TIMEOUT; default: 10s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Say on standard error what happens inside: -v, -vv
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The process's surroundings, handed in so that the order of precedence can be tested.
pub struct Surroundings<'a> {
    /// Reads an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The current directory.
    pub directory: &'a Path,
}

/// Where identities and addresses come from.
#[derive(Debug, Clone)]
pub enum Place {
    /// A directory with every actor's material, as `e2l network init` makes it.
    Network(NetworkDir),
    /// One identity.
    Profile(Profile),
}

impl Global {
    /// Output format for commands that need no network.
    ///
    /// # Errors
    /// `E2L_OUTPUT` is not a format.
    pub fn format(&self, around: &Surroundings<'_>) -> CliResult<Format> {
        Ok(self.format_or(around, None)?.unwrap_or_default())
    }

    fn format_or(&self, around: &Surroundings<'_>, profile: Option<Format>) -> CliResult<Option<Format>> {
        if self.output.is_some() {
            return Ok(self.output);
        }
        let Some(text) = set(around, "E2L_OUTPUT") else {
            return Ok(profile);
        };
        clap::ValueEnum::from_str(&text, true).map(Some).map_err(|_| {
            CliError::usage(
                format!("E2L_OUTPUT is `{text}`"),
                "set it to table, json, jsonl or csv",
            )
        })
    }

    /// Finds the network and everything that goes with it.
    ///
    /// # Errors
    /// Nothing is named and there is no demo; what is named is not there or not readable; an environment
    /// variable makes no sense.
    pub fn resolve(&self, around: &Surroundings<'_>) -> CliResult<Settings> {
        let place = self.place(around)?;
        let profile = match &place {
            Place::Profile(profile) => Some(profile),
            Place::Network(_) => None,
        };
        let format = self.format_or(around, profile.and_then(|profile| profile.output))?;
        let timeout = self.timeout_or(around, profile.and_then(|profile| profile.timeout.as_deref()))?;
        Ok(Settings {
            actor: self.actor.clone().or_else(|| set(around, "E2L_ACTOR")),
            format: format.unwrap_or_default(),
            timeout,
            checkpoint: self.checkpoint(around, profile),
            place,
        })
    }

    /// Whether a network is named, by a flag, by the environment or by a demo's directory beside the caller.
    pub fn names_a_network(&self, around: &Surroundings<'_>) -> bool {
        let variable = |name| set(around, name).is_some();
        self.network.is_some()
            || self.profile.is_some()
            || variable("E2L_NETWORK")
            || variable("E2L_PROFILE")
            || around.directory.join(DEMO_DIR).exists()
    }

    fn checkpoint(&self, around: &Surroundings<'_>, profile: Option<&Profile>) -> Option<PathBuf> {
        let named = self.checkpoint.clone();
        let named = named.or_else(|| set(around, "E2L_CHECKPOINT").map(PathBuf::from));
        named.or_else(|| profile.and_then(|profile| profile.checkpoint.clone()))
    }

    fn place(&self, around: &Surroundings<'_>) -> CliResult<Place> {
        if let Some(file) = &self.profile {
            return Ok(Place::Profile(Profile::load(file)?));
        }
        if let Some(directory) = &self.network {
            return Ok(Place::Network(NetworkDir::open(directory)?));
        }
        if let Some(file) = set(around, "E2L_PROFILE") {
            let profile = Profile::load(Path::new(&file)).map_err(|error| error.within("E2L_PROFILE"))?;
            return Ok(Place::Profile(profile));
        }
        if let Some(directory) = set(around, "E2L_NETWORK") {
            let network =
                NetworkDir::open(Path::new(&directory)).map_err(|error| error.within("E2L_NETWORK"))?;
            return Ok(Place::Network(network));
        }
        let demo = around.directory.join(DEMO_DIR);
        if !demo.exists() {
            return Err(CliError::usage(
                format!("no network is named, and there is no ./{DEMO_DIR} here"),
                "start one with `e2l demo`, or name yours with --network DIR or --profile FILE",
            ));
        }
        Ok(Place::Network(
            NetworkDir::open(Path::new(DEMO_DIR)).or_else(|_| NetworkDir::open(&demo))?,
        ))
    }

    fn timeout_or(&self, around: &Surroundings<'_>, profile: Option<&str>) -> CliResult<Duration> {
        if let Some(timeout) = self.timeout {
            return Ok(timeout);
        }
        let (place, text) = match (set(around, "E2L_TIMEOUT"), profile) {
            (Some(text), _) => ("E2L_TIMEOUT", text),
            (None, Some(text)) => ("the profile's timeout", text.to_owned()),
            (None, None) => return Ok(DEFAULT_TIMEOUT),
        };
        parse_duration(&text).map_err(|why| CliError::usage(format!("{place}: {why}"), "correct it"))
    }
}

/// An empty variable counts as none.
fn set(around: &Surroundings<'_>, name: &str) -> Option<String> {
    (around.variable)(name).filter(|value| !value.is_empty())
}

/// Settings of a command that talks to peers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where identities and addresses come from.
    pub place: Place,
    /// The actor that was named.
    pub actor: Option<String>,
    /// Output format.
    pub format: Format,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// File of the last checkpoint.
    pub checkpoint: Option<PathBuf>,
}
