//! Who is who, on disk and on the wire: actors' certificate authorities, members' keys, a new network's files,
//! and TLS that trusts exactly the members of the configuration in force.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod authority;
mod error;
mod file_identity;
mod files;
mod log_limit;
mod network;
mod refusal;
mod tls;
mod trust;

pub use authority::{Authority, Issued, Validity};
pub use error::IdentityError;
pub use file_identity::{FileIdentity, read_certificate};
pub use files::{write_public, write_secret};
pub use log_limit::LogLimit;
pub use network::{ActorPlan, ChaincodePlan, JoinPlan, NetworkPlan, create_network, prepare_actor};
pub use refusal::CertificateRefused;
pub use tls::{client_config, server_config};
pub use trust::{ExpectedPeer, StaticTrust, Trust};
