//! The log of events that Podman keeps: in order, and for as long as its size or its journal allows. Docker's client cannot
//! ask for it without waiting for more.

use super::super::EngineEvent;
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::memory;
use super::raw;
use super::told::Told;
use bollard::errors::Error;
use serde::Deserialize;
use std::collections::{BTreeSet, VecDeque};
use std::io;

/// Most events that are taken from it, the newest ones.
pub const MOST: usize = 16_384;
/// Where Podman describes itself; the version is the first that has what is read of it.
const INFO: &str = "/v4.0.0/libpod/info";
/// What is wrong, and what to do.
const NO_LOG: &str =
    "this Podman keeps no events: set `events_logger` to \"journald\" or \"file\" in containers.conf";

/// Asks for the log from a moment of the engine's clock on, oldest first.
///
/// # Errors
/// The engine does not answer, or answers with something else.
pub async fn read(endpoint: &Endpoint, since_nano: i64) -> Result<Vec<EngineEvent>, Error> {
    let path = format!("{}&stream=false", path(since_nano));
    let mut told = Told::open(endpoint, Dialect::Podman, &path).await?;
    let mut events = VecDeque::new();
    while let Some(event) = told.next().await? {
        events.push_back(event);
        if events.len() > MOST {
            events.pop_front();
        }
    }
    Ok(events.into())
}

/// Makes sure that there is a log: without one the engine tells nothing, and does not say so.
///
/// # Errors
/// There is none, or the engine does not answer.
pub async fn check(endpoint: &Endpoint) -> Result<(), Error> {
    let info: Info = raw::json(endpoint, INFO).await?;
    match info.host.event_logger.as_str() {
        "none" => Err(io::Error::other(NO_LOG).into()),
        _ => Ok(()),
    }
}

/// Ids of all containers. Podman knows states that Docker's client does not, so that only these are read.
///
/// # Errors
/// The engine does not answer.
pub async fn listed(endpoint: &Endpoint) -> Result<BTreeSet<String>, Error> {
    let all: Vec<Listed> = raw::json(endpoint, "/containers/json?all=true").await?;
    Ok(all.into_iter().map(|one| one.id).collect())
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
}

#[derive(Deserialize)]
struct Info {
    host: Host,
}

#[derive(Deserialize)]
struct Host {
    #[serde(rename = "eventLogger", default)]
    event_logger: String,
}

/// What asks for the log from a moment of the engine's clock on, and for what happens then. Podman does not answer before the first
/// event. Containers only: `filters` is `{"type":["container"]}`.
pub fn path(since_nano: i64) -> String {
    let since = memory::seconds(since_nano);
    format!("/events?since={since}&filters=%7B%22type%22%3A%5B%22container%22%5D%7D")
}
