//! Actors change the network together, with the command line, while events flow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "governance/deployment.rs"]
mod deployment;
#[path = "governance/limits.rs"]
mod limits;
#[path = "governance/policies.rs"]
mod policies;
#[path = "governance/refusals.rs"]
mod refusals;
#[path = "governance/revocation.rs"]
mod revocation;
#[path = "governance/steps.rs"]
mod steps;
#[path = "governance/upgrades.rs"]
mod upgrades;
