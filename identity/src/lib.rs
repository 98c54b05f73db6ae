//! Who is who, on disk and on the wire: actors' certificate authorities, members' keys, a new network's files,
//! and TLS that trusts exactly the members of the configuration in force.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod addresses;
mod authority;
mod current;
mod error;
mod files;
mod identity;
mod identity_files;
mod log_limit;
mod network;
mod presented;
mod refusal;
mod source;
mod tls;
mod trust;
mod workload;

pub use addresses::addresses_in;
pub use authority::{Authority, Issued, Validity};
pub use current::{CurrentIdentity, Successor, Unfit};
pub use error::IdentityError;
pub use files::{write_public, write_secret};
pub use identity::{Identity, read_certificate};
pub use identity_files::IdentityFiles;
pub use log_limit::LogLimit;
pub use network::{ActorPlan, ChaincodePlan, JoinPlan, NetworkPlan, create_network, prepare_actor};
pub use presented::Presented;
pub use refusal::CertificateRefused;
pub use source::{IdentityOrigin, IdentitySource};
pub use tls::{client_config, introduction_config, server_config};
pub use trust::{ExpectedPeer, StaticTrust, Trust};
pub use workload::{Wanted, WorkloadApi, WorkloadOptions};
