//! The door: what is checked before an envelope enters the pool.

use crate::evidence::check_batches;
use crate::node::{HeadError, Node};
use crate::pool::{Pooled, Taken};
use crate::votes_in::now_nano;
use crate::waiters::reason_of;
use bytes::Bytes;
use e2l_client::refusal;
use e2l_client::wire::{Refusal, refusal::Reason};
use e2l_ledger::{
    BatchHeader, Canonical, Certificate, Envelope, InspectedProposal, Inspection, Limits, NetworkConfig,
    PackedEnvelope, PackedProposal, PackedProposalError, Role, SignatureError, check_code, check_envelope,
};
use e2l_store::StoreError;
use std::sync::Arc;

/// An envelope as it came.
pub enum Brought {
    /// Its canonical bytes.
    Plain(Bytes),
    /// Canonical bytes of the packed one.
    Packed(Bytes),
}

impl Brought {
    /// What a message has in its two fields.
    pub fn of(plain: Bytes, packed: Bytes) -> Self {
        if packed.is_empty() {
            Self::Plain(plain)
        } else {
            Self::Packed(packed)
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) | Self::Packed(bytes) => bytes.len(),
        }
    }

    /// Bytes that it may have. What cannot be compressed is a little longer when it is packed.
    fn limit(&self, limits: &Limits, sender: Role) -> u64 {
        let limit = match sender {
            // A proposal to change the network brings components.
            Role::Admin => limits.request_bytes(),
            _ => limits.batch_max_bytes.max(limits.argument_max_bytes),
        } + 4096;
        match self {
            Self::Plain(_) => limit,
            Self::Packed(_) => limit + limit / 64,
        }
    }

    /// Reads and inspects it.
    fn read(&self, limits: &Limits) -> Result<(Envelope, Inspection), String> {
        match self {
            Self::Plain(bytes) => {
                let envelope = Envelope::decode(bytes).map_err(|error| error.to_string())?;
                let inspection = Inspection::of(&envelope);
                Ok((envelope, inspection))
            }
            Self::Packed(bytes) => {
                let packed = PackedEnvelope::decode(bytes).map_err(|error| error.to_string())?;
                let envelope = packed
                    .unpack(limits)
                    .map_err(|why| format!("packed envelope: {why}"))?;
                let inspection = Inspection::with_groups(&envelope, packed.groups);
                Ok((envelope, inspection))
            }
        }
    }
}

/// Checks an envelope that its own sender, or another peer for it, brings with a certificate.
///
/// # Errors
/// Why it is refused.
pub fn check(node: &Node, brought: &Brought, certificate: Certificate) -> Result<Pooled, Refusal> {
    let config = node.config();
    let limits = &config.limits;
    let limit = brought.limit(limits, certificate.member().role);
    if brought.len() as u64 > limit {
        let message = format!(
            "the envelope has {} bytes, at most {limit} are accepted",
            brought.len()
        );
        return Err(refusal(Reason::Malformed, message));
    }
    let read = brought.read(limits);
    let (envelope, inspection) = read.map_err(|why| refusal(Reason::Malformed, why))?;
    let network = &node.network;
    check_envelope(&envelope, &inspection, &certificate, network, &config, now_nano())
        .map_err(|refused| refusal(reason_of(refused.code), refused.reason))?;
    node.signatures
        .verify(&envelope.signed_digest(), envelope.signature(), &certificate)
        .map_err(|error: SignatureError| refusal(Reason::Unauthentic, error.to_string()))?;
    if let Envelope::Batch(batch) = &envelope {
        check_code_at_door(node, &batch.header, &config)?;
    }
    if let Envelope::Request(request) = &envelope {
        let height = node.newest().header.height;
        let latest = height + limits.request_lifetime_blocks;
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
        certificate,
    })
}

/// What is on the ledger was judged when it came there, and is answered whatever is in force now.
fn check_code_at_door(node: &Node, header: &BatchHeader, config: &NetworkConfig) -> Result<(), Refusal> {
    let Err(refused) = check_code(header, config, now_nano()) else {
        return Ok(());
    };
    match node.ledger_head(&header.sender) {
        Ok(head) if head.covers(header) => Ok(()),
        Ok(_) => Err(refusal(reason_of(refused.code), refused.reason)),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Unpacks and inspects a proposal; what waits in the pool was inspected when it came.
///
/// # Errors
/// The bytes are no packed proposal.
pub fn inspect(node: &Node, bytes: &[u8], limits: &Limits) -> Result<InspectedProposal, PackedProposalError> {
    PackedProposal::inspect(bytes, limits, |packed| node.pool.known(packed))
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
    taken.unwrap_or_else(|error: HeadError| Err(unreadable(&error)))
}

fn unreadable(error: &HeadError) -> Refusal {
    tracing::error!(%error, "a sender's head cannot be read");
    refusal(
        Reason::Unavailable,
        "this peer cannot read its ledger: try another peer",
    )
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
