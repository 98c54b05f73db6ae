//! Between gRPC statuses and what they mean here.

use crate::error::ClientError;
use crate::wire;
use crate::wire::refusal::Reason;
use prost::Message;
use std::error::Error;
use std::time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Trailer that carries a [`wire::Refusal`].
const REFUSAL_KEY: &str = "e2l-refusal-bin";
/// Trailers have a size limit of their own: longer messages are cut.
const MAX_MESSAGE_CHARS: usize = 1000;
/// What a peer means that is full and does not say for how long.
const BUSY_RETRY: Duration = Duration::from_millis(200);

/// A refusal without a wait and without an expected sequence.
pub fn refusal(reason: Reason, message: impl Into<String>) -> wire::Refusal {
    wire::Refusal {
        reason: reason.into(),
        message: message.into(),
        retry_after_ms: 0,
        expected_sequence: 0,
    }
}

/// The status with which a server refuses a whole call. The refusal travels with it whole, and
/// [`status_refusal`] gives it back; messages over 1000 characters are cut.
pub fn refusal_status(refusal: &wire::Refusal) -> Status {
    let mut carried = refusal.clone();
    if let Some((end, _)) = carried.message.char_indices().nth(MAX_MESSAGE_CHARS) {
        carried.message.truncate(end);
    }
    let mut status = Status::new(code(refusal.reason()), carried.message.clone());
    let value = MetadataValue::from_bytes(&carried.encode_to_vec());
    status.metadata_mut().insert_bin(REFUSAL_KEY, value);
    status
}

/// The refusal that a status carries.
pub fn status_refusal(status: &Status) -> Option<wire::Refusal> {
    let bytes = status.metadata().get_bin(REFUSAL_KEY)?.to_bytes().ok()?;
    wire::Refusal::decode(bytes).ok()
}

fn code(reason: Reason) -> Code {
    match reason {
        Reason::Unspecified => Code::Internal,
        Reason::Malformed => Code::InvalidArgument,
        Reason::Unauthentic => Code::Unauthenticated,
        Reason::Forbidden => Code::PermissionDenied,
        Reason::SequenceGap | Reason::WrongNetwork | Reason::OtherCode => Code::FailedPrecondition,
        Reason::Conflict => Code::Aborted,
        Reason::Busy => Code::ResourceExhausted,
        Reason::Unavailable => Code::Unavailable,
        Reason::Duplicate => Code::AlreadyExists,
    }
}

/// What a status means to the caller. `trouble` is what the connection itself noticed last: with TLS 1.3 a
/// refused certificate shows only there, as an alert after the client's handshake is over.
pub(crate) fn status_error(address: &str, status: &Status, trouble: Option<String>) -> ClientError {
    if let Some(refusal) = status_refusal(status) {
        return ClientError::refused(&refusal);
    }
    let address = address.to_owned();
    // Only a status made on this side, from a broken connection, has a source.
    if status.code() == Code::Unavailable || status.source().is_some() {
        let why = trouble.unwrap_or_else(|| transport_reason(status));
        return ClientError::Unreachable { address, why };
    }
    let message = status.message().to_owned();
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => ClientError::Denied { address, message },
        Code::NotFound => ClientError::NotFound { address, message },
        Code::InvalidArgument | Code::FailedPrecondition => ClientError::Invalid { address, message },
        Code::DataLoss => ClientError::Damaged {
            address,
            why: message,
        },
        Code::ResourceExhausted => ClientError::Refused {
            reason: Reason::Busy,
            message,
            retry_after: Some(BUSY_RETRY),
            expected_sequence: 0,
        },
        code => ClientError::Protocol {
            address,
            why: format!(
                "{} ({code:?})",
                if message.is_empty() {
                    "no message"
                } else {
                    &message
                }
            ),
        },
    }
}

/// The innermost cause says what happened; the outer ones say "transport error".
fn transport_reason(status: &Status) -> String {
    let mut innermost = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        innermost = error.to_string();
        source = error.source();
    }
    format!("{innermost}: try again, or see the peer's log")
}
