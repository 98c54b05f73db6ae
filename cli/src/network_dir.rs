//! A directory that `e2l network init` made: every actor's keys, certificates and configurations.

use crate::error::{CliError, CliResult};
use e2l_client::PeerAddress;
use e2l_ledger::governance::NewActor;
use e2l_ledger::{GenesisFile, Role};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file that an actor which is to join gives to the others.
pub const NEW_ACTOR_FILE: &str = "actor.json";

/// `network.toml`: what a directory has to say about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFile {
    /// Name of the network.
    pub network: String,
    /// Actors in the order they were named; the first is the default.
    pub actors: Vec<String>,
}

/// An opened directory.
#[derive(Debug, Clone)]
pub struct NetworkDir {
    path: PathBuf,
    genesis: Arc<GenesisFile>,
    actors: Vec<String>,
}

impl NetworkDir {
    /// Name of the file that tells such a directory from others.
    pub const GENESIS: &'static str = "genesis.json";
    const NETWORK_FILE: &'static str = "network.toml";

    /// Whether `path` holds a network.
    pub fn exists(path: &Path) -> bool {
        path.join(Self::GENESIS).is_file()
    }

    /// Opens a directory and checks its genesis.
    ///
    /// # Errors
    /// It is not such a directory, or what it holds is not usable.
    pub fn open(path: &Path) -> CliResult<Self> {
        if !path.is_dir() {
            return Err(CliError::usage(
                format!("{} is not a directory", path.display()),
                "name one that `e2l network init DIR` or `e2l demo --dir DIR` made",
            ));
        }
        if !Self::exists(path) {
            return Err(CliError::usage(
                format!(
                    "{} holds no network: {} is missing",
                    path.display(),
                    Self::GENESIS
                ),
                "name a directory that `e2l network init DIR` or `e2l demo --dir DIR` made",
            ));
        }
        let genesis = read_genesis(&path.join(Self::GENESIS))?;
        let actors = Self::read_order(path, &genesis)?;
        Ok(Self {
            path: path.to_owned(),
            genesis: Arc::new(genesis),
            actors,
        })
    }

    fn read_order(path: &Path, genesis: &GenesisFile) -> CliResult<Vec<String>> {
        let file = path.join(Self::NETWORK_FILE);
        let here = |actor: &String| path.join("actors").join(actor).is_dir();
        if !file.exists() {
            let names = genesis
                .genesis
                .config
                .actors
                .iter()
                .map(|actor| actor.name.clone());
            return Ok(names.filter(here).collect());
        }
        let text = std::fs::read_to_string(&file).map_err(|error| CliError::file("read", &file, &error))?;
        let order: NetworkFile = toml::from_str(&text).map_err(|error| {
            CliError::usage(
                format!(
                    "{} cannot be read: {}",
                    file.display(),
                    error.to_string().trim_end()
                ),
                "correct it, or remove it: then actors are in the order of their names",
            )
        })?;
        Ok(order.actors.into_iter().filter(here).collect())
    }

    /// Writes `network.toml`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_order(path: &Path, file: &NetworkFile) -> CliResult<()> {
        write_toml(
            &path.join(Self::NETWORK_FILE),
            "A network made by `e2l network init`. The first actor is the default of --actor.",
            file,
        )
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its genesis, checked.
    pub fn genesis(&self) -> &Arc<GenesisFile> {
        &self.genesis
    }

    /// Actors whose material is here, in their order.
    pub fn actors(&self) -> &[String] {
        &self.actors
    }

    /// The named actor, or the first.
    ///
    /// # Errors
    /// No such actor is here.
    pub fn actor(&self, named: Option<&str>) -> CliResult<&str> {
        let found = match named {
            Some(name) => self.actors.iter().find(|actor| actor.as_str() == name),
            None => self.actors.first(),
        };
        found.map(String::as_str).ok_or_else(|| {
            CliError::usage(
                format!("{} has no actor `{}`", self.path.display(), named.unwrap_or("")),
                format!("name one of: {}", self.actors.join(", ")),
            )
        })
    }

    /// Directory of an actor.
    pub fn actor_dir(&self, actor: &str) -> PathBuf {
        self.path.join("actors").join(actor)
    }

    /// The peer of an actor that joins, or has joined, after the genesis; `None` for one that is in it.
    ///
    /// # Errors
    /// The file that says so cannot be read.
    pub fn joined_peer(&self, actor: &str) -> CliResult<Option<PeerAddress>> {
        let path = self.actor_dir(actor).join(NEW_ACTOR_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|error| CliError::file("read", &path, &error))?;
        let actor: NewActor = serde_json::from_str(&text).map_err(|error| {
            CliError::usage(
                format!("{} does not say who joins: {error}", path.display()),
                "make the directory anew with `e2l network join`",
            )
        })?;
        Ok(actor.peer.map(|peer| PeerAddress {
            actor: actor.name,
            name: peer.name,
            address: peer.address,
        }))
    }

    /// Certificate and key with which an actor's admin or client acts.
    pub fn identity_files(&self, actor: &str, role: Role) -> (PathBuf, PathBuf) {
        let directory = self.actor_dir(actor).join(role.as_str());
        let file = |extension: &str| directory.join(format!("{role}.{extension}"));
        (file("pem"), file("key"))
    }

    /// Directories of an actor's collectors, by name.
    ///
    /// # Errors
    /// The actor's directory cannot be read.
    pub fn collector_dirs(&self, actor: &str) -> CliResult<Vec<PathBuf>> {
        let directory = self.actor_dir(actor);
        let entries =
            std::fs::read_dir(&directory).map_err(|error| CliError::file("read", &directory, &error))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("collector.pem").is_file())
            .collect();
        found.sort();
        Ok(found)
    }
}

/// Reads a genesis and checks it: configuration, and every actor's approval.
///
/// # Errors
/// It cannot be read, is not a genesis, or is not approved by all.
pub fn read_genesis(path: &Path) -> CliResult<GenesisFile> {
    let text =
        std::fs::read_to_string(path).map_err(|error| CliError::file("read the genesis", path, &error))?;
    let genesis: GenesisFile = serde_json::from_str(&text).map_err(|error| {
        CliError::usage(
            format!("{} is not a genesis: {error}", path.display()),
            "get the file again from another actor",
        )
    })?;
    genesis.check().map_err(|error| {
        CliError::refused(
            format!("{} cannot be trusted: {error}", path.display()),
            "get the file again from another actor, and compare their hashes",
        )
    })?;
    Ok(genesis)
}

/// Writes a configuration file with a line on top that says what it is.
///
/// # Errors
/// It cannot be written.
pub fn write_toml<T: Serialize>(path: &Path, about: &str, value: &T) -> CliResult<()> {
    let text = toml::to_string_pretty(value).map_err(|error| {
        CliError::usage(
            format!("cannot write {} as TOML: {error}", path.display()),
            "report this as a defect",
        )
    })?;
    std::fs::write(path, format!("# {about}\n{text}")).map_err(|error| CliError::file("write", path, &error))
}
