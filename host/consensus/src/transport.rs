//! The network, as Raft sees it.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::time::Duration;

/// Kind of a message between Raft nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Entries, or a heartbeat.
    AppendEntries,
    /// A request for a vote.
    Vote,
    /// A pointer to a final height.
    Snapshot,
}

/// A number that stands for no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a kind of Raft message")]
pub struct UnknownMessage(u32);

impl From<MessageKind> for u32 {
    fn from(kind: MessageKind) -> Self {
        match kind {
            MessageKind::AppendEntries => 1,
            MessageKind::Vote => 2,
            MessageKind::Snapshot => 3,
        }
    }
}

impl TryFrom<u32> for MessageKind {
    type Error = UnknownMessage;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::AppendEntries),
            2 => Ok(Self::Vote),
            3 => Ok(Self::Snapshot),
            other => Err(UnknownMessage(other)),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No link, or no answer in time.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The other side's guard refused.
    #[error("refused: {0}")]
    Refused(String),
}

/// Carries messages to other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Sends a message and waits for its answer, at most `timeout`.
    fn call(
        &self,
        target: u64,
        kind: MessageKind,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>>;
}
