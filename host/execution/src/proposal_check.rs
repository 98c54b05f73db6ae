//! Whether an ordered proposal becomes a block. Every peer decides by itself and decides alike.

use crate::signatures::SignatureCache;
use e2l_ledger::{
    Certificate, CertificateError, Digest, NetworkConfig, ProposalError, SignatureError, SignedProposal,
    StateKey,
};
use e2l_store::{StoreError, View};

/// Where the chain of proposals stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTip {
    /// Height of the last block.
    pub height: u64,
    /// Digest of its proposal; of the genesis at height 0.
    pub proposal: Digest,
    /// Its time, nanoseconds since the Unix epoch.
    pub time_nano: i64,
    /// Whether the state after it says that a preparation is under way, whose steps need blocks: see [`is_preparing`].
    pub preparing: bool,
}

/// Whether the state says that a preparation is under way.
///
/// # Errors
/// The store cannot be read.
pub fn is_preparing(view: &View) -> Result<bool, StoreError> {
    Ok(view.get(&StateKey::preparations())?.is_some())
}

/// Why a proposal is void: it is ordered, but no block comes of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoidProposal {
    /// Network, roots or limits.
    #[error(transparent)]
    Content(#[from] ProposalError),
    /// The leader's certificate is nowhere to be found.
    #[error("certificate {0} of the proposal's leader is not known")]
    UnknownCertificate(Digest),
    /// The leader's certificate is not acceptable.
    #[error("the leader's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Signed by someone who is not a voting peer, or not the one it names.
    #[error("the proposal names {named} as leader and is signed by {signer}: only a voting peer may propose")]
    NotLeader {
        /// Member in the header.
        named: String,
        /// Member of the certificate.
        signer: String,
    },
    /// The signature does not hold.
    #[error("the leader's signature: {0}")]
    Signature(#[from] SignatureError),
    /// It does not follow the last block.
    #[error("it proposes height {found} on {previous}, the chain stands at height {height} on {tip}")]
    Chain {
        /// Height in the header.
        found: u64,
        /// Digest it names as the proposal below.
        previous: Digest,
        /// Height of the last block.
        height: u64,
        /// Digest of the last block's proposal.
        tip: Digest,
    },
    /// Nothing to execute.
    #[error("it is empty, and no preparation is under way that needs a block")]
    Empty,
    /// Its time lies before that of the block below.
    #[error("its time {found} lies before that of the block below, {tip}")]
    Time {
        /// Time in the header.
        found: i64,
        /// Time of the last block.
        tip: i64,
    },
}

impl VoidProposal {
    /// Whether it might not be void under another configuration.
    pub fn depends_on_configuration(&self) -> bool {
        match self {
            Self::Content(error) => matches!(error, ProposalError::TooLarge { .. }),
            Self::Certificate(_) | Self::NotLeader { .. } => true,
            _ => false,
        }
    }
}

/// Checks content, leader and signature: all that can be judged without knowing the chain's tip.
///
/// # Errors
/// The first rule it breaks.
pub fn check_proposal(
    proposal: &SignedProposal,
    certificate: &Certificate,
    network: &Digest,
    config: &NetworkConfig,
    signatures: &SignatureCache,
) -> Result<(), VoidProposal> {
    let header = &proposal.header;
    let signer = certificate.member();
    if *signer != header.leader || !config.is_voting_peer(signer) {
        return Err(VoidProposal::NotLeader {
            named: header.leader.to_string(),
            signer: signer.to_string(),
        });
    }
    certificate.check(config, header.time_nano)?;
    proposal.check(network, &config.limits)?;
    signatures.verify(&header.digest(), &proposal.signature, certificate)?;
    Ok(())
}

/// Checks that a proposal follows the last block.
///
/// # Errors
/// Another height, another proposal below, a time before the last block's, or nothing in it without need.
pub fn check_chain(proposal: &SignedProposal, tip: &ChainTip) -> Result<(), VoidProposal> {
    let header = &proposal.header;
    if header.height != tip.height + 1 || header.previous != tip.proposal {
        return Err(VoidProposal::Chain {
            found: header.height,
            previous: header.previous,
            height: tip.height,
            tip: tip.proposal,
        });
    }
    if proposal.envelopes.is_empty() && !tip.preparing {
        return Err(VoidProposal::Empty);
    }
    if header.time_nano < tip.time_nano {
        return Err(VoidProposal::Time {
            found: header.time_nano,
            tip: tip.time_nano,
        });
    }
    Ok(())
}
