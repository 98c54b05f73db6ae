use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Version byte that starts every encoded event.
pub(crate) const VERSION: u8 = 1;

/// What kind of object an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum EventKind {
    /// A container of the engine.
    Container,
    /// A Swarm service.
    Service,
    /// The collector itself: what it has to say about its own observation, such as a gap.
    Collector,
}

impl EventKind {
    /// The engine's `Type` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Service => "service",
            Self::Collector => "collector",
        }
    }

    /// Reads the engine's `Type` field; `None` for the types that the ledger does not record.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "container" => Some(Self::Container),
            "service" => Some(Self::Service),
            "collector" => Some(Self::Collector),
            _ => None,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the collector came to know of an event. What was inferred never looks observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum Observation {
    /// Read from the engine's event stream.
    Observed,
    /// Concluded from the engine's state, because the stream did not carry it.
    Inferred,
    /// A statement that events may be missing.
    Gap,
}

impl Observation {
    /// The word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Inferred => "inferred",
            Self::Gap => "gap",
        }
    }

    /// Reads the word used in every output.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "observed" => Some(Self::Observed),
            "inferred" => Some(Self::Inferred),
            "gap" => Some(Self::Gap),
            _ => None,
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the engine's inspection says, which labels cannot forge (DESIGN section 9). Times are nanoseconds
/// since the Unix epoch. In JSON, wherever facts are shown, each has the name of its field.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Facts {
    /// Digest of the image the container runs.
    pub image_digest: Option<String>,
    /// When the container's process started.
    pub started_nano: Option<i64>,
    /// When the container's process ended.
    pub finished_nano: Option<i64>,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for lack of memory.
    pub oom_killed: Option<bool>,
}

/// One life-cycle event of a container or service, with what its collector knows about it.
///
/// `kind`, `action`, `actor_id`, `attributes`, `scope`, `time` and `time_nano` are the engine's own fields
/// `Type`, `Action`, `Actor.ID`, `Actor.Attributes`, `scope`, `time` and `timeNano`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// What it is about.
    pub kind: EventKind,
    /// What happened: `start`, `die`, `update`, ...
    pub action: String,
    /// Id of the container or service.
    pub actor_id: String,
    /// Labels and facts the engine attaches. Labels overwrite the engine's own facts: not to be billed from.
    pub attributes: BTreeMap<String, String>,
    /// `local` or `swarm`.
    pub scope: String,
    /// Engine's time in seconds since the Unix epoch.
    pub time: i64,
    /// Engine's time in nanoseconds since the Unix epoch.
    pub time_nano: i64,
    /// Collector's clock when it read the event, nanoseconds since the Unix epoch.
    pub received_nano: i64,
    /// Position among the events of this collector incarnation, counted from 1.
    pub sequence: u64,
    /// How the collector knows.
    pub observation: Observation,
    /// What inspection says, where the collector asked.
    pub facts: Option<Facts>,
}

/// Why bytes are not an event, or an event is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventError {
    /// The bytes are not the canonical encoding.
    Encoding(String),
    /// The first byte names a version this code does not know.
    Version(u8),
    /// A parameter that must be there is empty.
    Missing(&'static str),
    /// A parameter is out of its range.
    Malformed(&'static str, String),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding(why) => write!(f, "the argument is not an encoded event: {why}"),
            Self::Version(found) => {
                write!(
                    f,
                    "event encoding version {found} is unknown; this contract reads version {VERSION}"
                )
            }
            Self::Missing(what) => write!(f, "event parameter `{what}` is missing or empty"),
            Self::Malformed(what, why) => write!(f, "event parameter `{what}` is malformed: {why}"),
        }
    }
}

impl std::error::Error for EventError {}

/// Longest `Actor.ID`, in bytes: engines use 64 hexadecimal digits, service ids 25 characters.
const MAX_ACTOR_ID: usize = 256;
/// Longest `Action`, in bytes: health checks put a command line into it, which collectors redact.
const MAX_ACTION: usize = 1024;

impl Event {
    /// The canonical encoding: a version byte, then Borsh.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(640);
        bytes.push(VERSION);
        // Writing to a Vec cannot fail; a length over u32::MAX could, and no event of that size exists.
        let encoded = borsh::to_writer(&mut bytes, self);
        debug_assert!(encoded.is_ok());
        bytes
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// Bytes of another version, truncated, with trailing bytes, or with attributes out of order.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                borsh::from_slice(rest).map_err(|error| EventError::Encoding(error.to_string()))
            }
            Some((&version, _)) => Err(EventError::Version(version)),
            None => Err(EventError::Encoding("it is empty".to_owned())),
        }
    }

    /// Checks the parameters as `createEvent` must (thesis, chaincode `createEvent`).
    ///
    /// # Errors
    /// Names the parameter that is missing or malformed.
    pub fn check(&self) -> Result<(), EventError> {
        let names = (self.actor_id.as_str(), self.action.as_str());
        check_parameters(names, self.sequence, self.time_nano, self.received_nano)
    }
}

pub(crate) fn check_parameters(
    (actor_id, action): (&str, &str),
    sequence: u64,
    time_nano: i64,
    received_nano: i64,
) -> Result<(), EventError> {
    required("Actor.ID", actor_id, MAX_ACTOR_ID)?;
    required("Action", action, MAX_ACTION)?;
    if sequence == 0 {
        return Err(EventError::Malformed("sequence", "it counts from 1".to_owned()));
    }
    if time_nano <= 0 {
        return Err(EventError::Missing("timeNano"));
    }
    if received_nano <= 0 {
        return Err(EventError::Missing("received"));
    }
    Ok(())
}

/// Most texts are ASCII, and their bytes need not be put together to characters.
fn holds_control(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

fn required(what: &'static str, value: &str, max: usize) -> Result<(), EventError> {
    if value.is_empty() {
        return Err(EventError::Missing(what));
    }
    if value.len() > max {
        return Err(EventError::Malformed(
            what,
            format!("{} bytes, at most {max} are allowed", value.len()),
        ));
    }
    if holds_control(value) {
        return Err(EventError::Malformed(
            what,
            "it holds control characters".to_owned(),
        ));
    }
    Ok(())
}
