//! The door: what is checked before an envelope enters the pool.

use crate::evidence::check_batches;
use crate::node::{HeadError, Node};
use crate::pool::{Pooled, Taken};
use crate::votes_in::now_nano;
use crate::waiters::reason_of;
use bytes::Bytes;
use e2l_client::refusal;
use e2l_client::wire::{Refusal, refusal::Reason};
use e2l_ledger::{Canonical, Certificate, Envelope, Inspection, SignatureError, check_envelope};
use e2l_store::StoreError;
use std::sync::Arc;

/// Checks an envelope that its own sender, or another peer for it, brings with a certificate.
///
/// # Errors
/// Why it is refused.
pub fn check(node: &Node, bytes: Bytes, certificate: Certificate) -> Result<Pooled, Refusal> {
    let limit = node
        .config
        .limits
        .batch_max_bytes
        .max(node.config.limits.argument_max_bytes)
        + 4096;
    if bytes.len() as u64 > limit {
        let message = format!(
            "the envelope has {} bytes, at most {limit} are accepted",
            bytes.len()
        );
        return Err(refusal(Reason::Malformed, message));
    }
    let envelope = Envelope::decode(&bytes).map_err(|error| refusal(Reason::Malformed, error.to_string()))?;
    let inspection = Inspection::of(&envelope);
    let (network, config) = (&node.network, &node.config);
    check_envelope(&envelope, &inspection, &certificate, network, config, now_nano())
        .map_err(|refused| refusal(reason_of(refused.code), refused.reason))?;
    node.signatures
        .verify(&envelope.signed_digest(), envelope.signature(), &certificate)
        .map_err(|error: SignatureError| refusal(Reason::Unauthentic, error.to_string()))?;
    if let Envelope::Request(request) = &envelope {
        let height = node.newest().header.height;
        let latest = height + node.config.limits.request_lifetime_blocks;
        if request.header.expires_at <= height || request.header.expires_at > latest {
            let message = format!(
                "its last height is {}; the ledger stands at {height}, and a request may reach to {latest}",
                request.header.expires_at
            );
            return Err(refusal(Reason::Malformed, message));
        }
    }
    Ok(Pooled {
        envelope: envelope.into(),
        inspection: Arc::new(inspection),
        bytes,
        certificate,
    })
}

/// Puts a checked envelope into the pool.
///
/// # Errors
/// Why it is refused.
pub fn take(node: &Node, pooled: Pooled) -> Result<Taken, Refusal> {
    let taken = node.pool.take(pooled.clone(), |sender| node.ledger_head(sender));
    if let Ok(Err(refused)) = &taken
        && refused.reason() == Reason::Conflict
        && let Err(error) = convict(node, &pooled)
    {
        tracing::error!(%error, "evidence cannot be kept");
    }
    taken.unwrap_or_else(|error: HeadError| {
        tracing::error!(%error, "a sender's head cannot be read");
        Err(refusal(
            Reason::Unavailable,
            "this peer cannot read its ledger: try another peer",
        ))
    })
}

/// A batch contradicts one that waits: both are evidence.
fn convict(node: &Node, pooled: &Pooled) -> Result<(), StoreError> {
    let Envelope::Batch(batch) = &*pooled.envelope else {
        return Ok(());
    };
    let Some(rival) = node.pool.rival(batch) else {
        return Ok(());
    };
    match &*rival.envelope {
        Envelope::Batch(other) => {
            check_batches(node, (other, &rival.certificate), (batch, &pooled.certificate))
        }
        Envelope::Request(_) => Ok(()),
    }
}
