//! The pure core of event2ledger: what is hashed, signed, ordered and proven, and the rules for it.
//!
//! Nothing here knows a clock, a random source, a disk or a network, so the same code decides on every peer,
//! in the offline verifier and in a browser. Formats are specified in `docs/format/`.

mod admission;
pub mod attributes;
mod batch;
mod block;
mod canonical;
mod certificate;
mod code;
mod collector_code;
mod config;
mod genesis;
pub mod governance;
mod hash;
mod inspection;
mod keys;
mod log;
mod map;
mod member;
mod merkle;
mod packed;
mod policy;
pub mod proof;
mod proposal;
mod request;
mod signature;
mod statement;
mod suffrage;
pub mod swarm;
mod vote;

pub use admission::{Refused, SenderHead, check_envelope, check_signature};
pub use batch::{BatchHeader, Call, SignedBatch, TransactionIds};
pub use block::{Block, EnvelopeOutcome, Header, TransactionResult};
pub use canonical::{Canonical, DecodeError};
pub use certificate::{Certificate, CertificateError};
pub use code::ValidationCode;
pub use collector_code::{COLLECTOR, RECORD, ReplacedCollector, check_code};
pub use config::{
    ActorConfig, ChaincodeDefinition, ConfigError, EngineProfile, Limits, NetworkConfig, PeerConfig,
    PeerPlace,
};
pub use e2l_event as event;
pub use genesis::{Approval, Genesis, GenesisError, GenesisFile};
pub use hash::{Digest, Domain, Hasher, ParseDigestError};
pub use inspection::{InspectedProposal, Inspection};
pub use keys::{KeyPrefix, StateKey};
pub use log::{LogEntry, LogHead, Provenance};
pub use map::StateMap;
pub use member::{InvalidName, Member, Role, validate_name};
pub use merkle::{InclusionProof, merkle_root};
pub use packed::{
    GROUP_BYTES, PackError, PackedCalls, PackedEnvelope, PackedProposal, PackedProposalError, pack_calls,
};
pub use policy::Policy;
pub use proposal::{Envelope, EnvelopeSource, ProposalError, ProposalHeader, SignedProposal};
pub use request::{RequestHeader, SignedRequest};
pub use signature::{Algorithm, Signature, SignatureError, Signer};
pub use statement::StatementHeader;
pub use suffrage::Suffrage;
pub use vote::{Acknowledgement, Endorsement, SignedVote, Vote};
