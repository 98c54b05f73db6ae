use crate::certificate::CertificateError;
use crate::hash::Digest;
use crate::signature::SignatureError;

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is about another network.
    #[error("it is from network {found}, the genesis is that of {expected}: use the genesis it belongs to")]
    OtherNetwork {
        /// Network in the proof.
        found: Digest,
        /// Network of the genesis.
        expected: Digest,
    },
    /// Its block was executed under a configuration that the verifier does not know.
    #[error(
        "block {height} was executed under configuration {found}, known for this height is {expected}{}",
        if *.changed_later { ": the changes of the configuration since then are missing" } else { "" }
    )]
    Configuration {
        /// Height of the block.
        height: u64,
        /// Configuration of its header.
        found: Digest,
        /// Configuration known.
        expected: Digest,
        /// Whether a change that is not known yet may be the reason.
        changed_later: bool,
    },
    /// A header above does not name the one below.
    #[error("header {height} does not follow the header below it")]
    Chain {
        /// Height of the upper header.
        height: u64,
    },
    /// An endorsement that does not count for the header.
    #[error("an endorsement is not one of header {height}: {why}")]
    Endorsement {
        /// Height of the header.
        height: u64,
        /// What does not fit.
        why: String,
    },
    /// Fewer actors have endorsed than the policy demands.
    #[error(
        "{found} of {voters} actors have endorsed header {height}, the network's policy demands {required}"
    )]
    TooFewEndorsements {
        /// Height of the header.
        height: u64,
        /// Actors whose endorsement holds.
        found: usize,
        /// Actors that the policy demands.
        required: usize,
        /// Actors that vote.
        voters: usize,
    },
    /// A certificate.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// A signature.
    #[error("signature of {signer}: {source}")]
    Signature {
        /// Whose it should be.
        signer: String,
        /// What is wrong.
        source: SignatureError,
    },
    /// Something is not part of what the header commits to.
    #[error("the {what} is not what block {height} commits to")]
    NotIncluded {
        /// What.
        what: &'static str,
        /// Height of the block.
        height: u64,
    },
    /// The parts of a proof are about different things.
    #[error("the proof contradicts itself: {0}")]
    Inconsistent(String),
    /// Two statements that are not a contradiction.
    #[error("these statements do not convict anybody: {0}")]
    NoContradiction(String),
}

impl ProofError {
    /// Whether the proof may be true and only lacks something needed to decide, as opposed to being false.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::TooFewEndorsements { .. } | Self::Configuration { .. })
    }

    pub(crate) fn signature(signer: &crate::Member, source: SignatureError) -> Self {
        Self::Signature {
            signer: signer.to_string(),
            source,
        }
    }
}
