//! What can go wrong between a client and a peer, each with the next step.

use crate::remedy::refusal_remedy;
use crate::wire::refusal::Reason;
use std::time::Duration;

/// Why a call to a peer failed. Cheap enough to clone, so that one failure can be told to many waiters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// An address is not `host:port`.
    #[error("`{address}` is not an address: {why}; write host:port, such as 127.0.0.1:7051")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or it was lost before an answer. Whether the peer acted is unknown.
    #[error("cannot reach the peer at {address}: {why}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What happened, and what to do about it.
        why: String,
    },
    /// None of several peers answered.
    #[error("none of {tried} peers answered: {attempts}")]
    NoPeer {
        /// How many were tried.
        tried: usize,
        /// The last failure of each.
        attempts: String,
    },
    /// The peer is reachable and silent.
    #[error(
        "no answer to {call} from {address} within {} s: whether it was done is unknown; send the same again \
         (nothing is stored twice)", after.as_secs_f32()
    )]
    Timeout {
        /// `host:port`.
        address: String,
        /// What was asked.
        call: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The peer refused an envelope; nothing of it is stored.
    #[error("refused ({}): {message}; {}", reason.as_str_name(), refusal_remedy(*reason))]
    Refused {
        /// Kind of refusal.
        reason: Reason,
        /// What the peer says.
        message: String,
        /// When to send the same bytes again, if that helps.
        retry_after: Option<Duration>,
        /// For `SEQUENCE_GAP`: the number that the peer expects, else 0.
        expected_sequence: u64,
    },
    /// The caller may not do this.
    #[error("{address} denies this: {message}; use an identity whose role may do it")]
    Denied {
        /// `host:port`.
        address: String,
        /// What the peer says.
        message: String,
    },
    /// What was asked for is not there, or not final yet.
    #[error("{address} does not have it: {message}")]
    NotFound {
        /// `host:port`.
        address: String,
        /// What the peer says.
        message: String,
    },
    /// The question makes no sense to the peer.
    #[error("{address} does not accept the request: {message}")]
    Invalid {
        /// `host:port`.
        address: String,
        /// What the peer says, and what to correct.
        message: String,
    },
    /// A stream ended before it was through; what was not answered is unknown.
    #[error("the stream with {address} broke off: {why}; open a new one and send what is unanswered again")]
    Disconnected {
        /// `host:port`.
        address: String,
        /// What happened.
        why: String,
    },
    /// What the peer has of it is damaged, and is not served.
    #[error("the peer at {address} does not serve it: {why}")]
    Damaged {
        /// `host:port`.
        address: String,
        /// What was found, and what the peer does about it.
        why: String,
    },
    /// An answer that this release does not understand, or a defect of the peer.
    #[error("{address} answers against the protocol: {why}; compare the releases of both sides, see its log")]
    Protocol {
        /// `host:port`.
        address: String,
        /// What is wrong.
        why: String,
    },
}

impl ClientError {
    /// Whether the same call can succeed at another peer, or at the same one later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NoPeer { .. }
            | Self::Timeout { .. }
            | Self::Disconnected { .. } => true,
            Self::Refused { reason, .. } => matches!(reason, Reason::Busy | Reason::Unavailable),
            _ => false,
        }
    }

    /// How long the peer asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A refusal as an error.
    pub fn refused(refusal: &crate::wire::Refusal) -> Self {
        Self::Refused {
            reason: refusal.reason(),
            message: refusal.message.clone(),
            retry_after: (refusal.retry_after_ms > 0).then(|| Duration::from_millis(refusal.retry_after_ms)),
            expected_sequence: refusal.expected_sequence,
        }
    }
}
