//! Who may say what, and in which order: the rules that decide on an envelope as a whole. A peer applies
//! them at its door and again, with the ledger's state, when it executes a block.

use crate::batch::BatchHeader;
use crate::canonical::Canonical;
use crate::certificate::{Certificate, CertificateError};
use crate::code::ValidationCode;
use crate::config::NetworkConfig;
use crate::hash::Digest;
use crate::inspection::Inspection;
use crate::member::Role;
use crate::proposal::Envelope;
use borsh::{BorshDeserialize, BorshSerialize};

/// How far above a sender's last incarnation its next may be: bounded, so that the numbers do not come to an end.
const MAX_LATER: u64 = 1024;

/// An envelope is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Its validation code.
    pub code: ValidationCode,
    /// Why, in one sentence. Part of the result: the same on every peer.
    pub reason: String,
}

impl Refused {
    fn new(code: ValidationCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// Checks an envelope apart from its signature bytes and its place in the sender's sequence: network, form,
/// limits, certificate, sender, role.
///
/// # Errors
/// The first rule it breaks.
pub fn check_envelope(
    envelope: &Envelope,
    inspection: &Inspection,
    certificate: &Certificate,
    network: &Digest,
    config: &NetworkConfig,
    time_nano: i64,
) -> Result<(), Refused> {
    if envelope.network() != network {
        return Err(Refused::new(
            ValidationCode::WrongNetwork,
            format!(
                "it is signed for network {}, this is {network}",
                envelope.network()
            ),
        ));
    }
    if !inspection.described || !envelope.is_within(&config.limits) {
        return Err(Refused::new(
            ValidationCode::BadPayload,
            "its header does not describe its calls, or it is over the network's limits",
        ));
    }
    check_sender(envelope, certificate)?;
    certificate.check(config, time_nano).map_err(|error| {
        let code = match error {
            CertificateError::Revoked { .. } => ValidationCode::CreatorRevoked,
            _ => ValidationCode::BadCreatorSignature,
        };
        Refused::new(code, error.to_string())
    })
}

fn check_sender(envelope: &Envelope, certificate: &Certificate) -> Result<(), Refused> {
    let (claimed, holder) = (envelope.sender(), certificate.member());
    if claimed != holder {
        return Err(Refused::new(
            ValidationCode::BadCreatorSignature,
            format!("it names {claimed} as its sender, its certificate is that of {holder}"),
        ));
    }
    let (allowed, what) = match envelope {
        Envelope::Batch(_) => (holder.role == Role::Collector, "collectors submit batches"),
        // A peer says one thing itself, and no admin for it.
        Envelope::Request(request) if request.call.is_ready() => {
            (holder.role == Role::Peer, "a peer says that it is ready")
        }
        Envelope::Request(_) => (holder.role == Role::Admin, "admins submit requests"),
    };
    if allowed {
        return Ok(());
    }
    Err(Refused::new(
        ValidationCode::RoleNotAllowed,
        format!("only {what}; {holder} may not"),
    ))
}

/// Checks the signature bytes.
///
/// # Errors
/// `BAD_CREATOR_SIGNATURE`.
pub fn check_signature(envelope: &Envelope, certificate: &Certificate) -> Result<(), Refused> {
    envelope
        .signature()
        .verify(&envelope.signed_digest(), certificate)
        .map_err(|error| Refused::new(ValidationCode::BadCreatorSignature, error.to_string()))
}

/// Where a sender of batches stands on the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SenderHead {
    /// Incarnation of the last batch; 0 before the first.
    pub incarnation: u64,
    /// Its sequence number; 0 before the first.
    pub sequence: u64,
    /// Digest of its header; zero before the first.
    pub digest: Digest,
}

impl Canonical for SenderHead {
    const WHAT: &'static str = "sender head";
}

impl SenderHead {
    /// The head after a batch.
    pub fn after(header: &BatchHeader) -> Self {
        Self {
            incarnation: header.incarnation,
            sequence: header.sequence,
            digest: header.digest(),
        }
    }

    /// Whether a batch with these numbers is at or below the head.
    pub fn covers(&self, header: &BatchHeader) -> bool {
        (header.incarnation, header.sequence) <= (self.incarnation, self.sequence)
    }

    /// Checks that a batch follows this head: the next of its incarnation, or the first of a later one, and
    /// linked to the last.
    ///
    /// # Errors
    /// `DUPLICATE_TXID` for a batch at or below the head, else `SEQUENCE_GAP` with what is expected.
    pub fn check_next(&self, header: &BatchHeader) -> Result<(), Refused> {
        if self.covers(header) {
            return Err(Refused::new(
                ValidationCode::DuplicateTxid,
                format!(
                    "batch {} of incarnation {} is already on the ledger",
                    header.sequence, header.incarnation
                ),
            ));
        }
        let continues = header.incarnation == self.incarnation && header.sequence == self.sequence + 1;
        // A collector may have given up an incarnation of which nothing came on the ledger.
        let later = self.incarnation.saturating_add(1)..=self.incarnation.saturating_add(MAX_LATER);
        let begins = later.contains(&header.incarnation) && header.sequence == 1;
        // Before the first batch there is no incarnation to continue.
        let follows = begins || (continues && self.incarnation > 0);
        if !follows {
            return Err(Refused::new(
                ValidationCode::SequenceGap,
                format!(
                    "batch {} of incarnation {} does not follow: expected is batch {} of incarnation {}, or \
                     batch 1 of a later incarnation",
                    header.sequence,
                    header.incarnation,
                    self.sequence + 1,
                    self.incarnation.max(1)
                ),
            ));
        }
        if header.previous != self.digest {
            return Err(Refused::new(
                ValidationCode::SequenceGap,
                format!(
                    "batch {} names {} as its previous batch, the last on the ledger is {}",
                    header.sequence, header.previous, self.digest
                ),
            ));
        }
        Ok(())
    }
}
